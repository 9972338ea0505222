// SPDX-License-Identifier: Apache-2.0
/// @file
/// How unequal the rows of a training are, and what that costs: ranks that wait for each
/// other wait for the most expensive row.
#pragma once

#include <packkit/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace packkit {

/// Rows of one cost, as a share of all rows.
struct row_cost {
    double cost = 0;
    double share = 0;  ///< in (0, 1]
};

/// The distribution of what rows cost. Costs that differ by less than a thousandth are
/// held as one, their mean kept: a thousand entries or so whatever the number of rows.
/// Empty: all rows cost the same.
class row_costs {
public:
    row_costs() = default;

    /// From (cost, rows) in any order; costs in any unit. O(n log n).
    /// @throws invalid_argument for a negative cost or number of rows, or one that is not
    ///   finite
    explicit row_costs(std::vector<std::pair<double, double>> rows_of_cost) {
        double rows = 0;
        for (const auto& [cost, count] : rows_of_cost) {
            if (!(cost >= 0 && count >= 0) || !std::isfinite(cost * count)) {
                detail::throw_invalid_argument(count, " rows of cost ", cost,
                                               ", both must be finite, none negative");
            }
            rows += count;
        }
        if (rows == 0) return;
        std::sort(rows_of_cost.begin(), rows_of_cost.end());
        double first = 0;  // the least cost of the last entry
        for (const auto& [cost, count] : rows_of_cost) {
            if (count == 0) continue;
            const double share = count / rows;
            if (entries_.empty() || cost > first * (1 + merged_below)) {
                entries_.push_back({cost, share});
                first = cost;
            } else {
                row_cost& last = entries_.back();
                last.cost =
                    (last.cost * last.share + cost * share) / (last.share + share);
                last.share += share;
            }
            mean_ += cost * share;
        }
    }

    /// By rising cost.
    [[nodiscard]] std::span<const row_cost> entries() const { return entries_; }
    [[nodiscard]] bool empty() const { return entries_.empty(); }
    /// Mean cost of a row. 0 if empty.
    [[nodiscard]] double mean() const { return mean_; }

    /// How much longer than the mean the slowest of `ranks` takes when each gets `rows`
    /// rows, drawn at random, before all wait for each other: E[max] / mean, at least 1.
    ///
    /// For one row it is the order statistic Σ c (F(c)^ranks − F(c−)^ranks); of up to 8
    /// rows the same of the distribution of their sum, on a grid of 127 steps a row;
    /// beyond, what exceeds 1 falls with the root of the rows. An estimate: rows are
    /// drawn independently, while an epoch deals each row once.
    /// @throws invalid_argument for ranks or rows below 1
    [[nodiscard]] double shuffled_imbalance(std::int64_t ranks,
                                            std::int64_t rows = 1) const {
        if (ranks < 1 || rows < 1) {
            detail::throw_invalid_argument("imbalance of ", ranks, " ranks with ", rows,
                                           " rows, both must be at least 1");
        }
        if (ranks == 1 || entries_.size() < 2 || mean_ == 0) return 1.0;
        if (rows == 1) {
            double maximum = 0;
            expectation most{static_cast<double>(ranks)};
            for (const row_cost& entry : entries_)
                maximum += most.add(entry.share) * entry.cost;
            maximum += most.rest() * entries_.back().cost;
            return std::max(1.0, maximum / mean_);
        }
        const std::int64_t summed = std::min(rows, most_summed);
        const double above = imbalance_of_sums(ranks, summed) - 1.0;
        return 1.0 +
               above * std::sqrt(static_cast<double>(summed) / static_cast<double>(rows));
    }

    /// Imbalance when the rows of `window` steps are sorted by cost and adjacent
    /// ones form a step, as `distributed_plan` does: the sum over steps of the most
    /// expensive row's cost, over the sum of means. For many ranks; with few it is less.
    /// @throws invalid_argument for a window of 0
    [[nodiscard]] double balanced_imbalance(std::int64_t window = 64) const {
        if (window < 1) {
            detail::throw_invalid_argument("window is ", window, ", it must be positive");
        }
        if (entries_.size() < 2 || mean_ == 0) return 1.0;
        double largest = 0;
        double below = 0;
        std::size_t entry = 0;
        for (std::int64_t step = 1; step <= window; ++step) {
            const double end = static_cast<double>(step) / static_cast<double>(window);
            // The entry that holds the quantile `end`; rounding may leave a trace.
            while (entry + 1 < entries_.size() &&
                   below + entries_[entry].share < end - 1e-12) {
                below += entries_[entry++].share;
            }
            largest += entries_[entry].cost;
        }
        return std::max(1.0, largest / static_cast<double>(window) / mean_);
    }

private:
    static constexpr double merged_below = 1.0 / 1024;
    static constexpr std::int64_t most_summed = 8;
    static constexpr std::size_t grid = 128;

    /// P(the largest of `ranks` draws is the next value), values by rising cost.
    struct expectation {
        double ranks;
        double below = 0;  ///< P(draw < next)
        double power = 0;  ///< below^ranks

        double add(double share) {
            below = std::min(1.0, below + share);
            const double next = std::pow(below, ranks);
            return next - std::exchange(power, next);
        }
        /// Left where rounded shares do not quite add up to one, which the power of many
        /// ranks makes large; it belongs to the last value.
        [[nodiscard]] double rest() const { return 1 - power; }
    };

    [[nodiscard]] double imbalance_of_sums(std::int64_t ranks, std::int64_t rows) const {
        const double least = entries_.front().cost;
        const double width =
            (entries_.back().cost - least) / static_cast<double>(grid - 1);
        if (width <= 0) return 1.0;
        // Each entry's share lies on the two grid points around it, its mean kept.
        std::vector<double> one(grid, 0.0);
        for (const row_cost& entry : entries_) {
            const double at = (entry.cost - least) / width;
            const auto point = std::min(static_cast<std::size_t>(at), grid - 2);
            const double rest = at - static_cast<double>(point);
            one[point] += entry.share * (1 - rest);
            one[point + 1] += entry.share * rest;
        }
        std::vector<double> sum = one;
        for (std::int64_t row = 1; row < rows; ++row)
            sum = convolve(sum, one);
        double maximum = 0;
        double mean = 0;
        expectation most{static_cast<double>(ranks)};
        const double base = least * static_cast<double>(rows);
        for (std::size_t i = 0; i < sum.size(); ++i) {
            const double cost = base + width * static_cast<double>(i);
            maximum += most.add(sum[i]) * cost;
            mean += sum[i] * cost;
        }
        maximum += most.rest() * (base + width * static_cast<double>(sum.size() - 1));
        return std::max(1.0, maximum / mean);
    }

    static std::vector<double> convolve(const std::vector<double>& a,
                                        const std::vector<double>& b) {
        std::vector<double> sum(a.size() + b.size() - 1, 0.0);
        for (std::size_t i = 0; i < a.size(); ++i) {
            for (std::size_t j = 0; j < b.size(); ++j)
                sum[i + j] += a[i] * b[j];
        }
        return sum;
    }

    std::vector<row_cost> entries_;
    double mean_ = 0;
};

}  // namespace packkit
