// SPDX-License-Identifier: Apache-2.0
/// @file
/// Placing samples longest first into runs of equal bins: what first-fit and best-fit
/// decreasing share.
///
/// All samples of one length s are placed at once. A bin with room r that is chosen takes
/// r / s of them, so a run of equal bins becomes at most three: bins that took r / s, one
/// that took the rest, and bins left as they were.
///
/// Only runs with room for s matter, and these are few: a run that was filled has room
/// below s, so it waits in a bucket for the length that is its room. Bins with room are
/// kept in a heap in the order in which the algorithm chooses them.
#pragma once

#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/packing_plan.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace packkit::detail {

inline constexpr std::uint32_t none32 = std::numeric_limits<std::uint32_t>::max();

/// Neighbouring bins with the same content.
struct open_run {
    std::uint32_t first_bin = 0;
    std::uint32_t bins = 0;
    std::uint32_t last_placement = none32;  ///< `none32` while the bins are empty
    std::uint32_t items = 0;                ///< in each bin
    std::uint32_t room = 0;          ///< in each bin; 0 when it may take no more items
    std::uint32_t next = none32;     ///< the run to the right
    std::uint32_t waiting = none32;  ///< the next one in the same bucket
};

/// A run and the key that says when its turn comes.
struct keyed_run {
    std::uint64_t key;
    std::uint32_t run;
};

/// Entries with the smallest `key` on top: a binary heap.
template <class Entry>
class min_heap {
public:
    [[nodiscard]] constexpr bool empty() const { return entries_.empty(); }

    constexpr void push(Entry added) {
        std::size_t at = entries_.size();
        entries_.push_back(added);
        while (at > 0 && added.key < entries_[(at - 1) / 2].key) {
            entries_[at] = entries_[(at - 1) / 2];
            at = (at - 1) / 2;
        }
        entries_[at] = added;
    }

    /// Takes out the Entry with the smallest key. Precondition: not empty
    constexpr Entry pop() {
        const Entry top = entries_.front();
        const Entry moved = entries_.back();
        entries_.pop_back();
        std::size_t at = 0;
        for (std::size_t child = 1; child < entries_.size(); child = 2 * at + 1) {
            if (child + 1 < entries_.size() &&
                entries_[child + 1].key < entries_[child].key) {
                ++child;
            }
            if (moved.key <= entries_[child].key) break;
            entries_[at] = entries_[child];
            at = child;
        }
        if (!entries_.empty()) entries_[at] = moved;
        return top;
    }

private:
    std::vector<Entry> entries_;
};

/// Places lengths in decreasing order. `Choice` is a function object: of two runs with
/// room, the one with the smaller `choice(run)` is filled first, and its bins from the
/// left. Once a bin took a sample, no other with room may come before it.
template <class Choice>
class decreasing_fit {
public:
    /// `bin_size`: most items a bin, 0 for as many as fit.
    constexpr decreasing_fit(std::uint32_t capacity, std::uint32_t bin_size)
        : capacity_(capacity),
          bin_size_(bin_size == 0 ? none32 : bin_size),
          admitted_(capacity + std::uint64_t{1}),
          bucket_(capacity + std::size_t{1}, none32) {}

    /// Places `count` samples of `length`, shorter than all before.
    constexpr void place(std::uint32_t length, std::uint32_t count) {
        admit(length);
        length_ = length;
        start_ = 0;
        left_ = count;
        while (left_ > 0 && !open_.empty())
            fill(open_.pop().run);
        if (left_ == 0) return;
        const std::uint32_t per_bin = most(capacity_, 0);
        const std::uint32_t bins = left_ / per_bin + (left_ % per_bin != 0 ? 1 : 0);
        const std::uint32_t run =
            append({.first_bin = bins_, .bins = bins, .room = capacity_});
        if (run > 0) runs_[last_].next = run;
        last_ = run;
        bins_ += bins;
        fill(run);
    }

