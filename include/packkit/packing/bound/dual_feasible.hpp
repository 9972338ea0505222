// SPDX-License-Identifier: Apache-2.0
/// @file
/// Dual feasible functions: lower bounds by giving lengths other values.
///
/// A function f is dual feasible if lengths that fit into one bin have values that fit
/// into one bin too. The values of all samples then need at least sum f / f(capacity)
/// bins, and so do the samples. The classical ones are here in exact integers: a function
/// object gives `f(length)` and `f.whole()`, the value of a full bin. Survey: Clautiaux,
/// Alves and Valério de Carvalho 2010, Annals of Operations Research 179, 317-342,
/// doi:10.1007/s10479-008-0453-8.
#pragma once

#include <packkit/lengths/detail/length_table.hpp>
#include <packkit/lengths/length_counts.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

namespace packkit {

/// A dual feasible function in integers.
template <class F>
concept dual_feasible_function = requires(const F& f, std::int64_t length) {
    { f(length) } -> std::same_as<std::int64_t>;
    { f.whole() } -> std::same_as<std::int64_t>;
};

/// u^(k) of Fekete and Schepers 2001, Mathematical Programming 91, 11-31,
/// doi:10.1007/s101070100243: rounds (k+1) x down, and keeps x where that is whole.
/// Precondition: k >= 1.
struct fekete_schepers {
    std::int64_t capacity;
    std::int64_t k;

    [[nodiscard]] constexpr std::int64_t operator()(std::int64_t length) const {
        const std::int64_t parts = (k + 1) * length;
        return parts % capacity == 0 ? length * k : parts / capacity * capacity;
    }
    [[nodiscard]] constexpr std::int64_t whole() const { return capacity * k; }
};

/// f_CCM,1 of Carlier, Clautiaux and Moukrim 2007, Computers & Operations Research 34,
/// 2223-2250, doi:10.1016/j.cor.2005.08.012: counts units of `unit` tokens, rounded down
/// up to half the capacity and up above it. Precondition: 1 <= unit <= capacity.
struct carlier_clautiaux_moukrim {
    std::int64_t capacity;
    std::int64_t unit;

    [[nodiscard]] constexpr std::int64_t operator()(std::int64_t length) const {
        const std::int64_t rest = capacity - length;
        if (length < rest) return 2 * (length / unit);
        if (length == rest) return capacity / unit;
        return 2 * (capacity / unit - rest / unit);
    }
    [[nodiscard]] constexpr std::int64_t whole() const { return 2 * (capacity / unit); }
};

/// f_BJ,1 of Burdett and Johnson 1977, Annals of Discrete Mathematics 1, 117-143,
/// doi:10.1016/S0167-5060(08)70730-7, with lambda = capacity / unit: units of `unit`
/// tokens and of the fraction what exceeds that of the capacity. Precondition:
/// 1 <= unit <= capacity.
struct burdett_johnson {
    std::int64_t capacity;
    std::int64_t unit;

    [[nodiscard]] constexpr std::int64_t operator()(std::int64_t length) const {
        const std::int64_t over = capacity % unit;
        return length / unit * (unit - over) +
               std::max<std::int64_t>(length % unit - over, 0);
    }
    [[nodiscard]] constexpr std::int64_t whole() const {
        return capacity / unit * (unit - capacity % unit);
    }
};

/// f_VB,2 of Vanderbeck 2000, Operations Research 48, 915-926, as given in the survey:
/// rounds k x up and takes one off, symmetric about half the capacity. Precondition:
/// k >= 2.
struct vanderbeck {
    std::int64_t capacity;
    std::int64_t k;

    [[nodiscard]] constexpr std::int64_t operator()(std::int64_t length) const {
        const std::int64_t rest = capacity - length;
        if (length < rest) return 2 * below(length);
        if (length == rest) return k - 1;
        return 2 * (k - 1 - below(rest));
    }
    [[nodiscard]] constexpr std::int64_t whole() const { return 2 * (k - 1); }

private:
    [[nodiscard]] constexpr std::int64_t below(std::int64_t length) const {
        return std::max<std::int64_t>(detail::ceil_divide(k * length, capacity) - 1, 0);
    }
};

namespace detail {

/// The bounds of a table by function after function. Lengths above capacity - epsilon
/// may count as a bin and those below epsilon as nothing (U^(epsilon) of Fekete and
/// Schepers) before the function is applied; every epsilon is tried by prefix sums.
class dual_feasible_bounds {
public:
    constexpr dual_feasible_bounds(const length_table& table, std::int64_t capacity)
        : table_(table), capacity_(capacity), before_(table.size() + 1, 0) {
        std::int64_t samples = 0;
        for (std::size_t g = 0; g < table.size(); ++g) {
            before_[g] = samples;
            samples += table[g].samples;
            if (table[g].length > capacity - table[g].length) large_ = g + 1;
        }
        before_[table.size()] = samples;
        values_.assign(table.size() + 1, 0);
    }

