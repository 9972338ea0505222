// SPDX-License-Identifier: Apache-2.0
/// @file
/// How many bins any packing needs at least, so that a packing can say how far it is from
/// proof of optimality.
#pragma once

#include <packkit/concepts.hpp>
#include <packkit/detail/lengths.hpp>
#include <packkit/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace packkit {

namespace detail {

/// L1 of checked lengths.
[[nodiscard]] constexpr std::size_t lower_bound_l1(std::span<const std::int64_t> lengths,
                                                   std::int64_t capacity) {
    std::int64_t tokens = 0;
    for (const std::int64_t length : lengths) {
        tokens = checked_add(tokens, length, "the sum of lengths");
    }
    return static_cast<std::size_t>(ceil_divide(tokens, capacity));
}

/// L2 of checked lengths, which are sorted here.
[[nodiscard]] constexpr std::size_t lower_bound_l2(std::vector<std::int64_t> lengths,
                                                   std::int64_t capacity) {
    std::sort(lengths.begin(), lengths.end(), std::greater<>{});
    std::int64_t small_tokens = 0;  // of lengths at most half the capacity, down to alpha
    std::size_t large = 0;          // how many exceed half the capacity
    for (; large < lengths.size() && lengths[large] > capacity - lengths[large];
         ++large) {}
    // With a growing set of small items alpha falls, and fewer large ones stand alone.
    std::size_t alone = large;  // large items above capacity - alpha
    std::int64_t room = 0;      // residual beside the other large items
    std::size_t best = large;   // alpha above every small item
    for (std::size_t end = large; end < lengths.size();) {
        const std::int64_t alpha = lengths[end];
        for (; end < lengths.size() && lengths[end] == alpha; ++end) {
            small_tokens = checked_add(small_tokens, alpha, "the sum of lengths");
        }
        for (; alone > 0 && lengths[alone - 1] <= capacity - alpha; --alone) {
            room += capacity - lengths[alone - 1];
        }
        const std::int64_t excess = std::max<std::int64_t>(small_tokens - room, 0);
        const auto more = static_cast<std::size_t>(ceil_divide(excess, capacity));
        best = std::max(best, large + more);
    }
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
    const auto held = detail::contiguous_lengths(lengths, proj);
    const std::span<const std::int64_t> all(held);
    detail::check_lengths(all, capacity);
    return detail::lower_bound_l1(all, capacity);
}

/// L2 of Martello and Toth (1990, Discrete Applied Mathematics 28, 59-70,
/// doi:10.1016/0166-218X(90)90094-S): for each threshold alpha, items above capacity/2
/// each need a bin; those above capacity - alpha leave no room for an item of alpha or
/// more; what the items in [alpha, capacity/2] do not find beside the others needs bins
/// of its own. The maximum over alpha; with alpha the smallest length it is at least L1.
/// O(N log N).
/// @throws invalid_argument as `pack` does, or if the sum of lengths exceeds int64
template <class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] constexpr std::size_t lower_bound_l2(const Lengths& lengths,
                                                   std::int64_t capacity,
                                                   Proj proj = {}) {
    const auto held = detail::contiguous_lengths(lengths, proj);
    const std::span<const std::int64_t> all(held);
    detail::check_lengths(all, capacity);
    return detail::lower_bound_l2(std::vector<std::int64_t>(all.begin(), all.end()),
                                  capacity);
}

/// The greatest of the bounds above.
/// @throws invalid_argument as they do
template <class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] constexpr std::size_t best_lower_bound(const Lengths& lengths,
                                                     std::int64_t capacity,
                                                     Proj proj = {}) {
    const auto held = detail::contiguous_lengths(lengths, proj);
    const std::span<const std::int64_t> all(held);
    detail::check_lengths(all, capacity);
    return std::max(detail::lower_bound_l1(all, capacity),
                    detail::lower_bound_l2(
                        std::vector<std::int64_t>(all.begin(), all.end()), capacity));
}

}  // namespace packkit
