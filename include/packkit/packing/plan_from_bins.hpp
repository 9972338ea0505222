// SPDX-License-Identifier: Apache-2.0
/// @file
/// Describes bins of samples by lengths: the `packing_plan` of what any policy packed.
#pragma once

#include <packkit/bin_list.hpp>
#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>
#include <packkit/packing/packing_plan.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace packkit {

namespace detail {

/// The rank of each sample among the samples of its length, in index order.
template <std::integral Length>
[[nodiscard]] constexpr std::vector<std::uint32_t> ranks_by_length(
    std::span<const Length> lengths) {
    check_sample_count(lengths.size());
    std::vector<std::uint32_t> ranks(lengths.size(), 0);
    std::vector<std::uint32_t> seen;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        if (std::cmp_less(lengths[i], 0) || !std::in_range<std::uint32_t>(lengths[i])) {
            throw_invalid_argument("item ", i, " has length ", lengths[i],
                                   ", lengths must be from 0 to ",
                                   std::numeric_limits<std::uint32_t>::max());
        }
        const auto length = static_cast<std::size_t>(lengths[i]);
        if (length >= seen.size()) seen.resize(length + 1);
        ranks[i] = seen[length]++;
    }
    return ranks;
}

/// Appends runs of bins, one bin after the other.
class plan_builder {
public:
    /// `row`: the placements of the next bin, not yet linked; none for an empty bin.
    constexpr void add(std::vector<placement>& row) {
        if (row.empty()) row.push_back({});
        if (continues(row)) {
            ++runs_.back().bins;
            return;
        }
        const auto bin = runs_.empty() ? 0 : runs_.back().first_bin + runs_.back().bins;
        std::uint32_t items = 0;
        begin_ = placements_.size();
        for (placement& p : row) {
            const auto at = static_cast<std::uint32_t>(placements_.size());
            p.first_bin = bin;
            p.before = at == begin_ ? at : at - 1;
            items += p.per_bin;
            placements_.push_back(p);
        }
        const auto last = static_cast<std::uint32_t>(placements_.size() - 1);
        runs_.push_back({bin, 1, last, items});
    }

    [[nodiscard]] constexpr packing_plan take() {
        return {std::move(runs_), std::move(placements_)};
    }

private:
    /// Whether a bin holds what the last run would hold in its next bin.
    [[nodiscard]] constexpr bool continues(const std::vector<placement>& row) const {
        if (runs_.empty()) return false;
        return std::equal(
            placements_.begin() + static_cast<std::ptrdiff_t>(begin_), placements_.end(),
            row.begin(), row.end(),
            [bins = runs_.back().bins](const placement& run, const placement& next) {
                return run.length == next.length && run.per_bin == next.per_bin &&
                       run.start + bins * run.per_bin == next.start;
            });
    }

    std::vector<bin_run> runs_;
    std::vector<placement> placements_;
    std::size_t begin_ = 0;  // of the last run's placements
};

}  // namespace detail

/// The bins by lengths, each bin's samples in their order. Neighbouring bins become one
/// run where samples of equal lengths follow each other, as decreasing policies pack
/// them; otherwise a bin takes some 20 bytes a sample. O(samples + longest length).
/// @throws invalid_argument for a bin that holds an index without a length, or a length
///   that is negative or beyond 32 bits
template <class Index, std::integral Length>
[[nodiscard]] constexpr packing_plan plan_from_bins(const bin_list<Index>& bins,
                                                    std::span<const Length> lengths) {
    const auto ranks = detail::ranks_by_length(lengths);
    detail::plan_builder builder;
    std::vector<placement> row;
    for (std::size_t bin = 0; bin < bins.size(); ++bin) {
        row.clear();
        for (const Index item : bins[bin]) {
            const auto i = static_cast<std::size_t>(item);
            if (i >= lengths.size()) {
                detail::throw_invalid_argument("bin ", bin, " holds item ", item,
                                               ", but there are ", lengths.size(),
                                               " lengths");
            }
            const auto length = static_cast<std::uint32_t>(lengths[i]);
            if (!row.empty() && row.back().length == length &&
                row.back().start + row.back().per_bin == ranks[i]) {
                ++row.back().per_bin;
            } else {
                row.push_back({.length = length, .per_bin = 1, .start = ranks[i]});
            }
        }
        builder.add(row);
    }
    return builder.take();
}

}  // namespace packkit
