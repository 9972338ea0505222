// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/safetensors.hpp"

#include "common/did_you_mean.hpp"
#include "common/document_field.hpp"
#include "common/errors.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>
#include <ranges>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace packkit::train {
namespace {

using app::in_quotes;
using app::input_error;

constexpr std::uint64_t length_bytes = 8;  // of the header, little-endian

struct dtype_bits {
    std::string_view name;
    unsigned bits;
};

constexpr dtype_bits dtypes[] = {
    {"BOOL", 8},    {"U8", 8},          {"I8", 8},          {"I16", 16},
    {"U16", 16},    {"F16", 16},        {"BF16", 16},       {"I32", 32},
    {"U32", 32},    {"F32", 32},        {"F64", 64},        {"I64", 64},
    {"U64", 64},    {"C64", 64},        {"F8_E4M3", 8},     {"F8_E5M2", 8},
    {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6},
    {"F6_E3M2", 6}, {"F4", 4}};

std::optional<std::uint64_t> checked_multiply(std::uint64_t a, std::uint64_t b) {
    if (b != 0 && a > std::numeric_limits<std::uint64_t>::max() / b) return std::nullopt;
    return a * b;
}

/// Bytes of a tensor; nothing when they overflow or do not end at a whole byte.
std::optional<std::uint64_t> tensor_bytes(unsigned bits,
                                          std::span<const std::int64_t> shape) {
    std::optional<std::uint64_t> count = 1;
    for (const std::int64_t extent : shape) {
        count = checked_multiply(*count, static_cast<std::uint64_t>(extent));
        if (!count) return std::nullopt;
    }
    const auto all = checked_multiply(*count, bits);
    if (!all || *all % 8 != 0) return std::nullopt;
    return *all / 8;
}

/// The header's JSON, checked piece by piece.
class header_reader {
public:
    header_reader(const std::string& path, std::uint64_t data_bytes)
        : path_(path), data_bytes_(data_bytes) {}

    void read(std::string_view text) {
        const std::string place = path_ + ": header";
        const app::document_node document = app::parse_json_document(text, place);
        const app::document_field header(document, place);
        for (const auto& member : header.members()) {
            if (member.key == "__metadata__") {
                read_metadata(header.at(member));
            } else {
                tensors.emplace(member.key, read_tensor(header.at(member)));
            }
        }
        check_layout();
    }

    std::map<std::string, tensor_info> tensors;
    safetensors_metadata metadata;

private:
    void read_metadata(const app::document_field& texts) {
        for (const auto& member : texts.members())
            metadata.emplace(member.key, texts.at(member).text());
    }

    [[nodiscard]] tensor_info read_tensor(const app::document_field& value) const {
        value.only({"dtype", "shape", "data_offsets"});
        tensor_info info;
        const auto dtype = value.member("dtype");
        info.dtype = dtype.text();
        const unsigned bits = safetensors_dtype_bits(info.dtype);
        if (bits == 0) dtype.fail(in_quotes(info.dtype) + " is unknown");
        const auto shape = value.member("shape");
        for (std::size_t i = 0; i < shape.array_size(); ++i)
            info.shape.push_back(shape.element(i).whole(0));
        const auto offsets = value.member("data_offsets");
        if (offsets.array_size() != 2) offsets.expected("two whole numbers");
        info.begin = static_cast<std::uint64_t>(offsets.element(0).whole(0));
        info.end = static_cast<std::uint64_t>(offsets.element(1).whole(0));
        if (info.begin > info.end || info.end > data_bytes_) {
            offsets.fail(
                fmt::format("[{}, {}] lie outside the {} bytes of data in the file",
                            info.begin, info.end, data_bytes_));
        }
        const auto bytes = tensor_bytes(bits, info.shape);
        if (bytes != info.end - info.begin) {
            value.fail(
                fmt::format("{} of shape [{}] takes {} bytes, data_offsets hold {}",
                            info.dtype, fmt::join(info.shape, ", "),
                            bytes ? std::to_string(*bytes) : "no possible number of",
                            info.end - info.begin));
        }
        return info;
    }

