// SPDX-License-Identifier: Apache-2.0
/// @file
/// Randomness as a function: the same (key, stream, counter) gives the same value on
/// every rank, compiler and machine. There is no generator state to save.
#pragma once

#include <packkit/error.hpp>
#include <packkit/utility/hash.hpp>

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

namespace packkit {

/// Philox 4x32 with 10 rounds: 128 random bits from a 128-bit counter and a 64-bit key.
/// Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3 (SC 2011),
/// doi:10.1145/2063384.2063405. Passes Random123's known answers.
[[nodiscard]] constexpr std::array<std::uint32_t, 4> philox4x32(
    std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
        const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
        counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0],
                   static_cast<std::uint32_t>(b),
                   static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1],
                   static_cast<std::uint32_t>(a)};
        key[0] += 0x9E3779B9;
        key[1] += 0xBB67AE85;
    }
    return counter;
}

/// 128 random bits as two 64-bit values, from a key, a counter and a stream: streams of
/// one key are independent sequences (an epoch, a tensor).
[[nodiscard]] constexpr std::array<std::uint64_t, 2> random_bits(
    std::uint64_t key, std::uint64_t counter, std::uint64_t stream = 0) {
    const auto low = [](std::uint64_t word) { return static_cast<std::uint32_t>(word); };
    const auto high = [](std::uint64_t word) {
        return static_cast<std::uint32_t>(word >> 32);
    };
    const auto out = philox4x32({low(counter), high(counter), low(stream), high(stream)},
                                {low(key), high(key)});
    return {out[0] | std::uint64_t{out[1]} << 32, out[2] | std::uint64_t{out[3]} << 32};
}

/// Uniform in [0, 1): a multiple of 2^-53.
[[nodiscard]] constexpr double uniform01(std::uint64_t key, std::uint64_t counter,
                                         std::uint64_t stream = 0) {
    return static_cast<double>(random_bits(key, counter, stream)[0] >> 11) * 0x1p-53;
}

namespace detail {

/// Natural logarithm of a finite x > 0, to about 1e-16 relative. Made of operations that
/// IEEE 754 rounds exactly (`fma` spelt out, so a compiler has nothing to contract),
/// unlike the C library's, whose last bit differs from one machine to the next.
[[nodiscard]] inline double portable_log(double x) {
    int exponent = 0;
    double m = std::frexp(x, &exponent);  // in [1/2, 1)
    if (m < 0.70710678118654752) {
        m *= 2.0;
        --exponent;
    }
    // log m = 2 atanh(s), |s| < 0.172
    const double s = (m - 1.0) / (m + 1.0);
    const double s2 = s * s;
    double series = 1.0 / 21.0;
    for (int k = 19; k >= 1; k -= 2)
        series = std::fma(series, s2, 1.0 / k);
    return std::fma(static_cast<double>(exponent), 0.69314718055994531, 2.0 * s * series);
}

/// c[0] + c[1] x + ... + c[7] x^7
[[nodiscard]] inline double polynomial(const std::array<double, 8>& c, double x) {
    double sum = c[7];
    for (std::size_t k = 7; k-- > 0;)
        sum = std::fma(sum, x, c[k]);
    return sum;
}

/// Quantile of the standard normal distribution for p in (0, 1), to about 1e-16 relative.
/// Wichura: Algorithm AS 241, PPND16 (Applied Statistics 37, 1988), doi:10.2307/2347330.
[[nodiscard]] inline double normal_quantile(double p) {
    constexpr std::array<double, 8> a = {
        3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3,
        1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
        3.3430575583588128105e+4, 2.5090809287301226727e+3};
    constexpr std::array<double, 8> b = {1.0,
                                         4.2313330701600911252e+1,
                                         6.8718700749205790830e+2,
                                         5.3941960214247511077e+3,
                                         2.1213794301586595867e+4,
                                         3.9307895800092710610e+4,
                                         2.8729085735721942674e+4,
                                         5.2264952788528545610e+3};
    constexpr std::array<double, 8> c = {
        1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
        3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
        2.27238449892691845833e-2, 7.74545014278341407640e-4};
    constexpr std::array<double, 8> d = {1.0,
                                         2.05319162663775882187e0,
                                         1.67638483018380384940e0,
                                         6.89767334985100004550e-1,
                                         1.48103976427480074590e-1,
                                         1.51986665636164571966e-2,
                                         5.47593808499534494600e-4,
                                         1.05075007164441684324e-9};
    constexpr std::array<double, 8> e = {
        6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
        2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
        2.71155556874348757815e-5, 2.01033439929228813265e-7};
    constexpr std::array<double, 8> f = {1.0,
                                         5.99832206555887937690e-1,
                                         1.36929880922735805310e-1,
                                         1.48753612908506148525e-2,
                                         7.86869131145613259100e-4,
                                         1.84631831751005468180e-5,
                                         1.42151175831644588870e-7,
                                         2.04426310338993978564e-15};
    const double q = p - 0.5;
    if (std::fabs(q) <= 0.425) {
        const double r = std::fma(-q, q, 0.180625);
        return q * polynomial(a, r) / polynomial(b, r);
    }
    const double r = std::sqrt(-portable_log(q < 0.0 ? p : 1.0 - p));
    const double x = r <= 5.0 ? polynomial(c, r - 1.6) / polynomial(d, r - 1.6)
                              : polynomial(e, r - 5.0) / polynomial(f, r - 5.0);
    return q < 0.0 ? -x : x;
}

}  // namespace detail