    /// Raises the bound to that of `f`, unless its sum may exceed int64.
    template <dual_feasible_function Function>
    constexpr void try_function(const Function& f) {
        const std::int64_t whole = f.whole();
        const std::int64_t samples = before_.back();
        constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
        if (whole <= 0 || (samples > 0 && whole > most / samples)) return;
        std::int64_t sum = 0;
        for (std::size_t g = 0; g < table_.size(); ++g) {
            sum += table_[g].samples * f(table_[g].length);
            values_[g + 1] = sum;
        }
        std::int64_t best = sum;  // epsilon 0
        std::size_t alone = large_;
        for (std::size_t g = large_; g < table_.size(); ++g) {
            while (alone > 0 && table_[alone - 1].length <= capacity_ - table_[g].length)
                --alone;
            best =
                std::max(best, whole * before_[alone] + values_[g + 1] - values_[alone]);
        }
        best = std::max(best, whole * before_[large_]);  // epsilon half the capacity
        bound_ = std::max(bound_, ceil_divide(best, whole));
    }

    [[nodiscard]] constexpr std::int64_t bound() const { return bound_; }

private:
    const length_table& table_;
    std::int64_t capacity_;
    std::vector<std::int64_t> before_;  // samples in the groups before each
    std::vector<std::int64_t> values_;  // f summed over the groups before each
    std::size_t large_ = 0;             // groups above half the capacity
    std::int64_t bound_ = 0;
};

/// Evaluations of a function on a length that the bound may cost.
inline constexpr std::size_t dual_feasible_effort = 200'000;

/// The greatest bound of the functions above over a fixed choice of parameters, the more
/// the fewer lengths there are.
[[nodiscard]] constexpr std::int64_t dual_feasible_bound(const length_table& table,
                                                         std::int64_t capacity) {
    // Products of a length and a parameter stay far from the limits of int64.
    if (table.empty() || capacity > (std::int64_t{1} << 40)) return 0;
    dual_feasible_bounds bounds(table, capacity);
    const auto tries = static_cast<std::int64_t>(
        std::clamp<std::size_t>(dual_feasible_effort / table.size() / 4, 12, 1000));
    for (std::int64_t k = 1; k <= std::min<std::int64_t>(tries, 60); ++k) {
        bounds.try_function(fekete_schepers{capacity, k});
        bounds.try_function(vanderbeck{capacity, k + 1});
    }
    const auto by_unit = [&](std::int64_t unit) {
        if (unit < 1 || unit > capacity) return;
        bounds.try_function(carlier_clautiaux_moukrim{capacity, unit});
        bounds.try_function(burdett_johnson{capacity, unit});
    };
    if (capacity / 2 <= tries) {
        for (std::int64_t unit = 1; unit <= capacity / 2; ++unit)
            by_unit(unit);
        return bounds.bound();
    }
    // Units near an integer part of the capacity, and lengths up to half of it.
    const std::int64_t parts = std::min<std::int64_t>(tries / 4, 40);
    for (std::int64_t part = 2; part < 2 + parts; ++part) {
        by_unit(capacity / part);
        by_unit(capacity / part + 1);
    }
    std::size_t small = 0;
    while (small < table.size() && table[small].length > capacity / 2)
        ++small;
    const std::size_t lengths = table.size() - small;
    const auto picks =
        std::min<std::size_t>(lengths, static_cast<std::size_t>(tries) / 2);
    for (std::size_t p = 0; p < picks; ++p) {
        by_unit(table[small + lengths * p / picks].length);
    }
    return bounds.bound();
}

}  // namespace detail

/// The greatest bound of the dual feasible functions above over a fixed, sensible choice
/// of parameters and thresholds; for small items a rough guide, for items of a fair part
/// of the capacity often the optimum. At least the number of samples above half the
/// capacity. Costs a few hundred thousand evaluations at most, however many samples; 0
/// for capacities above 2^40, where nothing is tried.
/// @throws invalid_argument if a length exceeds the capacity
[[nodiscard]] constexpr std::size_t lower_bound_dual_feasible(const length_counts& counts,
                                                              std::int64_t capacity) {
    return static_cast<std::size_t>(
        detail::dual_feasible_bound(detail::table_of(counts, capacity), capacity));
}

/// The same for a range of lengths. O(N + capacity) at most O(N log N) besides.
/// @throws invalid_argument as `pack` does
template <class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] constexpr std::size_t lower_bound_dual_feasible(const Lengths& lengths,
                                                              std::int64_t capacity,
                                                              Proj proj = {}) {
    const auto held = detail::contiguous_integers(lengths, proj);
    return static_cast<std::size_t>(detail::dual_feasible_bound(
        detail::table_of(std::span(held), capacity), capacity));
}

}  // namespace packkit