    /// Tensors must fill the data without overlap and hole.
    void check_layout() const {
        std::vector<const std::pair<const std::string, tensor_info>*> order;
        order.reserve(tensors.size());
        for (const auto& entry : tensors)
            order.push_back(&entry);
        std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
            return std::pair(a->second.begin, a->second.end) <
                   std::pair(b->second.begin, b->second.end);
        });
        std::uint64_t filled = 0;
        for (const auto* entry : order) {
            if (entry->second.begin != filled) {
                const auto begin = entry->second.begin;
                throw input_error(
                    path_, fmt::format("tensor {}: begins at byte {} of the data, the "
                                       "tensors before it end at {}: {}",
                                       in_quotes(entry->first), begin, filled,
                                       begin < filled ? "they overlap" : "a hole"));
            }
            filled = entry->second.end;
        }
        if (filled != data_bytes_) {
            throw input_error(
                path_,
                fmt::format("the tensors end at byte {} of the data, the file has {}",
                            filled, data_bytes_));
        }
    }

    const std::string& path_;
    std::uint64_t data_bytes_;
};

}  // namespace

unsigned safetensors_dtype_bits(std::string_view dtype) {
    for (const auto& known : dtypes) {
        if (known.name == dtype) return known.bits;
    }
    return 0;
}

std::optional<std::uint64_t> safetensors_bytes(std::string_view dtype,
                                               std::span<const std::int64_t> shape) {
    const unsigned bits = safetensors_dtype_bits(dtype);
    const bool negative = std::any_of(shape.begin(), shape.end(),
                                      [](std::int64_t extent) { return extent < 0; });
    if (bits == 0 || negative) return std::nullopt;
    return tensor_bytes(bits, shape);
}

safetensors_file::safetensors_file(const std::string& path) : path_(path) {
    const auto refuse = [&](const char* what) {
        throw input_error(path_, std::string(what) + ": " + std::strerror(errno));
    };
    struct open_file {
        int descriptor;
        ~open_file() {
            if (descriptor >= 0) ::close(descriptor);
        }
    } const file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.descriptor < 0) refuse("cannot be opened");
    struct stat status{};
    if (::fstat(file.descriptor, &status) != 0 || !S_ISREG(status.st_mode))
        throw input_error(path_, "is no regular file");
    const auto bytes = static_cast<std::uint64_t>(status.st_size);
    if (bytes < length_bytes) {
        throw input_error(
            path_,
            fmt::format("has {} bytes; a safetensors file has at least 10", bytes));
    }
    void* const map = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file.descriptor, 0);
    if (map == MAP_FAILED) refuse("cannot be mapped into memory");
    map_ = {static_cast<const std::byte*>(map), unmapping{bytes}};
    read_header();
}

void safetensors_file::read_header() {
    std::uint64_t header_bytes = 0;
    for (std::size_t i = length_bytes; i-- > 0;)
        header_bytes = header_bytes << 8U | std::to_integer<std::uint64_t>(map_.get()[i]);
    if (header_bytes > max_safetensors_header) {
        throw input_error(path_,
                          fmt::format("the header has {} bytes; at most {} are allowed",
                                      header_bytes, max_safetensors_header));
    }
    const std::uint64_t rest = map_.get_deleter().bytes - length_bytes;
    if (header_bytes > rest) {
        throw input_error(path_, fmt::format("the header has {} bytes, the file only {} "
                                             "after its length: it is cut short",
                                             header_bytes, rest));
    }
    const std::string_view text(reinterpret_cast<const char*>(map_.get()) + length_bytes,
                                static_cast<std::size_t>(header_bytes));
    if (!text.starts_with('{'))
        throw input_error(path_, "the header does not begin with '{'");
    data_begin_ = length_bytes + header_bytes;
    header_reader reader(path_, rest - header_bytes);
    reader.read(text);
    tensors_ = std::move(reader.tensors);
    metadata_ = std::move(reader.metadata);
}

void safetensors_file::unmapping::operator()(const std::byte* map) const noexcept {
    ::munmap(const_cast<std::byte*>(map), bytes);
}

const tensor_info& safetensors_file::info(const std::string& name) const {
    const auto found = tensors_.find(name);
    if (found != tensors_.end()) return found->second;
    throw input_error(path_, "tensor " + in_quotes(name) + " is missing" +
                                 app::did_you_mean(name, std::views::keys(tensors_)));
}

std::span<const std::byte> safetensors_file::data(const std::string& name) const {
    const tensor_info& tensor = info(name);
    return {map_.get() + data_begin_ + tensor.begin,
            static_cast<std::size_t>(tensor.end - tensor.begin)};
}

void safetensors_file::release(std::span<const std::byte> bytes) const {
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto first = reinterpret_cast<std::uintptr_t>(bytes.data()) / page * page;
    const auto end = reinterpret_cast<std::uintptr_t>(bytes.data() + bytes.size());
    // Advice: without it the pages only stay longer.
    ::madvise(reinterpret_cast<void*>(first), end - first, MADV_DONTNEED);
}

}  // namespace packkit::train
