// SPDX-License-Identifier: Apache-2.0
/// @file
/// `linear_bound`: the bound of the linear program over patterns, proven in integers.
#pragma once

#include <packkit/error.hpp>
#include <packkit/lengths/detail/length_table.hpp>
#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/bound/lower_bound.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace packkit {

/// How much `linear_bound` may do; counted, so that the result is the same everywhere.
struct linear_bound_limits {
    std::size_t iterations = 20'000;      ///< patterns priced
    std::uint64_t work = 4'000'000'000;   ///< inner-loop steps, roughly
    std::size_t distinct_lengths = 2000;  ///< beyond, only the quick bounds are taken
};

namespace detail {

/// A bin's content, longest length first: samples of each group of the table.
using knapsack_pattern = std::vector<std::pair<std::uint32_t, std::int64_t>>;

/// max sum of values over what fits into a bin, in integers.
class pattern_knapsack {
public:
    pattern_knapsack(const length_table& table, std::int64_t capacity,
                     std::size_t bin_size)
        : table_(table), capacity_(static_cast<std::size_t>(capacity)) {
        const auto fits = static_cast<std::size_t>(capacity / table.back().length);
        layers_ = bin_size == 0 || bin_size >= fits ? 0 : bin_size;
        for (std::size_t g = 0; g < table.size(); ++g) {
            std::int64_t left = std::min(table[g].samples, capacity / table[g].length);
            if (layers_ != 0) left = std::min(left, to_int64(layers_));
            // 1, 2, 4, ... copies, so that any number up to the most can be taken.
            for (std::int64_t copies = 1; left > 0; copies *= 2) {
                const std::int64_t taken = std::min(copies, left);
                parcels_.push_back({static_cast<std::uint32_t>(g), taken});
                left -= taken;
            }
        }
        cells_ = (capacity_ + 1) * (layers_ + 1);
        best_.assign(cells_, 0);
        taken_.assign(parcels_.size() * ((cells_ + 63) / 64), 0);
    }

    /// Inner-loop steps of one solution.
    [[nodiscard]] std::uint64_t work() const {
        return std::uint64_t{parcels_.size()} * cells_;
    }
    /// Memory that solving takes, in 64-bit words.
    [[nodiscard]] static std::uint64_t words(const length_table& table,
                                             std::int64_t capacity,
                                             std::size_t bin_size) {
        const std::int64_t fits = capacity / table.back().length;
        const std::uint64_t layers =
            bin_size == 0 || to_int64(bin_size) >= fits ? 1 : bin_size + 1;
        const auto cells = static_cast<std::uint64_t>(capacity + 1) * layers;
        return cells + cells / 64 * table.size() * 2;
    }

    /// The greatest value; `values` non-negative and at most 2^31 each.
    [[nodiscard]] std::int64_t solve(const std::vector<std::int64_t>& values,
                                     knapsack_pattern& pattern) {
        std::fill(best_.begin(), best_.end(), 0);
        std::fill(taken_.begin(), taken_.end(), 0);
        const std::size_t row = (cells_ + 63) / 64;
        for (std::size_t p = 0; p < parcels_.size(); ++p) {
            const auto [group, copies] = parcels_[p];
            const std::int64_t value = values[group] * copies;
            if (value == 0) continue;
            const auto size = static_cast<std::size_t>(table_[group].length * copies);
            std::uint64_t* bits = &taken_[p * row];
            if (layers_ == 0) {
                improve(best_.data(), best_.data(), size, value, bits, 0);
                continue;
            }
            const auto items = static_cast<std::size_t>(copies);
            for (std::size_t layer = layers_; layer >= items; --layer) {
                improve(&best_[layer * (capacity_ + 1)],
                        &best_[(layer - items) * (capacity_ + 1)], size, value, bits,
                        layer * (capacity_ + 1));
            }
        }
        std::size_t layer = layers_;
        std::size_t room = capacity_;
        pattern.clear();
        for (std::size_t p = parcels_.size(); p-- > 0;) {
            const std::size_t cell = layer * (capacity_ + 1) + room;
            if ((taken_[p * row + cell / 64] >> (cell % 64) & 1) == 0) continue;
            const auto [group, copies] = parcels_[p];
            if (!pattern.empty() && pattern.back().first == group) {
                pattern.back().second += copies;
            } else {
                pattern.emplace_back(group, copies);
            }
            room -= static_cast<std::size_t>(table_[group].length * copies);
            if (layers_ != 0) layer -= static_cast<std::size_t>(copies);
        }
        return best_[cells_ - 1];
    }

private:
    struct parcel {
        std::uint32_t group;
        std::int64_t copies;
    };

