// SPDX-License-Identifier: Apache-2.0
/// @file
/// Exact fractions, so that what a paper states as 5 a s / (h t) or 12 Psi / N is
/// computed as stated and rounded once, at the end, or never.
#pragma once

#include <packkit/error.hpp>

#include <compare>
#include <cstdint>
#include <numeric>

namespace packkit {

/// A fraction of two 64-bit integers in lowest terms, the denominator above 0. Converts
/// from integers, so formulas read as printed: `rational(5 * heads) / hidden + 34`.
///
/// Every operation throws `invalid_argument` when its result does not fit; `constexpr`,
/// where that is a compile error.
class rational {
public:
    constexpr rational() = default;
    constexpr rational(std::int64_t whole) : numerator_(whole) {}  // NOLINT: implicit
    /// @throws invalid_argument for a denominator of 0, or values beyond int64
    constexpr rational(std::int64_t numerator, std::int64_t denominator) {
        if (denominator == 0) {
            detail::throw_invalid_argument("the fraction ", numerator, " / 0");
        }
        if (denominator < 0) {
            numerator = negated(numerator);
            denominator = negated(denominator);
        }
        const std::int64_t common = gcd(numerator, denominator);
        numerator_ = numerator / common;
        denominator_ = denominator / common;
    }

    [[nodiscard]] constexpr std::int64_t numerator() const { return numerator_; }
    [[nodiscard]] constexpr std::int64_t denominator() const { return denominator_; }
    [[nodiscard]] constexpr bool is_whole() const { return denominator_ == 1; }

    [[nodiscard]] constexpr std::int64_t floor() const {
        const std::int64_t cut = numerator_ / denominator_;
        return cut - (numerator_ % denominator_ < 0 ? 1 : 0);
    }
    [[nodiscard]] constexpr std::int64_t ceil() const {
        const std::int64_t cut = numerator_ / denominator_;
        return cut + (numerator_ % denominator_ > 0 ? 1 : 0);
    }
    [[nodiscard]] constexpr double value() const {
        return static_cast<double>(numerator_) / static_cast<double>(denominator_);
    }

    friend constexpr rational operator+(const rational& a, const rational& b) {
        const std::int64_t common = std::gcd(a.denominator_, b.denominator_);
        const std::int64_t of_a = b.denominator_ / common;
        const std::int64_t of_b = a.denominator_ / common;
        return {sum(product(a.numerator_, of_a), product(b.numerator_, of_b)),
                product(a.denominator_, of_a)};
    }
    friend constexpr rational operator-(const rational& a) {
        return {negated(a.numerator_), a.denominator_};
    }
    friend constexpr rational operator-(const rational& a, const rational& b) {
        return a + (-b);
    }
    friend constexpr rational operator*(const rational& a, const rational& b) {
        // Cancelled crosswise first, so that only a result too large is refused.
        const std::int64_t left = gcd(a.numerator_, b.denominator_);
        const std::int64_t right = gcd(b.numerator_, a.denominator_);
        return {product(a.numerator_ / left, b.numerator_ / right),
                product(a.denominator_ / right, b.denominator_ / left)};
    }
    /// @throws invalid_argument for b = 0
    friend constexpr rational operator/(const rational& a, const rational& b) {
        return a * rational(b.denominator_, b.numerator_);
    }
    constexpr rational& operator+=(const rational& b) { return *this = *this + b; }
    constexpr rational& operator-=(const rational& b) { return *this = *this - b; }
    constexpr rational& operator*=(const rational& b) { return *this = *this * b; }
    constexpr rational& operator/=(const rational& b) { return *this = *this / b; }

    friend constexpr bool operator==(const rational&, const rational&) = default;
    friend constexpr std::strong_ordering operator<=>(const rational& a,
                                                      const rational& b) {
        // By whole parts, then by the reciprocals of what is left: nothing can overflow.
        std::int64_t n = a.numerator_, d = a.denominator_;
        std::int64_t m = b.numerator_, e = b.denominator_;
        bool flipped = false;
        for (;;) {
            const std::int64_t left = rational(unreduced{}, n, d).floor();
            const std::int64_t right = rational(unreduced{}, m, e).floor();
            if (left != right) return (left < right) != flipped ? less() : greater();
            const std::int64_t rest_n = remainder(n, d);
            const std::int64_t rest_m = remainder(m, e);
            if (rest_n == 0 && rest_m == 0) return std::strong_ordering::equal;
            if (rest_n == 0) return flipped ? greater() : less();
            if (rest_m == 0) return flipped ? less() : greater();
            n = d;
            d = rest_n;
            m = e;
            e = rest_m;
            flipped = !flipped;
        }
    }

private:
    struct unreduced {};
    constexpr rational(unreduced, std::int64_t n, std::int64_t d)
        : numerator_(n), denominator_(d) {}

    static constexpr std::strong_ordering less() { return std::strong_ordering::less; }
    static constexpr std::strong_ordering greater() {
        return std::strong_ordering::greater;
    }
    /// n - d floor(n / d): in [0, d).
    static constexpr std::int64_t remainder(std::int64_t n, std::int64_t d) {
        const std::int64_t rest = n % d;
        return rest < 0 ? rest + d : rest;
    }
    /// At least 1, also of zeros.
    static constexpr std::int64_t gcd(std::int64_t a, std::int64_t b) {
        const std::int64_t common =
            std::gcd(a < 0 ? negated(a) : a, b < 0 ? negated(b) : b);
        return common == 0 ? 1 : common;
    }
    static constexpr std::int64_t negated(std::int64_t a) { return product(a, -1); }
    static constexpr std::int64_t product(std::int64_t a, std::int64_t b) {
        std::int64_t result = 0;
        if (__builtin_mul_overflow(a, b, &result)) {
            detail::throw_invalid_argument("a fraction exceeds 64 bits: ", a, " x ", b);
        }
        return result;
    }
    static constexpr std::int64_t sum(std::int64_t a, std::int64_t b) {
        std::int64_t result = 0;
        if (__builtin_add_overflow(a, b, &result)) {
            detail::throw_invalid_argument("a fraction exceeds 64 bits: ", a, " + ", b);
        }
        return result;
    }

    std::int64_t numerator_ = 0;
    std::int64_t denominator_ = 1;
};

}  // namespace packkit
