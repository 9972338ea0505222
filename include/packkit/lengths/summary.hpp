// SPDX-License-Identifier: Apache-2.0
/// @file
/// Statistics and histograms of lengths.
#pragma once

#include <packkit/concepts.hpp>
#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>
#include <packkit/lengths/length_counts.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

namespace packkit {

/// Length statistics. All zero for no samples.
struct length_summary {
    std::int64_t min = 0;
    std::int64_t max = 0;
    double mean = 0;
    double std = 0;     ///< of the population (divided by N), as numpy.std
    double median = 0;  ///< percentiles interpolate linearly, as numpy.percentile
    double p90 = 0;
    double p99 = 0;
    std::int64_t tokens = 0;
    std::size_t samples = 0;

    friend bool operator==(const length_summary&, const length_summary&) = default;
};

/// Statistics of the lengths. O(N log N). Equal for any order of the same lengths, bit
/// for bit.
/// @throws invalid_argument for a negative length or a sum beyond int64
template <class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] length_summary summarize(const Lengths& lengths, Proj proj = {}) {
    const auto held = detail::contiguous_lengths(lengths, proj);
    const std::span<const std::int64_t> all(held);
    length_summary summary;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i] < 0) {
            detail::throw_invalid_argument("item ", i, " has length ", all[i],
                                           ", lengths must not be negative");
        }
        summary.tokens =
            detail::checked_add(summary.tokens, all[i], "the sum of lengths");
    }
    summary.samples = all.size();
    if (all.empty()) return summary;

    std::vector<std::int64_t> sorted(all.begin(), all.end());
    std::sort(sorted.begin(), sorted.end());
    const auto count = static_cast<double>(sorted.size());
    summary.min = sorted.front();
    summary.max = sorted.back();
    summary.mean = static_cast<double>(summary.tokens) / count;
    double squares = 0;
    for (const std::int64_t length : sorted) {
        const double deviation = static_cast<double>(length) - summary.mean;
        squares += deviation * deviation;
    }
    summary.std = std::sqrt(squares / count);
    const auto percentile = [&sorted](std::size_t percent) {
        // The position percent/100 * (N - 1), its whole part taken in integers.
        const std::size_t position = percent * (sorted.size() - 1);
        const std::size_t below = position / 100;
        const double fraction = static_cast<double>(position % 100) / 100.0;
        const auto low = static_cast<double>(sorted[below]);
        if (position % 100 == 0) return low;
        return low + fraction * (static_cast<double>(sorted[below + 1]) - low);
    };
    summary.median = percentile(50);
    summary.p90 = percentile(90);
    summary.p99 = percentile(99);
    return summary;
}

/// The same from lengths that have been counted; `std` may differ in the last digit.
/// O(longest).
/// @throws invalid_argument for a sum beyond int64
[[nodiscard]] inline length_summary summarize(const length_counts& counts) {
    length_summary summary;
    std::size_t last = 0;
    for (std::size_t length = 0; length < counts.count.size(); ++length) {
        const std::int64_t samples = counts.count[length];
        if (samples == 0) continue;
        if (summary.samples == 0) summary.min = detail::to_int64(length);
        last = length;
        summary.samples += counts.count[length];
        summary.tokens =
            detail::checked_add(summary.tokens,
                                detail::checked_multiply(detail::to_int64(length),
                                                         samples, "the sum of lengths"),
                                "the sum of lengths");
    }
    if (summary.samples == 0) return summary;
    const auto count = static_cast<double>(summary.samples);
    summary.max = detail::to_int64(last);
    summary.mean = static_cast<double>(summary.tokens) / count;

    // The lengths at each percentile's position and behind it, in one walk.
    const std::size_t end = summary.samples - 1;
    const std::array<std::size_t, 3> percents = {50, 90, 99};
    std::array<double, 3> below{};
    std::array<double, 3> above{};
    double squares = 0;
    std::size_t walked = 0;
    for (std::size_t length = 0; length <= last; ++length) {
        if (counts.count[length] == 0) continue;
        const auto value = static_cast<double>(length);
        const double deviation = value - summary.mean;
        squares += deviation * deviation * counts.count[length];
        const std::size_t next = walked + counts.count[length];
        for (std::size_t k = 0; k < percents.size(); ++k) {
            const std::size_t position = percents[k] * end / 100;
            if (walked <= position && position < next) below[k] = value;
            const std::size_t behind = std::min(position + 1, end);
            if (walked <= behind && behind < next) above[k] = value;
        }
        walked = next;
    }
    summary.std = std::sqrt(squares / count);
    const auto percentile = [&](std::size_t k) {
        const double fraction = static_cast<double>(percents[k] * end % 100) / 100.0;
        return fraction == 0.0 ? below[k] : below[k] + fraction * (above[k] - below[k]);
    };
    summary.median = percentile(0);
    summary.p90 = percentile(1);
    summary.p99 = percentile(2);
    return summary;
}

