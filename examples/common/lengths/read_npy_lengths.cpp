// SPDX-License-Identifier: Apache-2.0
#include "input.hpp"
#include "npy_header.hpp"

#include "common/errors.hpp"
#include "common/input_file.hpp"
#include "common/progress.hpp"

#include <algorithm>
#include <array>
#include <concepts>
#include <span>
#include <string_view>
#include <vector>

namespace packkit::app {
namespace {

/// An integer in the given order, from as many bytes as there are.
template <std::integral Integer>
Integer load(std::string_view bytes, std::endian order) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const std::size_t at = order == std::endian::big ? i : bytes.size() - 1 - i;
        value = value << 8U | static_cast<unsigned char>(bytes[at]);
    }
    return static_cast<Integer>(value);
}

/// Bytes from here to the end, which are read.
std::uint64_t rest_of(input_file& file) {
    std::array<char, 65536> buffer{};
    std::uint64_t bytes = 0;
    for (std::size_t got = 1; got > 0; bytes += got)
        got = file.read(buffer);
    return bytes;
}

/// Reads `count` elements and checks that they end with the file.
template <std::integral Element>
void read_elements(input_file& file, std::uint64_t count, std::endian order,
                   sample_sink& sink) {
    constexpr std::size_t piece = 65536;
    const auto refuse_size = [&](std::uint64_t bytes) {
        throw input_error(
            file.name(), "its header announces " + std::to_string(count) +
                             " elements of " + std::to_string(sizeof(Element)) +
                             " bytes, but " + std::to_string(bytes) + " bytes follow it");
    };
    progress_bar progress("reading " + file.name(), count);
    std::vector<Element> elements(std::min<std::uint64_t>(count, piece));
    for (std::uint64_t done = 0; done < count; progress.set(done)) {
        const auto wanted =
            static_cast<std::size_t>(std::min<std::uint64_t>(count - done, piece));
        const std::size_t bytes = wanted * sizeof(Element);
        const std::size_t got =
            file.read(std::span(reinterpret_cast<char*>(elements.data()), bytes));
        if (got < bytes) refuse_size(done * sizeof(Element) + got);
        if (sizeof(Element) > 1 && order != std::endian::native) {
            for (std::size_t i = 0; i < wanted; ++i) {
                elements[i] = load<Element>(
                    std::string_view(reinterpret_cast<const char*>(&elements[i]),
                                     sizeof(Element)),
                    order);
            }
        }
        sink.add_all(std::span<const Element>(elements.data(), wanted),
                     [&](std::size_t i) {
                         return file.name() + ": element " + std::to_string(done + i);
                     });
        done += wanted;
    }
    if (const std::uint64_t more = rest_of(file); more > 0) {
        refuse_size(count * sizeof(Element) + more);
    }
}

}  // namespace

void read_npy_lengths(input_file file, const row_options&, sample_sink& sink) {
    const npy_header header = read_npy_header(file);
    if (header.shape.size() != 1) {
        throw input_error(file.name(), "has " + std::to_string(header.shape.size()) +
                                           " dimensions; expected one");
    }
    const npy_integer type = parse_npy_integer(header.descr, file.name());
    const std::uint64_t count = header.shape.front();
    // What a file cannot hold is not expected, and is refused at its end.
    if (file.size_hint() / type.bytes >= count) sink.expect(count);
    const auto read = [&]<class Signed, class Unsigned>(Signed, Unsigned) {
        if (type.is_signed) {
            read_elements<Signed>(file, count, type.order, sink);
        } else {
            read_elements<Unsigned>(file, count, type.order, sink);
        }
    };
    switch (type.bytes) {
        case 1:
            return read(std::int8_t{}, std::uint8_t{});
        case 2:
            return read(std::int16_t{}, std::uint16_t{});
        case 4:
            return read(std::int32_t{}, std::uint32_t{});
        default:
            return read(std::int64_t{}, std::uint64_t{});
    }
}

}  // namespace packkit::app
