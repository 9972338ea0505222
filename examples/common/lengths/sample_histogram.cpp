// SPDX-License-Identifier: Apache-2.0
#include "sample_histogram.hpp"

#include "common/errors.hpp"

#include <algorithm>
#include <limits>
#include <string>

namespace packkit::app {
namespace {

struct excess_totals {
    std::uint64_t samples = 0;
    std::int64_t tokens = 0;   ///< of all samples, excess or not
    std::int64_t excess = 0;   ///< of samples above the capacity
    std::int64_t beyond = 0;   ///< of those above the capacity in them
    std::uint64_t pieces = 0;  ///< that splitting makes of all samples
};

excess_totals total(const sample_histogram& histogram, std::int64_t capacity) {
    excess_totals sum;
    histogram.for_each([&](std::int64_t length, std::uint64_t count) {
        // All fit: the sum of lengths is below 2^63, and pieces are fewer than tokens.
        const auto samples = static_cast<std::int64_t>(count);
        sum.tokens += length * samples;
        sum.pieces += static_cast<std::uint64_t>((length - 1) / capacity + 1) * count;
        if (length <= capacity) return;
        sum.samples += count;
        sum.excess += length * samples;
        sum.beyond += (length - capacity) * samples;
    });
    return sum;
}

}  // namespace

std::int64_t sample_histogram::longest() const {
    if (!longer.empty()) return longer.back();
    return counts.count.empty() ? 0 : static_cast<std::int64_t>(counts.count.size()) - 1;
}

sample_histogram count_samples(const sample_table& samples) {
    sample_histogram histogram;
    const std::span<const std::uint32_t> lengths(samples.lengths);
    std::uint32_t longest = 0;
    bool all_counted = true;
    for (const std::uint32_t length : lengths) {
        const bool counted = length <= sample_histogram::longest_counted;
        longest = std::max(longest, counted ? length : 0);
        all_counted &= counted;
    }
    if (all_counted && longest > 0) {
        count_lengths(lengths, longest, histogram.counts);
        return histogram;
    }
    histogram.counts.count.assign(std::size_t{longest} + 1, 0);
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        if (lengths[i] <= longest) {
            ++histogram.counts.count[lengths[i]];
        } else {
            histogram.longer.push_back(samples.length_at(i));
        }
    }
    histogram.counts.samples = samples.lengths.size() - histogram.longer.size();
    std::sort(histogram.longer.begin(), histogram.longer.end());
    return histogram;
}

fitted_samples fit_samples(const sample_table& samples, const sample_histogram& histogram,
                           std::int64_t capacity, excess_length_strategy strategy) {
    const excess_totals sums = total(histogram, capacity);
    fitted_samples fitted;
    fitted.tokens = sums.tokens;
    fitted.overlong = sums.samples;
    fitted.lengths = samples.lengths;
    if (sums.samples == 0) return fitted;

    fitted.longest = histogram.longest();
    const auto limit = static_cast<std::uint32_t>(capacity);  // below 2^31
    const std::size_t count = samples.lengths.size();
    std::vector<std::uint32_t>& own = fitted.own;
    if (strategy == excess_length_strategy::truncate) {
        fitted.cut_tokens = sums.beyond;
        fitted.tokens -= sums.beyond;
        own.resize(count);
        std::transform(samples.lengths.begin(), samples.lengths.end(), own.begin(),
                       [limit](std::uint32_t length) { return std::min(length, limit); });
    } else if (strategy == excess_length_strategy::split) {
        if (sums.pieces > std::numeric_limits<std::uint32_t>::max()) {
            throw input_error("--excess-length-strategy",
                              "split into rows of " + std::to_string(capacity) +
                                  " makes " + std::to_string(sums.pieces) +
                                  " pieces, more than 4294967295");
        }
        own.reserve(sums.pieces);
        fitted.sample.reserve(sums.pieces);
        for (std::size_t i = 0; i < count; ++i) {
            for (std::int64_t left = samples.length_at(i); left > 0; left -= capacity) {
                own.push_back(static_cast<std::uint32_t>(std::min(left, capacity)));
                fitted.sample.push_back(static_cast<std::uint32_t>(i));
            }
        }
    } else {
        fitted.dropped_tokens = sums.excess;
        fitted.tokens -= sums.excess;
        own.reserve(count - sums.samples);
        fitted.sample.reserve(count - sums.samples);
        for (std::size_t i = 0; i < count; ++i) {
            if (samples.lengths[i] > limit) continue;
            own.push_back(samples.lengths[i]);
            fitted.sample.push_back(static_cast<std::uint32_t>(i));
        }
    }
    fitted.lengths = own;
    return fitted;
}

length_counts fitted_counts(const sample_histogram& histogram, std::int64_t capacity,
                            excess_length_strategy strategy) {
    const std::int64_t longest = std::min(histogram.longest(), capacity);
    length_counts fitted;
    if (longest > sample_histogram::longest_counted) return fitted;
    fitted.count.assign(static_cast<std::size_t>(longest) + 1, 0);
    const auto add = [&fitted](std::int64_t length, std::uint64_t count) {
        fitted.count[static_cast<std::size_t>(length)] +=
            static_cast<std::uint32_t>(count);
        fitted.samples += count;
    };
    histogram.for_each([&](std::int64_t length, std::uint64_t count) {
        if (length <= capacity) {
            add(length, count);
        } else if (strategy == excess_length_strategy::truncate) {
            add(capacity, count);
        } else if (strategy == excess_length_strategy::split) {
            add(capacity, static_cast<std::uint64_t>(length / capacity) * count);
            if (length % capacity != 0) add(length % capacity, count);
        }
    });
    return fitted;
}

}  // namespace packkit::app
