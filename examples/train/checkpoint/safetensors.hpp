// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Files of tensors in the safetensors format: a JSON header and the tensors' bytes one
/// behind the other. https://github.com/huggingface/safetensors#format

#include "common/atomic_file.hpp"
#include "data/checksum.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::train {

/// Bits of one element of a dtype of the format ("F32", "BF16", …), 0 for an unknown
/// name.
[[nodiscard]] unsigned safetensors_dtype_bits(std::string_view dtype);

/// Bytes of a tensor; nothing for an unknown dtype, a negative extent, and bytes that
/// overflow or are no whole number.
[[nodiscard]] std::optional<std::uint64_t> safetensors_bytes(
    std::string_view dtype, std::span<const std::int64_t> shape);

/// Longest header that readers accept, in bytes.
inline constexpr std::uint64_t max_safetensors_header = 100000000;

/// Where a tensor lies in its file.
struct tensor_info {
    std::string dtype;
    std::vector<std::int64_t> shape;
    std::uint64_t begin = 0;  ///< first byte, counted from the end of the header
    std::uint64_t end = 0;    ///< byte behind the last

    friend bool operator==(const tensor_info&, const tensor_info&) = default;
};

/// Names to strings under "__metadata__".
using safetensors_metadata = std::map<std::string, std::string>;

/// A file mapped into memory, checked in full on opening.
/// \details Refused: a header over 100,000,000 bytes, that does not begin with '{', is
/// not strict JSON in UTF-8, names anything twice or holds what the format does not know;
/// a dtype that is unknown; offsets that do not match dtype and shape, overlap, leave a
/// hole, or do not end at the end of the file.
class safetensors_file {
public:
    /// \throws app::input_error naming file and tensor.
    explicit safetensors_file(const std::string& path);

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] const std::map<std::string, tensor_info>& tensors() const {
        return tensors_;
    }
    [[nodiscard]] const safetensors_metadata& metadata() const { return metadata_; }

    /// The tensor of that name. \throws app::input_error with the nearest name.
    [[nodiscard]] const tensor_info& info(const std::string& name) const;
    /// Its bytes, little-endian and row-major; valid as long as this object. Files of
    /// other writers may hold them at any alignment: copy, don't cast. \throws as info().
    [[nodiscard]] std::span<const std::byte> data(const std::string& name) const;

    /// Takes pages of data() out of this process's memory once they have been used; they
    /// are read from the file again when they are touched.
    void release(std::span<const std::byte> bytes) const;

private:
    struct unmapping {
        std::uint64_t bytes;
        void operator()(const std::byte* map) const noexcept;
    };

    void read_header();

    std::string path_;
    std::unique_ptr<const std::byte, unmapping> map_;
    std::uint64_t data_begin_ = 0;
    std::map<std::string, tensor_info> tensors_;
    safetensors_metadata metadata_;
};

/// A tensor to be written.
struct tensor_spec {
    std::string name;
    std::string dtype;
    std::vector<std::int64_t> shape;
};

/// Writes a file piece by piece; it appears under its name at finish() or not at all.
class safetensors_writer {
public:
    /// Begins the file with the header for `tensors` in their order.
    /// \throws packkit::invalid_argument for names that repeat, unknown dtypes, negative
    /// or overflowing shapes; std::runtime_error with path and reason when it cannot be
    /// written.
    safetensors_writer(const std::string& path, std::vector<tensor_spec> tensors,
                       const safetensors_metadata& metadata = {{"format", "pt"}});

    /// Appends bytes of the tensors in their order; a tensor may come in several pieces,
    /// a piece may hold several tensors.
    /// \throws packkit::invalid_argument for more bytes than announced;
    /// std::runtime_error as the constructor, with the bytes that are needed and free.
    void write(std::span<const std::byte> bytes);

    /// Makes the file durable and shows it under its name.
    /// \throws packkit::invalid_argument naming the first tensor that is not complete;
    /// std::runtime_error as write().
    void finish();

    /// XXH3-64 of the whole file as 16 hex digits, after finish().
    [[nodiscard]] std::string checksum() const { return checksum_.hex(); }
    [[nodiscard]] std::uint64_t checksum_value() const { return checksum_.value(); }
    /// Bytes of the whole file, header included.
    [[nodiscard]] std::uint64_t file_bytes() const { return header_bytes_ + data_bytes_; }

private:
    void append(std::string_view bytes);
    [[noreturn]] void fail(const char* what) const;

    std::string path_;
    std::vector<tensor_spec> tensors_;
    std::vector<std::uint64_t> ends_;  // of each tensor in the data
    app::atomic_file file_;
    running_checksum checksum_;
    std::uint64_t header_bytes_ = 0;
    std::uint64_t data_bytes_ = 0;
    std::uint64_t written_ = 0;  // of data_bytes_
};

}  // namespace packkit::train
