// SPDX-License-Identifier: Apache-2.0
#include "input.hpp"
#include "npy_header.hpp"

#include "common/errors.hpp"
#include "common/input_file.hpp"

#include <algorithm>
#include <limits>
#include <string_view>

namespace packkit::app {
namespace {

constexpr std::string_view magic = "\x93NUMPY";

/// An unsigned integer of up to 8 bytes.
std::uint64_t load(std::string_view bytes, std::endian order) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const std::size_t at = order == std::endian::big ? i : bytes.size() - 1 - i;
        value = value << 8U | static_cast<unsigned char>(bytes[at]);
    }
    return value;
}

/// The dictionary's text; `at` moves to the data behind it.
std::string_view header_text(std::string_view file, std::size_t& at,
                             const std::string& name) {
    if (file.empty())
        throw input_error(name, "the file is empty; expected a NumPy array");
    if (!file.starts_with(magic)) {
        throw input_error(name, "is no NumPy file: it does not begin with '\\x93NUMPY'");
    }
    const auto refuse_short = [&] {
        throw input_error(name, "broken NumPy header: the file ends inside it, after " +
                                    std::to_string(file.size()) + " bytes");
    };
    at = magic.size();
    if (file.size() < at + 2) refuse_short();
    const auto major = static_cast<unsigned char>(file[at]);
    const auto minor = static_cast<unsigned char>(file[at + 1]);
    if (major < 1 || major > 3 || minor != 0) {
        throw input_error(name, "NumPy format version " + std::to_string(major) + "." +
                                    std::to_string(minor) + "; expected 1.0, 2.0 or 3.0");
    }
    at += 2;
    const std::size_t size_bytes = major == 1 ? 2 : 4;
    if (file.size() - at < size_bytes) refuse_short();
    const std::uint64_t header = load(file.substr(at, size_bytes), std::endian::little);
    at += size_bytes;
    if (file.size() - at < header) refuse_short();
    const std::string_view text = file.substr(at, header);
    at += header;
    return text;
}

/// The element's value as a length; unsigned ones above 2^63 - 1 are refused.
template <class Place>
std::int64_t element_value(std::string_view bytes, npy_integer type, const Place& place) {
    const std::uint64_t raw = load(bytes, type.order);
    if (type.is_signed) {
        const auto unused_bits = static_cast<unsigned>(64 - 8 * type.bytes);
        return static_cast<std::int64_t>(raw << unused_bits) >> unused_bits;
    }
    if (raw > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        throw input_error(place(), "length " + std::to_string(raw) +
                                       " does not fit 64 bits with a sign"
                                       "; expected a whole number ≥ 1");
    }
    return static_cast<std::int64_t>(raw);
}

}  // namespace

void read_npy_lengths(const std::string& path, sample_sink& sink) {
    const std::string file = read_file(path);
    std::size_t at = 0;
    const npy_header header = parse_npy_header(header_text(file, at, path), path);
    if (header.shape.size() != 1) {
        throw input_error(path, "has " + std::to_string(header.shape.size()) +
                                    " dimensions; expected one");
    }
    const npy_integer type = parse_npy_integer(header.descr, path);
    const std::uint64_t count = header.shape.front();
    const std::string_view data = std::string_view(file).substr(at);
    if (data.size() % type.bytes != 0 || data.size() / type.bytes != count) {
        throw input_error(path, "its header announces " + std::to_string(count) +
                                    " elements of " + std::to_string(type.bytes) +
                                    " bytes, but " + std::to_string(data.size()) +
                                    " bytes follow it");
    }
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto place = [&] { return path + ": element " + std::to_string(i); };
        sink.add(element_value(data.substr(i * type.bytes, type.bytes), type, place),
                 place);
    }
}

}  // namespace packkit::app
