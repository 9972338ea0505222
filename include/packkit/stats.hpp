// SPDX-License-Identifier: Apache-2.0
/// @file
/// Length summaries, packing efficiency, padding, and balance over ranks.
#pragma once

#include <packkit/bins.hpp>
#include <packkit/concepts.hpp>
#include <packkit/detail/lengths.hpp>
#include <packkit/error.hpp>
#include <packkit/length_counts.hpp>
#include <packkit/squared_lengths.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <utility>
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

namespace detail {

/// max / mean - 1 of the ranks' costs, where bin i goes to rank i % ranks.
template <class Index, class Cost>
[[nodiscard]] constexpr double imbalance(const bin_list<Index>& bins,
                                         std::span<const std::int64_t> lengths,
                                         std::size_t ranks, Cost cost) {
    if (ranks == 0) throw_invalid_argument("ranks is 0, it must be positive");
    std::vector<double> of_rank(ranks, 0.0);
    for (std::size_t bin = 0; bin < bins.size(); ++bin) {
        for (const Index item : bins[bin]) {
            const auto i = static_cast<std::size_t>(item);
            if (i >= lengths.size()) {
                throw_invalid_argument("bin ", bin, " holds item ", item,
                                       ", but there are ", lengths.size(), " lengths");
            }
            of_rank[bin % ranks] += cost(static_cast<double>(lengths[i]));
        }
    }
    double sum = 0;
    for (const double of_one : of_rank)
        sum += of_one;
    if (sum == 0) return 0.0;
    const double mean = sum / static_cast<double>(ranks);
    return *std::max_element(of_rank.begin(), of_rank.end()) / mean - 1.0;
}

}  // namespace detail

/// How much more tokens the busiest rank has than the mean: max / mean - 1 over all bins,
/// dealt round-robin (bin i to rank i % ranks). 0 is perfect balance.
/// @throws invalid_argument for 0 ranks, or a bin that holds an index without a length
template <class Index, class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] constexpr double rank_imbalance(const bin_list<Index>& bins,
                                              const Lengths& lengths, std::size_t ranks,
                                              Proj proj = {}) {
    const auto held = detail::contiguous_lengths(lengths, proj);
    return detail::imbalance(bins, held, ranks, [](double length) { return length; });
}

/// The same for attention cost, the sum of squared document lengths: documents attend
/// only to themselves, so bins of equal tokens differ.
/// @throws invalid_argument as `rank_imbalance`
template <class Index, class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] constexpr double attention_imbalance(const bin_list<Index>& bins,
                                                   const Lengths& lengths,
                                                   std::size_t ranks, Proj proj = {}) {
    const auto held = detail::contiguous_lengths(lengths, proj);
    return detail::imbalance(bins, held, ranks,
                             [](double length) { return squared_lengths(length); });
}

}  // namespace packkit