    /// to[c] = max(to[c], from[c - size] + value), and where it was the latter.
    void improve(std::int64_t* to, const std::int64_t* from, std::size_t size,
                 std::int64_t value, std::uint64_t* bits, std::size_t offset) const {
        for (std::size_t c = capacity_ + 1; c-- > size;) {
            const std::int64_t with = from[c - size] + value;
            if (with <= to[c]) continue;
            to[c] = with;
            bits[(offset + c) / 64] |= std::uint64_t{1} << ((offset + c) % 64);
        }
    }

    const length_table& table_;
    std::size_t capacity_;
    std::size_t layers_ = 0;  // items a bin, 0 where they need no counting
    std::size_t cells_ = 0;
    std::vector<parcel> parcels_;
    std::vector<std::int64_t> best_;
    std::vector<std::uint64_t> taken_;
};

/// Revised simplex over patterns with an explicit inverse of the basis. What it computes
/// only proposes values; nothing relies on its rounding.
class pattern_simplex {
public:
    explicit pattern_simplex(const length_table& table, std::int64_t capacity,
                             std::size_t bin_size)
        : size_(table.size()), inverse_(size_ * size_, 0.0) {
        for (std::size_t g = 0; g < size_; ++g) {
            std::int64_t copies = std::min(capacity / table[g].length, table[g].samples);
            if (bin_size != 0) copies = std::min(copies, to_int64(bin_size));
            inverse_[g * size_ + g] = 1.0 / static_cast<double>(copies);
            level_.push_back(static_cast<double>(table[g].samples) /
                             static_cast<double>(copies));
        }
        dual_.assign(size_, 0.0);
        for (std::size_t g = 0; g < size_; ++g)
            dual_[g] = inverse_[g * size_ + g];
    }

    [[nodiscard]] const std::vector<double>& duals() const { return dual_; }
    [[nodiscard]] std::uint64_t work() const { return std::uint64_t{size_} * size_ * 2; }

    /// Brings a pattern into the basis. False if it does not improve, or no pivot is left
    /// that the doubles can carry.
    [[nodiscard]] bool enter(const knapsack_pattern& pattern) {
        double reduced = 1.0;
        for (const auto& [group, copies] : pattern)
            reduced -= dual_[group] * static_cast<double>(copies);
        if (reduced > -1e-11) return false;
        column_.assign(size_, 0.0);
        for (std::size_t row = 0; row < size_; ++row) {
            for (const auto& [group, copies] : pattern) {
                column_[row] +=
                    inverse_[row * size_ + group] * static_cast<double>(copies);
            }
        }
        std::size_t leave = size_;
        for (std::size_t row = 0; row < size_; ++row) {
            if (column_[row] <= 1e-9) continue;
            if (leave == size_) {
                leave = row;
                continue;
            }
            const double difference =
                level_[row] * column_[leave] - level_[leave] * column_[row];
            if (difference < 0 || (difference == 0 && column_[row] > column_[leave]))
                leave = row;
        }
        if (leave == size_) return false;
        const double pivot = column_[leave];
        double* out = &inverse_[leave * size_];
        for (std::size_t k = 0; k < size_; ++k)
            out[k] /= pivot;
        level_[leave] = std::max(level_[leave] / pivot, 0.0);
        for (std::size_t row = 0; row < size_; ++row) {
            if (row == leave || column_[row] == 0.0) continue;
            double* in = &inverse_[row * size_];
            for (std::size_t k = 0; k < size_; ++k)
                in[k] -= column_[row] * out[k];
            level_[row] = std::max(level_[row] - column_[row] * level_[leave], 0.0);
        }
        for (std::size_t k = 0; k < size_; ++k)
            dual_[k] += reduced * out[k];
        return true;
    }

private:
    std::size_t size_;
    std::vector<double> inverse_;
    std::vector<double> level_;
    std::vector<double> dual_;
    std::vector<double> column_;
};

/// Farley 1990: any values, divided by the most that a bin's content can be worth, are
/// dual feasible. Doubles are scaled and rounded to integers first; all from there is
/// exact.
class safe_dual_bound {
public:
    safe_dual_bound(const length_table& table, std::int64_t capacity,
                    std::size_t bin_size)
        : table_(table), knapsack_(table, capacity, bin_size) {
        // The sum of samples x value stays below 2^62.
        const std::int64_t samples = samples_of(table);
        while (scale_ > 1 &&
               scale_ > (std::int64_t{1} << 61) / std::max<std::int64_t>(samples, 1)) {
            scale_ /= 2;
        }
        values_.assign(table.size(), 0);
    }