    [[nodiscard]] constexpr packing_plan finish() && {
        std::vector<bin_run> runs;
        runs.reserve(runs_.size());
        for (std::uint32_t at = runs_.empty() ? none32 : 0; at != none32;
             at = runs_[at].next) {
            const open_run& run = runs_[at];
            runs.push_back({run.first_bin, run.bins, run.last_placement, run.items});
        }
        return {std::move(runs), std::move(placements_)};
    }

private:
    /// Samples of the length that a bin takes.
    [[nodiscard]] constexpr std::uint32_t most(std::uint32_t room,
                                               std::uint32_t items) const {
        const std::uint32_t fit = room / length_;
        return fit < bin_size_ - items ? fit : bin_size_ - items;
    }

    /// Opens the runs whose room has come.
    constexpr void admit(std::uint32_t length) {
        while (admitted_ > length) {
            --admitted_;
            for (std::uint32_t run = bucket_[admitted_]; run != none32;
                 run = runs_[run].waiting) {
                open_.push({Choice{}(runs_[run]), run});
            }
        }
    }

    /// Gives the bins of a run, from the left, as many samples as they can take, until
    /// none is left. Precondition: the run has room, left_ > 0
    constexpr void fill(std::uint32_t run) {
        const std::uint32_t per_bin = most(runs_[run].room, runs_[run].items);
        const std::uint32_t full = left_ / per_bin;
        if (full >= runs_[run].bins) {
            take(run, per_bin);
            return;
        }
        std::uint32_t rest = run;
        if (full > 0) {
            rest = split(run, full);
            take(run, per_bin);
        }
        if (left_ > 0) {
            const std::uint32_t partly = rest;
            rest = runs_[partly].bins > 1 ? split(partly, 1) : none32;
            take(partly, left_);
        }
        if (rest != none32) settle(rest);
    }

    /// Adds `per_bin` samples to each bin of a run.
    constexpr void take(std::uint32_t number, std::uint32_t per_bin) {
        open_run& run = runs_[number];
        const auto placed = static_cast<std::uint32_t>(placements_.size());
        placements_.push_back(
            {length_, per_bin, run.first_bin, start_,
             run.last_placement == none32 ? placed : run.last_placement});
        start_ += run.bins * per_bin;
        left_ -= run.bins * per_bin;
        run.last_placement = placed;
        run.items += per_bin;
        run.room = run.items == bin_size_ ? 0 : run.room - per_bin * length_;
        settle(number);
    }

    /// Into the heap if there is room for the length at hand, else to wait for its own.
    constexpr void settle(std::uint32_t number) {
        open_run& run = runs_[number];
        if (run.room >= length_) {
            open_.push({Choice{}(run), number});
        } else if (run.room > 0) {
            run.waiting = bucket_[run.room];
            bucket_[run.room] = number;
        }
    }

    /// Leaves the first `bins` bins in the run; the number of the run with the others.
    constexpr std::uint32_t split(std::uint32_t run, std::uint32_t bins) {
        open_run right = runs_[run];
        right.first_bin += bins;
        right.bins -= bins;
        const std::uint32_t added = append(right);
        runs_[run].bins = bins;
        runs_[run].next = added;
        if (last_ == run) last_ = added;
        return added;
    }

    constexpr std::uint32_t append(const open_run& run) {
        runs_.push_back(run);
        return static_cast<std::uint32_t>(runs_.size() - 1);
    }

    std::uint32_t capacity_;
    std::uint32_t bin_size_;
    std::uint64_t admitted_;    // runs with at least this room are open
    std::uint32_t length_ = 0;  // being placed:
    std::uint32_t start_ = 0;   // samples of it placed,
    std::uint32_t left_ = 0;    // and not placed
    std::uint32_t bins_ = 0;    // opened so far
    std::uint32_t last_ = 0;    // the rightmost run
    std::vector<open_run> runs_;
    std::vector<std::uint32_t> bucket_;  // bucket_[r]: first waiting run with room r
    min_heap<keyed_run> open_;
    std::vector<placement> placements_;
};

/// The plan for samples counted by length.
template <class Choice>
[[nodiscard]] constexpr packing_plan plan_decreasing_fit(const length_counts& counts,
                                                         std::uint32_t capacity,
                                                         std::uint32_t bin_size) {
    decreasing_fit<Choice> fit(capacity, bin_size);
    for_each_length_descending(counts, [&](std::uint32_t length, std::uint32_t count) {
        fit.place(length, count);
    });
    return std::move(fit).finish();
}

}  // namespace packkit::detail
