// SPDX-License-Identifier: Apache-2.0
/// @file
/// Placing all samples of one length into runs of equal bins: the step that first-fit and
/// best-fit decreasing share.
#pragma once

#include <packkit/packing_plan.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace packkit::detail {

/// Neighbouring bins with the same content.
struct open_run {
    std::uint32_t first_bin = 0;
    std::uint32_t bins = 0;
    std::uint32_t last_placement = 0;  ///< or `no_placement` while the bins are empty
    std::uint32_t items = 0;           ///< in each bin
    std::uint32_t room = 0;            ///< in each bin; 0 when it may take no more items
};

inline constexpr std::uint32_t no_placement = std::numeric_limits<std::uint32_t>::max();

/// Fills runs with the samples of one length after the other and keeps the placements.
class run_filler {
public:
    /// `bin_size`: most items a bin, 0 for as many as fit.
    constexpr run_filler(std::uint32_t capacity, std::uint32_t bin_size)
        : capacity_(capacity),
          bin_size_(bin_size == 0 ? std::numeric_limits<std::uint32_t>::max()
                                  : bin_size) {}

    /// The samples to place from here on.
    constexpr void begin_length(std::uint32_t length, std::uint32_t count) {
        length_ = length;
        start_ = 0;
        left_ = count;
    }
    [[nodiscard]] constexpr std::uint32_t left() const { return left_; }
    [[nodiscard]] constexpr std::uint32_t length() const { return length_; }

    /// Gives each bin of `from`, from the left, as many samples as it can take, until
    /// none is left. Calls out(run) for the at most three runs that `from` becomes, in
    /// bin order. Precondition: from.room >= length(), left() > 0
    template <class Out>
    constexpr void fill(const open_run& from, Out out) {
        const std::uint32_t per_bin =
            std::min(from.room / length_, bin_size_ - from.items);
        const std::uint32_t full = std::min(from.bins, left_ / per_bin);
        std::uint32_t done = full;
        if (full > 0) out(take(from, from.first_bin, full, per_bin));
        if (done < from.bins && left_ > 0) {
            out(take(from, from.first_bin + done, 1, left_));
            ++done;
        }
        if (done < from.bins) {
            open_run rest = from;
            rest.first_bin += done;
            rest.bins -= done;
            out(rest);
        }
    }

    /// Opens as many bins as the samples left need.
    template <class Out>
    constexpr void open_bins(Out out) {
        if (left_ == 0) return;
        const std::uint32_t per_bin = std::min(capacity_ / length_, bin_size_);
        const std::uint32_t bins = left_ / per_bin + (left_ % per_bin != 0 ? 1 : 0);
        const std::uint32_t first = next_bin_;
        next_bin_ += bins;
        fill({first, bins, no_placement, 0, capacity_}, out);
    }

    [[nodiscard]] constexpr std::vector<placement> take_placements() {
        return std::move(placements_);
    }

private:
    /// `bins` bins of `from`, `per_bin` samples richer.
    constexpr open_run take(open_run from, std::uint32_t first_bin, std::uint32_t bins,
                            std::uint32_t per_bin) {
        const auto number = static_cast<std::uint32_t>(placements_.size());
        const bool empty = from.last_placement == no_placement;
        placements_.push_back(
            {length_, per_bin, first_bin, start_, empty ? number : from.last_placement});
        start_ += bins * per_bin;
        left_ -= bins * per_bin;
        from.first_bin = first_bin;
        from.bins = bins;
        from.last_placement = number;
        from.items += per_bin;
        from.room = from.items == bin_size_ ? 0 : from.room - per_bin * length_;
        return from;
    }

    std::uint32_t capacity_;
    std::uint32_t bin_size_;
    std::uint32_t length_ = 0;
    std::uint32_t start_ = 0;  // samples of this length placed,
    std::uint32_t left_ = 0;   // and not placed
    std::uint32_t next_bin_ = 0;
    std::vector<placement> placements_;
};

/// As part of a plan.
[[nodiscard]] constexpr bin_run closed(const open_run& run) {
    return {run.first_bin, run.bins, run.last_placement, run.items};
}

/// Calls place(length, count) for every length that occurs, longest first.
template <class Place>
constexpr void for_each_length_descending(const length_counts& counts, Place place) {
    for (std::size_t s = counts.count.size(); s-- > 1;) {
        if (counts.count[s] > 0) place(static_cast<std::uint32_t>(s), counts.count[s]);
    }
}

}  // namespace packkit::detail
