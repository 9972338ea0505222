// SPDX-License-Identifier: Apache-2.0
/// @file
/// First-fit decreasing on runs of equal bins: the textbook's bins, one by one, in time
/// that does not depend on the number of samples.
///
/// All samples of one length are placed at once. Walking the open bins from the left,
/// each bin with room r for a length s takes r / s of them, so a run of equal bins splits
/// into at most three: bins that took r / s, one that took the rest, and bins left as
/// they were.
#pragma once

#include <packkit/detail/run_filler.hpp>
#include <packkit/packing_plan.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace packkit {

namespace detail {

/// Open bins from left to right, in blocks that know the most room in them, so that full
/// ones are passed over 64 at a time.
class run_sequence {
public:
    constexpr run_sequence(std::uint32_t capacity, std::uint32_t bin_size)
        : filler_(capacity, bin_size) {}

    /// Places `count` samples of `length`, first fit.
    constexpr void place(std::uint32_t length, std::uint32_t count) {
        filler_.begin_length(length, count);
        for (std::size_t b = 0; b < blocks_.size() && filler_.left() > 0; ++b) {
            if (blocks_[b].most_room >= length) fill_block(b);
        }
        if (filler_.left() == 0) return;
        if (blocks_.empty() || blocks_.back().runs.size() >= block_runs) {
            blocks_.emplace_back();
        }
        auto& last = blocks_.back();
        filler_.open_bins([&](const open_run& run) { last.runs.push_back(run); });
        refresh(last);
    }

    [[nodiscard]] constexpr packing_plan finish() && {
        std::vector<bin_run> runs;
        for (const block& part : blocks_) {
            for (const open_run& run : part.runs)
                runs.push_back(closed(run));
        }
        return {std::move(runs), filler_.take_placements()};
    }

private:
    static constexpr std::size_t block_runs = 64;

    struct block {
        std::uint32_t most_room = 0;
        std::vector<open_run> runs;
    };

    static constexpr void refresh(block& part) {
        part.most_room = 0;
        for (const open_run& run : part.runs) {
            part.most_room = std::max(part.most_room, run.room);
        }
    }

    constexpr void fill_block(std::size_t b) {
        auto& runs = blocks_[b].runs;
        for (std::size_t i = 0; i < runs.size() && filler_.left() > 0; ++i) {
            if (runs[i].room < filler_.length()) continue;
            parts_.clear();
            filler_.fill(runs[i], [this](const open_run& run) { parts_.push_back(run); });
            runs[i] = parts_.front();
            runs.insert(runs.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                        parts_.begin() + 1, parts_.end());
            i += parts_.size() - 1;
        }
        if (runs.size() > 2 * block_runs) split(b);
        refresh(blocks_[b]);
    }

    /// Moves all but the first 64 runs into a block of their own behind.
    constexpr void split(std::size_t b) {
        auto& runs = blocks_[b].runs;
        block right;
        right.runs.assign(runs.begin() + static_cast<std::ptrdiff_t>(block_runs),
                          runs.end());
        runs.resize(block_runs);
        refresh(right);
        blocks_.insert(blocks_.begin() + static_cast<std::ptrdiff_t>(b) + 1,
                       std::move(right));
    }

    run_filler filler_;
    std::vector<block> blocks_;
    std::vector<open_run> parts_;  // what one run becomes
};

}  // namespace detail

/// First-fit decreasing for samples counted by length: the bins of the textbook
/// algorithm, in its order. `bin_size`: most samples a bin, 0 for as many as fit.
/// O(distinct lengths × runs / 64 + placements), independent of the number of samples.
[[nodiscard]] constexpr packing_plan plan_first_fit_decreasing(
    const length_counts& counts, std::uint32_t capacity, std::uint32_t bin_size = 0) {
    detail::run_sequence open(capacity, bin_size);
    detail::for_each_length_descending(
        counts,
        [&](std::uint32_t length, std::uint32_t count) { open.place(length, count); });
    return std::move(open).finish();
}

}  // namespace packkit
