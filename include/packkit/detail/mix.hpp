// SPDX-License-Identifier: Apache-2.0
/// @file
/// Mixing of 64-bit words, and a running hash of words: the same values everywhere.
#pragma once

#include <cstdint>

namespace packkit::detail {

/// A bijection of 64-bit words in which every bit of the result depends on every bit of
/// the argument: the finalizer of SplitMix64. Steele, Lea, Flood: Fast splittable
/// pseudorandom number generators (OOPSLA 2014), doi:10.1145/2660193.2660195.
[[nodiscard]] constexpr std::uint64_t mix64(std::uint64_t word) {
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9ULL;
    word = (word ^ word >> 27) * 0x94D049BB133111EBULL;
    return word ^ word >> 31;
}

/// 2^64 divided by the golden ratio, odd: the step between SplitMix64's states.
inline constexpr std::uint64_t golden_step = 0x9E3779B97F4A7C15ULL;

/// Hash of words in their order. Not for adversaries.
class word_hash {
public:
    constexpr word_hash& add(std::uint64_t word) {
        state_ = mix64((state_ ^ word) + golden_step);
        return *this;
    }
    [[nodiscard]] constexpr std::uint64_t value() const { return state_; }

private:
    std::uint64_t state_ = 0;
};

}  // namespace packkit::detail
