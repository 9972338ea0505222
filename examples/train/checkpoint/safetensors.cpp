// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/safetensors.hpp"

#include "common/did_you_mean.hpp"
#include "common/document_field.hpp"
#include "common/errors.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>
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

std::string shape_text(std::span<const std::int64_t> shape) {
    std::string text = "[";
    for (const std::int64_t extent : shape) {
        if (text.size() > 1) text += ", ";
        text += std::to_string(extent);
    }
    return text + "]";
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
    [[noreturn]] void refuse(const std::string& name, const std::string& what) const {
        throw input_error(path_, "tensor " + in_quotes(name) + ": " + what);
    }

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
            offsets.fail("[" + std::to_string(info.begin) + ", " +
                         std::to_string(info.end) + "] lie outside the " +
                         std::to_string(data_bytes_) + " bytes of data in the file");
        }
        const auto bytes = tensor_bytes(bits, info.shape);
        if (bytes != info.end - info.begin) {
            value.fail(info.dtype + " of shape " + shape_text(info.shape) + " takes " +
                       (bytes ? std::to_string(*bytes) + " bytes"
                              : std::string("no possible number of bytes")) +
                       ", data_offsets hold " + std::to_string(info.end - info.begin));
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
                refuse(
                    entry->first,
                    "begins at byte " + std::to_string(entry->second.begin) +
                        " of the data, the tensors before it end at " +
                        std::to_string(filled) +
                        (entry->second.begin < filled ? ": they overlap" : ": a hole"));
            }
            filled = entry->second.end;
        }
        if (filled != data_bytes_) {
            throw input_error(path_, "the tensors end at byte " + std::to_string(filled) +
                                         " of the data, the file has " +
                                         std::to_string(data_bytes_));
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
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) refuse("cannot be opened");
    struct stat status{};
    const bool known = ::fstat(descriptor, &status) == 0;
    if (!known || !S_ISREG(status.st_mode)) {
        ::close(descriptor);
        throw input_error(path_, "is no regular file");
    }
    map_bytes_ = static_cast<std::uint64_t>(status.st_size);
    if (map_bytes_ >= length_bytes) {
        void* const map =
            ::mmap(nullptr, map_bytes_, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (map == MAP_FAILED) {
            const int error = errno;
            ::close(descriptor);
            errno = error;
            refuse("cannot be mapped into memory");
        }
        map_ = static_cast<const std::byte*>(map);
    }
    ::close(descriptor);
    try {
        read_header();
    } catch (...) {
        unmap();
        throw;
    }
}

void safetensors_file::read_header() {
    if (map_bytes_ < length_bytes) {
        throw input_error(path_, "has " + std::to_string(map_bytes_) +
                                     " bytes; a safetensors file has at least 10");
    }
    std::uint64_t header_bytes = 0;
    for (std::size_t i = length_bytes; i-- > 0;) {
        header_bytes = header_bytes << 8U | std::to_integer<std::uint64_t>(map_[i]);
    }
    if (header_bytes > max_safetensors_header) {
        throw input_error(
            path_, "the header has " + std::to_string(header_bytes) + " bytes; at most " +
                       std::to_string(max_safetensors_header) + " are allowed");
    }
    if (header_bytes > map_bytes_ - length_bytes) {
        throw input_error(path_, "the header has " + std::to_string(header_bytes) +
                                     " bytes, the file only " +
                                     std::to_string(map_bytes_ - length_bytes) +
                                     " after its length: it is cut short");
    }
    const std::string_view text(reinterpret_cast<const char*>(map_) + length_bytes,
                                static_cast<std::size_t>(header_bytes));
    if (!text.starts_with('{'))
        throw input_error(path_, "the header does not begin with '{'");
    data_begin_ = length_bytes + header_bytes;
    header_reader reader(path_, map_bytes_ - data_begin_);
    reader.read(text);
    tensors_ = std::move(reader.tensors);
    metadata_ = std::move(reader.metadata);
}

safetensors_file::safetensors_file(safetensors_file&& other) noexcept
    : path_(std::move(other.path_)),
      map_(std::exchange(other.map_, nullptr)),
      map_bytes_(std::exchange(other.map_bytes_, 0)),
      data_begin_(other.data_begin_),
      tensors_(std::move(other.tensors_)),
      metadata_(std::move(other.metadata_)) {}

safetensors_file& safetensors_file::operator=(safetensors_file&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(map_, other.map_);
    std::swap(map_bytes_, other.map_bytes_);
    std::swap(data_begin_, other.data_begin_);
    std::swap(tensors_, other.tensors_);
    std::swap(metadata_, other.metadata_);
    return *this;
}

safetensors_file::~safetensors_file() {
    unmap();
}

void safetensors_file::unmap() noexcept {
    if (map_ != nullptr) {
        ::munmap(const_cast<std::byte*>(map_), map_bytes_);
        map_ = nullptr;
    }
}

const tensor_info& safetensors_file::info(const std::string& name) const {
    const auto found = tensors_.find(name);
    if (found != tensors_.end()) return found->second;
    std::vector<std::string_view> names;
    for (const auto& entry : tensors_)
        names.emplace_back(entry.first);
    throw input_error(path_, "tensor " + in_quotes(name) + " is missing" +
                                 app::did_you_mean(name, names));
}

std::span<const std::byte> safetensors_file::data(const std::string& name) const {
    const tensor_info& tensor = info(name);
    return {map_ + data_begin_ + tensor.begin,
            static_cast<std::size_t>(tensor.end - tensor.begin)};
}

}  // namespace packkit::train
