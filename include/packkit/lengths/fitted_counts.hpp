// SPDX-License-Identifier: Apache-2.0
/// @file
/// What becomes of samples longer than the capacity, of samples that are counted.
#pragma once

#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>
#include <packkit/lengths/excess_length.hpp>
#include <packkit/lengths/length_counts.hpp>

#include <cstddef>
#include <cstdint>

namespace packkit {

/// Counts of lengths that fit a capacity.
struct fitted_counts {
    length_counts counts;
    std::int64_t dropped_samples = 0;
    std::int64_t dropped_tokens = 0;
    std::int64_t cut_tokens = 0;
};

/// What `apply_excess_length` does, to counts. O(longest).
/// @throws invalid_argument for a capacity that is not positive, more than 2^32 - 1
/// samples
///   of a length or in all, and with `raise` if a length exceeds the capacity
[[nodiscard]] inline fitted_counts fit_counts(const length_counts& counts,
                                              std::int64_t capacity,
                                              excess_length_strategy strategy) {
    detail::check_capacity(capacity);
    fitted_counts fitted;
    const auto limit = static_cast<std::size_t>(capacity);
    const auto add = [&](std::size_t length, std::int64_t samples) {
        const std::int64_t sum = fitted.counts.count[length] + samples;
        detail::check_sample_count(static_cast<std::size_t>(sum));
        fitted.counts.count[length] = static_cast<std::uint32_t>(sum);
        fitted.counts.samples += static_cast<std::size_t>(samples);
        detail::check_sample_count(fitted.counts.samples);
    };
    fitted.counts.count.assign(limit + 1, 0);
    for (std::size_t length = 1; length < counts.count.size(); ++length) {
        const std::int64_t samples = counts.count[length];
        if (samples == 0) continue;
        const std::int64_t tokens = detail::checked_multiply(
            samples, detail::to_int64(length), "the sum of lengths");
        if (length <= limit) {
            add(length, samples);
            continue;
        }
        switch (strategy) {
            case excess_length_strategy::drop:
                fitted.dropped_samples += samples;
                fitted.dropped_tokens += tokens;
                break;
            case excess_length_strategy::truncate:
                add(limit, samples);
                fitted.cut_tokens += tokens - samples * capacity;
                break;
            case excess_length_strategy::split:
                add(limit, detail::checked_multiply(
                               samples, detail::to_int64(length / limit), "samples"));
                if (length % limit != 0) add(length % limit, samples);
                break;
            case excess_length_strategy::raise:
                detail::throw_invalid_argument(
                    samples, samples == 1 ? " sample has" : " samples have", " length ",
                    length, ", capacity is ", capacity,
                    " (excess_length_strategy raise; drop, truncate and split would let "
                    "it pass)");
        }
    }
    return fitted;
}

}  // namespace packkit
