// SPDX-License-Identifier: Apache-2.0
/// @file
/// Hashes of 64 bits: one family, for words, texts and names, with equal values on every
/// machine. They tell differences and damage apart, and do not withstand adversaries.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace packkit {

namespace detail {

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

}  // namespace detail

/// Running hash of words in their order.
class word_hash {
public:
    constexpr word_hash& add(std::uint64_t word) {
        state_ = detail::mix64((state_ ^ word) + detail::golden_step);
        return *this;
    }
    /// Adds the bytes of a text, eight to a word, the lowest first, and its length.
    constexpr word_hash& add_text(std::string_view text) {
        for (std::size_t at = 0; at < text.size(); at += 8) {
            std::uint64_t word = 0;
            for (std::size_t i = std::min(text.size(), at + 8); i-- > at;)
                word = word << 8 | static_cast<unsigned char>(text[i]);
            add(word);
        }
        return add(text.size());
    }
    [[nodiscard]] constexpr std::uint64_t value() const { return state_; }

private:
    std::uint64_t state_ = 0;
};

/// Hash of a text.
[[nodiscard]] constexpr std::uint64_t hash64(std::string_view text) {
    return word_hash().add_text(text).value();
}

}  // namespace packkit
