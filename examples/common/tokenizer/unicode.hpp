// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// What tokenizers need to know about code points, by utf8proc.

#include "common/utf8.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace packkit::app {

/// The code point of `text[at, at + length)`, which is well-formed UTF-8.
[[nodiscard]] constexpr char32_t code_point_at(std::string_view text, std::size_t at,
                                               std::size_t length) {
    const auto byte = [&](std::size_t i) {
        return static_cast<unsigned char>(text[at + i]);
    };
    if (length == 1) return byte(0);
    char32_t value = byte(0) & (0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i)
        value = (value << 6U) | (byte(i) & 0x3FU);
    return value;
}

/// Appends a code point as UTF-8.
void append_utf8(std::string& text, char32_t code_point);

/// Position of the first byte that begins no well-formed code point, or npos.
[[nodiscard]] std::size_t find_invalid_utf8(std::string_view text);

/// @throws input_error at that position, as in "byte 17: '\\xFF' is not UTF-8".
void refuse_invalid_utf8(std::string_view text);

/// Number of code points of well-formed UTF-8.
[[nodiscard]] std::size_t count_code_points(std::string_view text);

// The classes below are those that Hugging Face's library believes in, which follows
// several versions of Unicode (unicode_tables.hpp).

/// White_Space of Unicode.
[[nodiscard]] bool is_white_space(char32_t c);
/// General categories Nd, Nl, No.
[[nodiscard]] bool is_numeric(char32_t c);
/// General categories P*, and the symbols of ASCII.
[[nodiscard]] bool is_punctuation(char32_t c);
/// What BERT removes: general categories Cc and Cf, and some of private use.
[[nodiscard]] bool is_other(char32_t c);
/// General category Mn.
[[nodiscard]] bool is_nonspacing_mark(char32_t c);
/// General categories Mn, Mc, Me.
[[nodiscard]] bool is_combining_mark(char32_t c);

/// A code point that this Oniguruma knows in place of one that it does not know yet and
/// the reference does: of the same kind, and of the same length in UTF-8. Any other is
/// returned as it is.
[[nodiscard]] char32_t older_stand_in(char32_t c);

/// The lower case of every code point by itself, without context.
[[nodiscard]] std::string to_lower(std::string_view text);

enum class normal_form { nfc, nfd, nfkc, nfkd };

/// The normal form (UAX #15) of well-formed UTF-8, as of Unicode 9.0 like the reference.
[[nodiscard]] std::string normalize(std::string_view text, normal_form form);

/// Calls `use(code_point, bytes)` for every code point of well-formed UTF-8.
template <class Use>
void for_each_code_point(std::string_view text, Use use) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = utf8_length_at(text, at);
        use(code_point_at(text, at, length), text.substr(at, length));
        at += length;
    }
}

}  // namespace packkit::app
