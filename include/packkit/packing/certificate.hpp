// SPDX-License-Identifier: Apache-2.0
/// @file
/// `certify`: how far a packing is from proof of optimality.
#pragma once

#include <packkit/concepts.hpp>
#include <packkit/error.hpp>
#include <packkit/lengths/detail/length_table.hpp>
#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/bound/lower_bound.hpp>
#include <packkit/packing/pack.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace packkit {

/// What is known about a number of bins.
struct certificate {
    std::size_t bins = 0;
    std::size_t lower_bound = 0;  ///< no packing has fewer bins
    std::size_t gap_bins = 0;     ///< bins - lower_bound
    bool optimal = true;          ///< proven: no packing is better
    std::string_view bound;       ///< which bound it is, as in `named_bound`

    /// bins / lower_bound - 1; 0 without samples.
    [[nodiscard]] constexpr double gap() const {
        return lower_bound == 0
                   ? 0.0
                   : static_cast<double>(gap_bins) / static_cast<double>(lower_bound);
    }

    /// Takes a bound found elsewhere, as by `linear_bound`, if it is greater.
    /// @throws invalid_argument if it exceeds the bins
    constexpr void raise(named_bound other) {
        if (other.bins > bins) {
            detail::throw_invalid_argument("a packing of ", bins,
                                           " bins, but none has fewer than ", other.bins,
                                           " by the bound ", other.name);
        }
        if (other.bins > lower_bound) {
            lower_bound = other.bins;
            bound = other.name;
        }
        gap_bins = bins - lower_bound;
        optimal = gap_bins == 0;
    }

    friend constexpr bool operator==(const certificate&, const certificate&) = default;
};

/// What the quick bounds prove about a packing of the counted lengths into `bins` bins
/// with at most `bin_size` samples each (0: as many as fit). Cost of `best_named_bound`.
/// @throws invalid_argument if a length exceeds the capacity, or if there is no such
///   packing because a bound exceeds `bins`
[[nodiscard]] constexpr certificate certify(const length_counts& counts, std::size_t bins,
                                            std::int64_t capacity,
                                            std::size_t bin_size = 0) {
    certificate made{bins, 0, bins, bins == 0, {}};
    made.raise(best_named_bound(counts, capacity, bin_size));
    return made;
}

/// The same for lengths packed under `limits`. With groups the bound is the sum over
/// them, since no bin holds samples of two; it has the name of the group's bound that is
/// furthest above L1.
/// @throws invalid_argument as `pack` does, if the sum of lengths exceeds int64, or if a
///   bound exceeds `bins`
template <class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] constexpr certificate certify(const Lengths& lengths, std::size_t bins,
                                            std::int64_t capacity,
                                            pack_limits limits = {}, Proj proj = {}) {
    const auto held = detail::contiguous_integers(lengths, proj);
    const std::span all(held);
    detail::check_lengths(all, capacity);
    const std::size_t group = limits.group_size == 0 ? all.size() : limits.group_size;
    named_bound sum;
    std::size_t most_above = 0;
    for (std::size_t first = 0; first < all.size();) {
        const std::size_t count = std::min(group, all.size() - first);
        const auto table = detail::table_of(all.subspan(first, count), capacity);
        const named_bound one = detail::best_bound(table, capacity, limits.bin_size);
        const std::size_t above = one.bins - detail::lower_bound_l1(table, capacity);
        if (first == 0 || above > most_above) sum.name = one.name;
        most_above = std::max(most_above, above);
        sum.bins += one.bins;
        first += count;
    }
    certificate made{bins, 0, bins, bins == 0, {}};
    made.raise(sum);
    return made;
}

}  // namespace packkit
