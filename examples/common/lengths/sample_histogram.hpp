// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// How many samples have which length: what the figures of a report come from, without
/// another pass over the samples.

#include "sample_table.hpp"

#include <packkit/lengths/excess_length.hpp>
#include <packkit/lengths/length_counts.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace packkit::app {

/// Samples by length. Lengths up to 2^22 are counted; each longer one is kept.
struct sample_histogram {
    static constexpr std::uint32_t longest_counted = std::uint32_t{1} << 22U;

    length_counts counts;
    std::vector<std::int64_t> longer;  ///< ascending

    /// The longest length; 0 for no samples.
    [[nodiscard]] std::int64_t longest() const;

    /// Calls f(length, samples) in ascending order of length.
    template <class Function>
    void for_each(Function f) const {
        for (std::size_t length = 0; length < counts.count.size(); ++length) {
            if (counts.count[length] > 0) {
                f(static_cast<std::int64_t>(length), std::uint64_t{counts.count[length]});
            }
        }
        for (const std::int64_t length : longer)
            f(length, std::uint64_t{1});
    }
};

/// Counts the samples of the table. O(N).
sample_histogram count_samples(const sample_table& samples);

/// What a capacity makes of the samples. Movable, not copyable: it may point into itself.
struct fitted_samples {
    fitted_samples() = default;
    fitted_samples(fitted_samples&&) = default;
    fitted_samples& operator=(fitted_samples&&) = default;
    fitted_samples(const fitted_samples&) = delete;
    fitted_samples& operator=(const fitted_samples&) = delete;
    ~fitted_samples() = default;

    /// What is packed, each in [1, capacity], in the order of the table.
    std::span<const std::uint32_t> lengths;
    std::int64_t tokens = 0;
    std::uint64_t overlong = 0;  ///< samples above the capacity
    std::int64_t longest = 0;    ///< of them, 0 when there are none
    std::int64_t dropped_tokens = 0;
    std::int64_t cut_tokens = 0;

    /// Position in the table of the item at a position of `lengths`.
    [[nodiscard]] std::uint32_t sample_of(std::uint32_t item) const {
        return sample.empty() ? item : sample[item];
    }

    std::vector<std::uint32_t> own;     ///< `lengths` when they are not the table's
    std::vector<std::uint32_t> sample;  ///< of each item; none: item i is sample i
};

/// Applies a strategy (not `raise`: that has been refused while reading). Copies nothing
/// when all samples fit. `samples` must outlive the result.
/// @throws input_error when splitting makes 2^32 pieces or more
fitted_samples fit_samples(const sample_table& samples, const sample_histogram& histogram,
                           std::int64_t capacity, excess_length_strategy strategy);

/// The counts of what fit_samples() leaves; no counts at all when the longest item is
/// beyond `longest_counted`, which has to be looked at item by item.
length_counts fitted_counts(const sample_histogram& histogram, std::int64_t capacity,
                            excess_length_strategy strategy);

}  // namespace packkit::app
