// SPDX-License-Identifier: Apache-2.0
/// @file
/// How many bins any packing needs at least, so that a packing can say how far it is from
/// proof of optimality.
///
/// Every bound takes lengths or `length_counts`; with counts it costs nothing per sample.
/// See dual_feasible.hpp for the functions behind the strongest of the quick bounds, and
/// linear_bound.hpp for the linear program.
#pragma once

#include <packkit/concepts.hpp>
#include <packkit/detail/length_access.hpp>
#include <packkit/lengths/detail/length_table.hpp>
#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/bound/dual_feasible.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace packkit {

/// A lower bound and where it comes from.
struct named_bound {
    std::size_t bins = 0;
    /// "items_per_bin", "L1", "L2", "dual_feasible", or "linear"; the simplest one that
    /// gives the number. Empty if there are no samples.
    std::string_view name;

    /// Takes the other bound if it is greater.
    constexpr void raise(std::size_t other, std::string_view other_name) {
        if (other > bins) *this = {other, other_name};
    }
    friend constexpr bool operator==(const named_bound&, const named_bound&) = default;
};

namespace detail {

[[nodiscard]] constexpr std::size_t lower_bound_l1(const length_table& table,
                                                   std::int64_t capacity) {
    std::int64_t tokens = 0;
    for (const length_group& group : table) {
        tokens = checked_add(
            tokens, checked_multiply(group.samples, group.length, "the sum of lengths"),
            "the sum of lengths");
    }
    return static_cast<std::size_t>(ceil_divide(tokens, capacity));
}

[[nodiscard]] constexpr std::size_t lower_bound_l2(const length_table& table,
                                                   std::int64_t capacity) {
    std::int64_t small_tokens = 0;  // of lengths at most half the capacity, down to alpha
    std::int64_t large = 0;         // how many exceed half the capacity
    std::size_t end = 0;
    for (; end < table.size() && table[end].length > capacity - table[end].length; ++end)
        large += table[end].samples;
    // With a growing set of small items alpha falls, and fewer large ones stand alone.
    std::size_t alone = end;    // groups of large items above capacity - alpha
    std::int64_t room = 0;      // residual beside the other large items
    std::int64_t best = large;  // alpha above every small item
    for (; end < table.size(); ++end) {
        const auto [alpha, samples] = table[end];
        small_tokens = checked_add(small_tokens,
                                   checked_multiply(samples, alpha, "the sum of lengths"),
                                   "the sum of lengths");
        for (; alone > 0 && table[alone - 1].length <= capacity - alpha; --alone) {
            const length_group& beside = table[alone - 1];
            room = saturating_add(
                room, saturating_multiply(beside.samples, capacity - beside.length));
        }
        const std::int64_t excess = std::max<std::int64_t>(small_tokens - room, 0);
        best = std::max(best, large + ceil_divide(excess, capacity));
    }
    return static_cast<std::size_t>(best);
}

/// The greatest of the bounds, and the simplest one that gives it.
[[nodiscard]] constexpr named_bound best_bound(const length_table& table,
                                               std::int64_t capacity,
                                               std::size_t bin_size) {
    named_bound best;
    best.raise(lower_bound_l1(table, capacity), "L1");
    if (bin_size != 0) {
        const auto samples = static_cast<std::size_t>(samples_of(table));
        best.raise(samples / bin_size + (samples % bin_size != 0 ? 1 : 0),
                   "items_per_bin");
    }
    best.raise(lower_bound_l2(table, capacity), "L2");
    best.raise(static_cast<std::size_t>(dual_feasible_bound(table, capacity)),
               "dual_feasible");
    return best;
}

}  // namespace detail

/// L1: ceil(sum of lengths / capacity). No packing has fewer bins. O(N).
/// @throws invalid_argument as `pack` does, or if the sum of lengths exceeds int64
template <class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] constexpr std::size_t lower_bound_l1(const Lengths& lengths,
                                                   std::int64_t capacity,
                                                   Proj proj = {}) {
    const auto held = detail::contiguous_integers(lengths, proj);
    const std::span all(held);
    detail::check_lengths(all, capacity);
    std::int64_t tokens = 0;
    for (const auto length : all) {
        tokens = detail::checked_add(tokens, static_cast<std::int64_t>(length),
                                     "the sum of lengths");
    }
    return static_cast<std::size_t>(detail::ceil_divide(tokens, capacity));
}

/// The same for counted lengths. O(longest length).
/// @throws invalid_argument if a length exceeds the capacity
[[nodiscard]] constexpr std::size_t lower_bound_l1(const length_counts& counts,
                                                   std::int64_t capacity) {
    return detail::lower_bound_l1(detail::table_of(counts, capacity), capacity);
}

/// L2 of Martello and Toth (1990, Discrete Applied Mathematics 28, 59-70,
/// doi:10.1016/0166-218X(90)90094-S): for each threshold alpha, items above capacity/2
/// each need a bin; those above capacity - alpha leave no room for an item of alpha or
/// more; what the items in [alpha, capacity/2] do not find beside the others needs bins
/// of its own. The maximum over alpha; with alpha the smallest length it is at least L1.
/// O(N + longest length) where lengths are dense, else O(N log N).
/// @throws invalid_argument as `pack` does, or if the sum of lengths exceeds int64
template <class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] constexpr std::size_t lower_bound_l2(const Lengths& lengths,
                                                   std::int64_t capacity,
                                                   Proj proj = {}) {
    const auto held = detail::contiguous_integers(lengths, proj);
    return detail::lower_bound_l2(detail::table_of(std::span(held), capacity), capacity);
}

/// The same for counted lengths. O(longest length).
/// @throws invalid_argument if a length exceeds the capacity
[[nodiscard]] constexpr std::size_t lower_bound_l2(const length_counts& counts,
                                                   std::int64_t capacity) {
    return detail::lower_bound_l2(detail::table_of(counts, capacity), capacity);
}

/// The greatest of L1, L2, the dual feasible functions and, where items a bin are
/// limited to `bin_size` (0: they are not), ceil(samples / bin_size); with its name.
/// O(longest length), and a few hundred thousand steps for the dual feasible functions.
/// @throws invalid_argument if a length exceeds the capacity
[[nodiscard]] constexpr named_bound best_named_bound(const length_counts& counts,
                                                     std::int64_t capacity,
                                                     std::size_t bin_size = 0) {
    return detail::best_bound(detail::table_of(counts, capacity), capacity, bin_size);
}

/// The number of `best_named_bound`.
/// @throws invalid_argument if a length exceeds the capacity
[[nodiscard]] constexpr std::size_t best_lower_bound(const length_counts& counts,
                                                     std::int64_t capacity,
                                                     std::size_t bin_size = 0) {
    return best_named_bound(counts, capacity, bin_size).bins;
}

/// The greatest of L1, L2 and the dual feasible functions.
/// @throws invalid_argument as L1 and L2 do
template <class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] constexpr std::size_t best_lower_bound(const Lengths& lengths,
                                                     std::int64_t capacity,
                                                     Proj proj = {}) {
    const auto held = detail::contiguous_integers(lengths, proj);
    return detail::best_bound(detail::table_of(std::span(held), capacity), capacity, 0)
        .bins;
}

}  // namespace packkit
