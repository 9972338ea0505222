// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What each rank tells its launcher: the step it is in, and why it failed. Shared
/// memory, so it survives the death of the rank.

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace packkit::train {

/// Kinds of failure, the root of a job's end first.
enum class failure_kind : std::int32_t {
    none,
    wrong_use,      ///< configuration or input: exit status 2
    failed,         ///< anything else of its own
    communication,  ///< a collective failed: usually the echo of another rank's fault
};

/// One rank's slot. Written by the rank, read by the launcher.
struct rank_slot {
    std::atomic<std::int64_t> step{-1};  ///< −1 before the first
    std::atomic<failure_kind> failure{failure_kind::none};
    char message[2000] = {};

    /// Text first, kind last, so that a reader who sees the kind sees the text.
    void report(failure_kind kind, std::string_view text);
};

/// The slots of all ranks of this node, in memory that child processes inherit by
/// descriptor.
class status_board {
public:
    /// A new board. Throws std::runtime_error when the system gives no memory.
    static status_board create(std::size_t ranks);
    /// The board whose descriptor the launcher left in the environment, if any.
    static std::unique_ptr<status_board> inherited();

    status_board(status_board&& other) noexcept;
    status_board& operator=(status_board&&) = delete;
    ~status_board();

    [[nodiscard]] rank_slot& operator[](std::size_t rank) { return slots_[rank]; }
    [[nodiscard]] std::size_t size() const { return slots_.size(); }
    [[nodiscard]] int descriptor() const { return descriptor_; }

    /// Environment variable that carries "descriptor:ranks".
    static constexpr const char* variable = "PACKKIT_STATUS_BOARD";

private:
    status_board(int descriptor, std::size_t ranks);

    int descriptor_ = -1;
    std::span<rank_slot> slots_;
};

}  // namespace packkit::train
