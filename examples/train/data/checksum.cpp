// SPDX-License-Identifier: Apache-2.0
#include "data/checksum.hpp"

#include "common/input_file.hpp"

#include <fmt/format.h>

#include <vector>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace packkit::train {

struct running_checksum::state {
    XXH3_state_t xxh3;
};

running_checksum::running_checksum() : state_(std::make_unique<state>()) {
    XXH3_64bits_reset(&state_->xxh3);
}
running_checksum::running_checksum(running_checksum&&) noexcept = default;
running_checksum& running_checksum::operator=(running_checksum&&) noexcept = default;
running_checksum::~running_checksum() = default;

void running_checksum::update(std::span<const std::byte> bytes) {
    if (!bytes.empty()) XXH3_64bits_update(&state_->xxh3, bytes.data(), bytes.size());
}

std::uint64_t running_checksum::value() const {
    return XXH3_64bits_digest(&state_->xxh3);
}

std::string checksum_text(std::uint64_t value) {
    return fmt::format("{:016x}", value);
}

std::string file_checksum(const std::string& path) {
    app::input_file file(path);
    std::vector<char> buffer(std::size_t{1} << 20U);
    running_checksum checksum;
    while (const std::size_t got = file.read(buffer)) {
        checksum.update(std::as_bytes(std::span<const char>(buffer.data(), got)));
    }
    return checksum.hex();
}

}  // namespace packkit::train
