// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Checksums of files and data: XXH3-64, which finds damage, not forgery.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace packkit::train {

/// 16 hex digits.
std::string checksum_text(std::uint64_t value);

/// XXH3-64 of bytes that come piece by piece; the pieces' borders make no difference.
class running_checksum {
public:
    running_checksum();
    running_checksum(running_checksum&&) noexcept;
    running_checksum& operator=(running_checksum&&) noexcept;
    running_checksum(const running_checksum&) = delete;
    running_checksum& operator=(const running_checksum&) = delete;
    ~running_checksum();

    void update(std::span<const std::byte> bytes);
    /// The checksum of all bytes so far.
    [[nodiscard]] std::uint64_t value() const;
    /// value() as text.
    [[nodiscard]] std::string hex() const { return checksum_text(value()); }

private:
    struct state;
    std::unique_ptr<state> state_;
};

/// XXH3-64 of a whole file as 16 hex digits, as `xxhsum -H3` shows it.
/// \throws app::input_error when it cannot be read.
std::string file_checksum(const std::string& path);

}  // namespace packkit::train