/// How many lengths lie in [lo, hi).
struct histogram_bucket {
    std::int64_t lo = 0;
    std::int64_t hi = 0;
    std::size_t count = 0;

    friend constexpr bool operator==(const histogram_bucket&,
                                     const histogram_bucket&) = default;
};

namespace detail {

/// Empty buckets of equal width (to 1) over [min, max + 1), not more than there are
/// lengths. Precondition: 0 <= min <= max < 2^63 - 1, buckets > 0.
[[nodiscard]] constexpr std::vector<histogram_bucket> equal_buckets(std::int64_t min,
                                                                    std::int64_t max,
                                                                    std::size_t buckets) {
    const std::int64_t range = max - min + 1;
    const std::int64_t count =
        std::min(range, static_cast<std::int64_t>(std::min<std::size_t>(
                            buckets, std::numeric_limits<std::int32_t>::max())));
    // floor(range * k / count) without the product overflowing
    const auto edge = [min, range, count](std::int64_t k) {
        return min + range / count * k + range % count * k / count;
    };
    std::vector<histogram_bucket> histogram;
    histogram.reserve(static_cast<std::size_t>(count));
    for (std::int64_t k = 0; k < count; ++k) {
        histogram.push_back({edge(k), edge(k + 1), 0});
    }
    return histogram;
}

}  // namespace detail

/// Buckets of equal width (to 1) that cover [min, max + 1) without a gap: `buckets` of
/// them, or one a length if the lengths span fewer. None for no lengths. O(N log
/// buckets).
/// @throws invalid_argument for 0 buckets, or a negative length
template <class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] constexpr std::vector<histogram_bucket> length_histogram(
    const Lengths& lengths, std::size_t buckets, Proj proj = {}) {
    if (buckets == 0) {
        detail::throw_invalid_argument("a histogram of 0 buckets was asked for");
    }
    const auto held = detail::contiguous_lengths(lengths, proj);
    const std::span<const std::int64_t> all(held);
    if (all.empty()) return {};
    const std::int64_t min = *std::min_element(all.begin(), all.end());
    const std::int64_t max = *std::max_element(all.begin(), all.end());
    if (min < 0 || max == std::numeric_limits<std::int64_t>::max()) {
        detail::throw_invalid_argument(
            "lengths from ", min, " to ", max,
            ", they must not be negative and fit into 63 bits");
    }
    std::vector<histogram_bucket> histogram = detail::equal_buckets(min, max, buckets);
    for (const std::int64_t length : all) {
        const auto above = std::partition_point(
            histogram.begin(), histogram.end(),
            [length](const histogram_bucket& bucket) { return bucket.hi <= length; });
        ++above->count;
    }
    return histogram;
}

/// The same from lengths that have been counted. O(longest).
/// @throws invalid_argument for 0 buckets
[[nodiscard]] constexpr std::vector<histogram_bucket> length_histogram(
    const length_counts& counts, std::size_t buckets) {
    if (buckets == 0) {
        detail::throw_invalid_argument("a histogram of 0 buckets was asked for");
    }
    const auto& count = counts.count;
    std::size_t first = 0;
    std::size_t end = count.size();
    while (first < end && count[first] == 0)
        ++first;
    while (end > first && count[end - 1] == 0)
        --end;
    if (first == end) return {};
    std::vector<histogram_bucket> histogram = detail::equal_buckets(
        detail::to_int64(first), detail::to_int64(end) - 1, buckets);
    for (histogram_bucket& bucket : histogram) {
        for (auto length = static_cast<std::size_t>(bucket.lo);
             length < static_cast<std::size_t>(bucket.hi); ++length) {
            bucket.count += count[length];
        }
    }
    return histogram;
}

}  // namespace packkit
