// SPDX-License-Identifier: Apache-2.0
/// @file
/// What becomes of samples longer than the capacity, with every token accounted for.
#pragma once

#include <packkit/concepts.hpp>
#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace packkit {

/// `excess_length_strategy`: what becomes of a sample longer than the capacity.
enum class excess_length_strategy {
    drop,      ///< left out, and listed
    truncate,  ///< cut at the capacity; the tokens cut are counted
    split,     ///< cut into pieces of the capacity and a rest; nothing is lost
    raise,     ///< refused by an exception
};

/// "drop", "truncate", "split" or "raise".
[[nodiscard]] constexpr std::string_view to_string(excess_length_strategy strategy) {
    switch (strategy) {
        case excess_length_strategy::drop:
            return "drop";
        case excess_length_strategy::truncate:
            return "truncate";
        case excess_length_strategy::split:
            return "split";
        case excess_length_strategy::raise:
            return "raise";
    }
    detail::throw_invalid_argument("excess_length_strategy has no value ",
                                   static_cast<int>(strategy));
}

/// The strategy of that name. @throws invalid_argument for any other name
[[nodiscard]] constexpr excess_length_strategy parse_excess_length_strategy(
    std::string_view name) {
    for (const auto strategy :
         {excess_length_strategy::drop, excess_length_strategy::truncate,
          excess_length_strategy::split, excess_length_strategy::raise}) {
        if (name == to_string(strategy)) return strategy;
    }
    detail::throw_invalid_argument("excess_length_strategy is '", name,
                                   "', expected drop, truncate, split or raise");
}

/// Lengths that fit, and where each comes from.
///
/// Always: tokens put in = sum of `lengths` + `dropped_tokens` + `cut_tokens`.
struct fitted_lengths {
    std::vector<std::int64_t> lengths;  ///< each in [1, capacity]
    std::vector<std::uint32_t> sample;  ///< which sample, ascending; again for each piece
    std::vector<std::int64_t> offset;   ///< where in its sample the piece begins
    std::vector<std::uint32_t> dropped;  ///< samples left out as too long, ascending
    std::int64_t dropped_tokens = 0;     ///< tokens of `dropped`
    std::int64_t cut_tokens = 0;         ///< tokens cut off by `truncate`
    std::vector<std::uint32_t>
        empty;  ///< samples of length 0, left out by every strategy

    friend bool operator==(const fitted_lengths&, const fitted_lengths&) = default;
};

/// Makes lengths fit a capacity. Samples of length 0 have nothing to pack: they are left
/// out and listed in `empty` whatever the strategy. O(N + pieces), order kept.
///
/// @throws invalid_argument for a negative length, a capacity that is not positive, 2^32
///   samples or more, a sum of lengths beyond int64, and with `raise` for the first
///   sample longer than the capacity
template <class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] constexpr fitted_lengths apply_excess_length(
    const Lengths& lengths, std::int64_t capacity, excess_length_strategy strategy,
    Proj proj = {}) {
    detail::check_capacity(capacity);
    const auto held = detail::contiguous_lengths(lengths, proj);
    const std::span<const std::int64_t> all(held);
    detail::check_sample_count(all.size());
    fitted_lengths fitted;
    fitted.lengths.reserve(all.size());
    fitted.sample.reserve(all.size());
    fitted.offset.reserve(all.size());
    std::int64_t tokens = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto sample = static_cast<std::uint32_t>(i);
        const std::int64_t length = all[i];
        const auto keep = [&fitted, sample](std::int64_t offset, std::int64_t piece) {
            fitted.lengths.push_back(piece);
            fitted.sample.push_back(sample);
            fitted.offset.push_back(offset);
        };
        if (length < 0) {
            detail::throw_invalid_argument("item ", i, " has length ", length,
                                           ", lengths must not be negative");
        }
        tokens = detail::checked_add(tokens, length, "the sum of lengths");
        if (length == 0) {
            fitted.empty.push_back(sample);
        } else if (length <= capacity) {
            keep(0, length);
        } else if (strategy == excess_length_strategy::drop) {
            fitted.dropped.push_back(sample);
            fitted.dropped_tokens += length;
        } else if (strategy == excess_length_strategy::truncate) {
            keep(0, capacity);
            fitted.cut_tokens += length - capacity;
        } else if (strategy == excess_length_strategy::split) {
            for (std::int64_t offset = 0; offset < length;) {
                const std::int64_t piece = std::min(capacity, length - offset);
                keep(offset, piece);
                offset += piece;
            }
        } else {
            detail::throw_invalid_argument(
                "item ", i, " has length ", length, ", capacity is ", capacity,
                " (excess_length_strategy raise; drop, truncate and "
                "split would let it pass)");
        }
    }
    return fitted;
}

}  // namespace packkit
