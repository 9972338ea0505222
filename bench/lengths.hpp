// SPDX-License-Identifier: Apache-2.0
/// @file
/// Sets of lengths for benchmarks: the same on every machine for the same (shape, count,
/// capacity, seed), since they are made of packkit's own random functions and of
/// operations that IEEE 754 rounds exactly.
#pragma once

#include <packkit/utility/random.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace bench {

/// e^x for |x| < 700 to about 1e-15 relative: 2^k by its exponent, the rest by Taylor's
/// series. The C library's last bit differs from machine to machine.
[[nodiscard]] inline double portable_exp(double x) {
    const double k = std::nearbyint(x * 1.4426950408889634);
    const double r = std::fma(-k, 0.69314718055994531, x);
    double series = 1.0;
    for (int n = 15; n >= 1; --n)
        series = std::fma(series, r / n, 1.0);
    return std::ldexp(series, static_cast<int>(k));
}

[[nodiscard]] inline std::int32_t clamp_length(double length, std::int64_t capacity) {
    return static_cast<std::int32_t>(
        std::clamp(length, 1.0, static_cast<double>(capacity)));
}

/// Length of sample `i` of a log-normal set, as instruction data tends to have them.
[[nodiscard]] inline std::int32_t lognormal_length(std::size_t i, std::int64_t capacity,
                                                   std::uint64_t seed,
                                                   double median = 300.0,
                                                   double sigma = 1.0) {
    return clamp_length(median * portable_exp(sigma * packkit::normal(seed, i)),
                        capacity);
}

using lengths = std::vector<std::int32_t>;

/// count values of length_of(i).
template <class LengthOf>
[[nodiscard]] lengths each(std::size_t count, LengthOf length_of) {
    lengths result(count);
    for (std::size_t i = 0; i < count; ++i)
        result[i] = length_of(i);
    return result;
}

/// Median 300, sigma 1; cut at the capacity.
[[nodiscard]] inline lengths lognormal(std::size_t count, std::int64_t capacity,
                                       std::uint64_t seed) {
    return each(count,
                [=](std::size_t i) { return lognormal_length(i, capacity, seed); });
}

/// Pareto with exponent 1.2 from 50 on: mostly short, cut at the capacity.
[[nodiscard]] inline lengths heavy_tailed(std::size_t count, std::int64_t capacity,
                                          std::uint64_t seed) {
    return each(count, [=](std::size_t i) {
        const double u = 1.0 - packkit::uniform01(seed, i);  // in (0, 1]
        return clamp_length(50.0 * portable_exp(-packkit::detail::portable_log(u) / 1.2),
                            capacity);
    });
}

/// Every length up to the capacity equally often.
[[nodiscard]] inline lengths uniform(std::size_t count, std::int64_t capacity,
                                     std::uint64_t seed) {
    return each(count, [=](std::size_t i) {
        return 1 + static_cast<std::int32_t>(packkit::random_below(
                       static_cast<std::uint64_t>(capacity), seed, i));
    });
}

/// Short questions (seven in ten, median 80) and long dialogues (median 1500).
[[nodiscard]] inline lengths chat(std::size_t count, std::int64_t capacity,
                                  std::uint64_t seed) {
    return each(count, [=](std::size_t i) {
        const bool brief = packkit::uniform01(seed, i, 1) < 0.7;
        return lognormal_length(i, capacity, seed, brief ? 80.0 : 1500.0,
                                brief ? 0.6 : 0.5);
    });
}

/// Four in five fill at least 15/16 of a bin, one in five is a crumb of at most 1/16.
[[nodiscard]] inline lengths near_capacity(std::size_t count, std::int64_t capacity,
                                           std::uint64_t seed) {
    const auto sixteenth = std::max<std::int64_t>(capacity / 16, 1);
    return each(count, [=](std::size_t i) {
        const auto crumb = static_cast<std::int64_t>(
            packkit::random_below(static_cast<std::uint64_t>(sixteenth), seed, i));
        const bool small = packkit::uniform01(seed, i, 1) < 0.2;
        return static_cast<std::int32_t>(small ? crumb + 1 : capacity - crumb);
    });
}

/// `made` in an order that does not tell what belongs together.
[[nodiscard]] inline lengths shuffled(const lengths& made, std::uint64_t seed) {
    const auto order = packkit::seeded_permutation(made.size(), seed, 2);
    return each(made.size(), [&](std::size_t i) { return made[order[i]]; });
}

/// Triplets that fill a bin exactly, each of three samples longer than a quarter of it,
/// so that the optimum is known: a third of the samples, rounded up. Falkenauer: A hybrid
/// grouping genetic algorithm for bin packing (Journal of Heuristics 2, 1996). What is
/// left of a count not divisible by 3 are samples of a whole bin.
[[nodiscard]] inline lengths triplets(std::size_t count, std::int64_t capacity,
                                      std::uint64_t seed) {
    const auto between = [&](std::int64_t low, std::int64_t high, std::size_t at) {
        return low + static_cast<std::int64_t>(packkit::random_below(
                         static_cast<std::uint64_t>(high - low + 1), seed, at));
    };
    lengths made(count, static_cast<std::int32_t>(capacity));
    for (std::size_t i = 0; i + 3 <= count; i += 3) {
        const std::int64_t first = between(capacity * 38 / 100, capacity * 49 / 100, i);
        const std::int64_t rest = capacity - first;
        const std::int64_t second = between((capacity + 3) / 4, rest / 2, i + 1);
        made[i] = static_cast<std::int32_t>(first);
        made[i + 1] = static_cast<std::int32_t>(second);
        made[i + 2] = static_cast<std::int32_t>(rest - second);
    }
    return shuffled(made, seed);
}

/// The family on which first-fit decreasing needs 11/9 of the optimum. Of each 30
/// samples, with e about 1/100 of the capacity C: 6 of C/2 + e, 6 of C/4 + 2e, 6 of C/4 +
/// e, 12 of C/4 - 2e; optimum 9 full bins, FFD 11. Johnson, Demers, Ullman, Garey,
/// Graham: Worst-case performance bounds for simple one-dimensional packing algorithms
/// (SIAM Journal on Computing 3, 1974). What is left of a count not divisible by 30 are
/// samples of a whole bin. `capacity` divisible by 4.
[[nodiscard]] inline lengths eleven_ninths(std::size_t count, std::int64_t capacity,
                                           std::uint64_t seed) {
    const std::int64_t e = std::max<std::int64_t>(capacity / 100, 1);
    lengths made(count, static_cast<std::int32_t>(capacity));
    for (std::size_t i = 0; i < count / 30 * 30; ++i) {
        const std::size_t k = i % 30;
        const std::int64_t length = k < 6    ? capacity / 2 + e
                                    : k < 12 ? capacity / 4 + 2 * e
                                    : k < 18 ? capacity / 4 + e
                                             : capacity / 4 - 2 * e;
        made[i] = static_cast<std::int32_t>(length);
    }
    return shuffled(made, seed);
}

/// A set of lengths by name.
struct shape {
    std::string_view name;
    lengths (*make)(std::size_t count, std::int64_t capacity, std::uint64_t seed);
};

inline constexpr std::array<shape, 7> shapes = {{{"lognormal", lognormal},
                                                 {"heavy_tailed", heavy_tailed},
                                                 {"uniform", uniform},
                                                 {"chat", chat},
                                                 {"near_capacity", near_capacity},
                                                 {"triplets", triplets},
                                                 {"eleven_ninths", eleven_ninths}}};

/// The seed of every recorded figure.
inline constexpr std::uint64_t seed = 42;

}  // namespace bench
