// SPDX-License-Identifier: Apache-2.0
/// @file
/// Best-fit decreasing on runs of equal bins: the textbook's bins, one by one, in time
/// that does not depend on the number of samples.
///
/// The fullest bin with room for a length s is found by a set of the rooms that occur.
/// Once it has taken one sample it is fuller than any other that still has room, so it
/// takes as many as fit, and a run of equal bins is filled from the left.
#pragma once

#include <packkit/detail/run_filler.hpp>
#include <packkit/packing_plan.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace packkit {

namespace detail {

/// A set of numbers below a bound that finds its next member, 64 at a time on each level.
class integer_set {
public:
    explicit constexpr integer_set(std::size_t bound) {
        do {
            bound = (bound + 63) / 64;
            levels_.emplace_back(bound, 0);
        } while (bound > 1);
    }

    constexpr void insert(std::size_t value) {
        for (auto& level : levels_) {
            level[value / 64] |= std::uint64_t{1} << (value % 64);
            value /= 64;
        }
    }

    constexpr void erase(std::size_t value) {
        for (auto& level : levels_) {
            level[value / 64] &= ~(std::uint64_t{1} << (value % 64));
            if (level[value / 64] != 0) return;
            value /= 64;
        }
    }

    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    /// The smallest member that is at least `value`, or `none`.
    [[nodiscard]] constexpr std::size_t next(std::size_t value) const {
        for (std::size_t l = 0; l < levels_.size(); ++l) {
            if (value / 64 >= levels_[l].size()) return none;
            const std::uint64_t rest =
                levels_[l][value / 64] & (~std::uint64_t{0} << (value % 64));
            if (rest != 0) {
                value =
                    value / 64 * 64 + static_cast<std::size_t>(std::countr_zero(rest));
                while (l-- > 0) {
                    value = value * 64 +
                            static_cast<std::size_t>(std::countr_zero(levels_[l][value]));
                }
                return value;
            }
            value = value / 64 + 1;
        }
        return none;
    }

private:
    std::vector<std::vector<std::uint64_t>> levels_;
};

/// Open bins by room; among bins of equal room the leftmost comes first.
class runs_by_room {
public:
    constexpr runs_by_room(std::uint32_t capacity, std::uint32_t bin_size)
        : filler_(capacity, bin_size),
          rooms_(capacity + std::size_t{1}),
          by_room_(capacity) {}

    /// Places `count` samples of `length`, best fit.
    constexpr void place(std::uint32_t length, std::uint32_t count) {
        filler_.begin_length(length, count);
        const auto keep = [this](const open_run& run) { put(run); };
        while (filler_.left() > 0) {
            const std::size_t room = rooms_.next(length);
            if (room == integer_set::none) break;
            filler_.fill(pop(room), keep);
        }
        filler_.open_bins(keep);
    }

    [[nodiscard]] constexpr packing_plan finish() && {
        for (const auto& runs : by_room_) {
            for (const open_run& run : runs)
                full_.push_back(closed(run));
        }
        std::sort(full_.begin(), full_.end(), [](const bin_run& a, const bin_run& b) {
            return a.first_bin < b.first_bin;
        });
        return {std::move(full_), filler_.take_placements()};
    }

private:
    static constexpr bool later(const open_run& a, const open_run& b) {
        return a.first_bin > b.first_bin;
    }

    constexpr void put(const open_run& run) {
        if (run.room == 0) {
            full_.push_back(closed(run));
            return;
        }
        // An opened bin holds a sample, so its room is below the capacity.
        auto& runs = by_room_[run.room];
        runs.push_back(run);
        std::push_heap(runs.begin(), runs.end(), later);
        rooms_.insert(run.room);
    }

    constexpr open_run pop(std::size_t room) {
        auto& runs = by_room_[room];
        std::pop_heap(runs.begin(), runs.end(), later);
        const open_run run = runs.back();
        runs.pop_back();
        if (runs.empty()) rooms_.erase(room);
        return run;
    }

    run_filler filler_;
    integer_set rooms_;
    std::vector<std::vector<open_run>> by_room_;
    std::vector<bin_run> full_;
};

}  // namespace detail

/// Best-fit decreasing for samples counted by length: the bins of the textbook algorithm,
/// in its order, ties to the leftmost bin. `bin_size`: most samples a bin, 0 for as many
/// as fit. O(placements × log runs + capacity), independent of the number of samples.
[[nodiscard]] constexpr packing_plan plan_best_fit_decreasing(
    const length_counts& counts, std::uint32_t capacity, std::uint32_t bin_size = 0) {
    detail::runs_by_room open(capacity, bin_size);
    detail::for_each_length_descending(
        counts,
        [&](std::uint32_t length, std::uint32_t count) { open.place(length, count); });
    return std::move(open).finish();
}

}  // namespace packkit