    /// The bound by these values, and the pattern that is worth most.
    [[nodiscard]] std::int64_t bound(const std::vector<double>& duals,
                                     knapsack_pattern& pattern) {
        std::int64_t sum = 0;
        for (std::size_t g = 0; g < table_.size(); ++g) {
            const double scaled = duals[g] * static_cast<double>(scale_);
            // Not a number compares false and becomes 0.
            values_[g] = scaled >= 1.0 ? static_cast<std::int64_t>(std::min(
                                             scaled, static_cast<double>(scale_)))
                                       : 0;
            sum += values_[g] * table_[g].samples;
        }
        const std::int64_t most = knapsack_.solve(values_, pattern);
        return most > 0 ? ceil_divide(sum, most) : 0;
    }
    [[nodiscard]] std::uint64_t work() const { return knapsack_.work(); }

private:
    const length_table& table_;
    pattern_knapsack knapsack_;
    std::int64_t scale_ = std::int64_t{1} << 31;
    std::vector<std::int64_t> values_;
};

}  // namespace detail

/// The bound of the linear program of Gilmore and Gomory (1961, Operations Research 9,
/// 849-859, doi:10.1287/opre.9.6.849): the fewest bins if patterns may be used in
/// fractions, rounded up. Hardly ever more than one below the optimum. By column
/// generation: a simplex in doubles proposes values of lengths, an exact knapsack over
/// integers finds the pattern that is worth most, and, by dividing by its worth (Farley
/// 1990, Operations Research 38, 922-923, doi:10.1287/opre.38.5.922), turns them into a
/// bound that holds whatever the doubles were. A limit reached costs strength only.
///
/// At least `best_named_bound`, whose name it keeps where the program gives no more; else
/// the name is "linear".
///
/// @param bin_size most samples a bin, 0 for as many as fit
/// @param enough stop when the bound reaches so many bins, as those of a packing; 0:
/// never
/// @throws invalid_argument if a length exceeds the capacity
///
/// For hundreds of distinct lengths: a step costs O(distinct x capacity x log(samples a
/// bin)), times `bin_size` where that is a limit, and O(distinct^2).
[[nodiscard]] inline named_bound linear_bound(const length_counts& counts,
                                              std::int64_t capacity,
                                              std::size_t bin_size = 0,
                                              linear_bound_limits limits = {},
                                              std::size_t enough = 0) {
    const auto table = detail::table_of(counts, capacity);
    named_bound best = detail::best_bound(table, capacity, bin_size);
    constexpr std::uint64_t most_words = std::uint64_t{1} << 27;  // a gigabyte
    if (table.empty() || table.size() > limits.distinct_lengths ||
        detail::pattern_knapsack::words(table, capacity, bin_size) > most_words) {
        return best;
    }
    detail::pattern_simplex simplex(table, capacity, bin_size);
    detail::safe_dual_bound dual(table, capacity, bin_size);
    detail::knapsack_pattern pattern;
    std::uint64_t work = 0;
    for (std::size_t step = 0; step < limits.iterations; ++step) {
        work += dual.work() + simplex.work();
        if (work > limits.work || (enough != 0 && best.bins >= enough)) break;
        best.raise(static_cast<std::size_t>(dual.bound(simplex.duals(), pattern)),
                   "linear");
        if (!simplex.enter(pattern)) break;
    }
    return best;
}

}  // namespace packkit