/// Standard normal, by the quantile function at a uniform value: one value a counter.
/// Made of exactly rounded operations only, so the same bits everywhere.
[[nodiscard]] inline double normal(std::uint64_t key, std::uint64_t counter,
                                   std::uint64_t stream = 0) {
    // (k + 1/2) 2^-52 is exact, and neither 0 nor 1.
    const auto k = static_cast<double>(random_bits(key, counter, stream)[0] >> 12);
    return detail::normal_quantile((k + 0.5) * 0x1p-52);
}

/// The key for one purpose of one seed: `random_key(seed, "layers.3.mlp.up")`.
[[nodiscard]] constexpr std::uint64_t random_key(std::uint64_t seed,
                                                 std::string_view name) {
    return word_hash().add(seed).add_text(name).value();
}

/// Uniform in [0, bound), without bias: values that would favour small results are drawn
/// again. Precondition: `bound > 0`, `counter < 2^48`.
[[nodiscard]] constexpr std::uint64_t random_below(std::uint64_t bound, std::uint64_t key,
                                                   std::uint64_t counter,
                                                   std::uint64_t stream = 0) {
    PACKKIT_ASSERT(bound > 0 && counter >> 48 == 0);
    const std::uint64_t excess =
        (std::numeric_limits<std::uint64_t>::max() % bound + 1) % bound;
    const std::uint64_t last = std::numeric_limits<std::uint64_t>::max() - excess;
    for (std::uint64_t attempt = 0;; ++attempt) {
        for (const std::uint64_t value :
             random_bits(key, counter | attempt << 48, stream)) {
            if (value <= last) return value % bound;
        }
    }
}

/// A permutation of 0 ... n-1 that depends on (n, seed, stream) alone: every order
/// equally likely (Fisher and Yates). Another stream, such as the epoch, is another
/// permutation. O(n).
/// @throws invalid_argument if `Index` cannot hold n - 1, or n exceeds 2^48
template <std::integral Index = std::uint32_t>
[[nodiscard]] constexpr std::vector<Index> seeded_permutation(std::size_t n,
                                                              std::uint64_t seed,
                                                              std::uint64_t stream = 0) {
    if (n > 0 && (!std::in_range<Index>(n - 1) || std::uint64_t{n} >> 48 != 0)) {
        detail::throw_invalid_argument(
            "a permutation of ", n, " values does not fit its index type, which reaches ",
            std::numeric_limits<Index>::max());
    }
    std::vector<Index> order(n, Index{});
    for (std::size_t i = 0; i < n; ++i)
        order[i] = static_cast<Index>(i);
    for (std::size_t left = n; left > 1; --left) {
        const auto pick =
            static_cast<std::size_t>(random_below(left, seed, left, stream));
        std::swap(order[left - 1], order[pick]);
    }
    return order;
}

}  // namespace packkit
