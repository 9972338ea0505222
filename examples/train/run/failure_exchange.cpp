// SPDX-License-Identifier: Apache-2.0
#include "run/failure_exchange.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>
#include <utility>

namespace packkit::train {

static_assert(std::atomic<std::int64_t>::is_always_lock_free);
static_assert(std::atomic<failure_kind>::is_always_lock_free);

void rank_slot::report(failure_kind kind, std::string_view text) {
    const std::size_t length = std::min(text.size(), sizeof message - 1);
    std::memcpy(message, text.data(), length);
    message[length] = '\0';
    failure.store(kind, std::memory_order_release);
}

status_board::status_board(int descriptor, std::size_t ranks) : descriptor_(descriptor) {
    void* memory = mmap(nullptr, ranks * sizeof(rank_slot), PROT_READ | PROT_WRITE,
                        MAP_SHARED, descriptor, 0);
    if (memory == MAP_FAILED) {
        throw std::runtime_error(std::string("status board: ") + std::strerror(errno));
    }
    slots_ = {static_cast<rank_slot*>(memory), ranks};
}

status_board status_board::create(std::size_t ranks) {
    const int descriptor = memfd_create("packkit-status", 0);
    if (descriptor < 0 ||
        ftruncate(descriptor, static_cast<off_t>(ranks * sizeof(rank_slot))) != 0) {
        throw std::runtime_error(std::string("status board: ") + std::strerror(errno));
    }
    status_board board(descriptor, ranks);
    for (auto& slot : board.slots_)
        new (&slot) rank_slot;
    return board;
}

std::unique_ptr<status_board> status_board::inherited() {
    const char* text = std::getenv(variable);
    if (text == nullptr) return nullptr;
    int descriptor = -1;
    std::size_t ranks = 0;
    const char* end = text + std::strlen(text);
    const auto first = std::from_chars(text, end, descriptor);
    if (first.ec != std::errc() || first.ptr == end || *first.ptr != ':') return nullptr;
    if (std::from_chars(first.ptr + 1, end, ranks).ec != std::errc()) return nullptr;
    return std::unique_ptr<status_board>(new status_board(descriptor, ranks));
}

status_board::status_board(status_board&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      slots_(std::exchange(other.slots_, {})) {}

status_board::~status_board() {
    if (!slots_.empty()) munmap(slots_.data(), slots_.size_bytes());
    if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace packkit::train
