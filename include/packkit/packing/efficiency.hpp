// SPDX-License-Identifier: Apache-2.0
/// @file
/// How full rows are: with packing, and padded without it.
#pragma once

#include <packkit/concepts.hpp>
#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>

namespace packkit {

/// Tokens of padding in `bins` rows of `capacity` that hold `tokens` tokens.
/// @throws invalid_argument if the tokens exceed the rows, or the rows int64
[[nodiscard]] constexpr std::int64_t padding_tokens(std::int64_t tokens, std::size_t bins,
                                                    std::int64_t capacity) {
    detail::check_capacity(capacity);
    const std::int64_t slots =
        detail::checked_multiply(detail::to_int64(bins), capacity, "bins x capacity");
    if (tokens < 0 || tokens > slots) {
        detail::throw_invalid_argument(tokens, " tokens in ", bins, " bins of ", capacity,
                                       ", expected 0 to ", slots);
    }
    return slots - tokens;
}

/// tokens / (bins x capacity), in [0, 1]. Nothing packed wastes nothing: 1 for no bins.
/// @throws invalid_argument as `padding_tokens`
[[nodiscard]] constexpr double packing_efficiency(std::int64_t tokens, std::size_t bins,
                                                  std::int64_t capacity) {
    const std::int64_t padding = padding_tokens(tokens, bins, capacity);
    if (bins == 0) return 1.0;
    return static_cast<double>(tokens) / static_cast<double>(tokens + padding);
}

/// Efficiency without packing when each sample is padded to the capacity.
/// @throws invalid_argument as `pack`
template <class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] constexpr double padded_to_capacity_efficiency(const Lengths& lengths,
                                                             std::int64_t capacity,
                                                             Proj proj = {}) {
    const auto held = detail::contiguous_lengths(lengths, proj);
    const std::span<const std::int64_t> all(held);
    detail::check_lengths(all, capacity);
    std::int64_t tokens = 0;
    for (const std::int64_t length : all) {
        tokens = detail::checked_add(tokens, length, "the sum of lengths");
    }
    return packing_efficiency(tokens, all.size(), capacity);
}

/// Efficiency without packing when consecutive samples, in the order given, form
/// micro-batches that are padded to their longest. The last one may be short. 1 for no
/// samples, or none with a token.
/// @throws invalid_argument for a micro-batch size of 0, a negative length, or sums
///   beyond int64
template <class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] constexpr double padded_to_longest_efficiency(const Lengths& lengths,
                                                            std::size_t micro_batch_size,
                                                            Proj proj = {}) {
    if (micro_batch_size == 0) {
        detail::throw_invalid_argument("micro_batch_size is 0, it must be positive");
    }
    const auto held = detail::contiguous_integers(lengths, proj);
    const std::span all(held);
    std::int64_t tokens = 0;
    std::int64_t slots = 0;
    for (std::size_t first = 0; first < all.size();) {
        const std::size_t rows = std::min(micro_batch_size, all.size() - first);
        std::int64_t longest = 0;
        for (std::size_t i = first; i < first + rows; ++i) {
            if (!std::in_range<std::int64_t>(all[i]) || std::cmp_less(all[i], 0)) {
                detail::throw_invalid_argument("item ", i, " has length ", all[i],
                                               ", lengths must not be negative");
            }
            const auto length = static_cast<std::int64_t>(all[i]);
            tokens = detail::checked_add(tokens, length, "the sum of lengths");
            longest = std::max(longest, length);
        }
        slots =
            detail::checked_add(slots,
                                detail::checked_multiply(longest, detail::to_int64(rows),
                                                         "a padded micro-batch"),
                                "the sum of padded lengths");
        first += rows;
    }
    return slots == 0 ? 1.0 : static_cast<double>(tokens) / static_cast<double>(slots);
}

}  // namespace packkit
