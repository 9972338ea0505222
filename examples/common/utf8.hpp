// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The little that the programs need to know about UTF-8 (RFC 3629).

#include <cstddef>
#include <string_view>

namespace packkit::app {

/// Bytes of the code point that begins at `text[at]`, or 0 when the bytes there are no
/// well-formed UTF-8: stray or missing continuation, overlong form, surrogate, >
/// U+10FFFF.
[[nodiscard]] constexpr std::size_t utf8_length_at(std::string_view text,
                                                   std::size_t at) {
    const auto byte = [&](std::size_t i) {
        return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U;
    };
    const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
    const unsigned lead = byte(0);
    if (lead < 0x80U) return at < text.size() ? 1 : 0;
    if (lead < 0xC2U) return 0;
    if (lead < 0xE0U) return continues(1) ? 2 : 0;
    if (lead < 0xF0U) {
        if (!continues(1) || !continues(2)) return 0;
        if (lead == 0xE0U && byte(1) < 0xA0U) return 0;
        if (lead == 0xEDU && byte(1) > 0x9FU) return 0;
        return 3;
    }
    if (lead < 0xF5U) {
        if (!continues(1) || !continues(2) || !continues(3)) return 0;
        if (lead == 0xF0U && byte(1) < 0x90U) return 0;
        if (lead == 0xF4U && byte(1) > 0x8FU) return 0;
        return 4;
    }
    return 0;
}

/// Where the first bytes lie that are no UTF-8, or npos.
[[nodiscard]] constexpr std::size_t first_broken_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = utf8_length_at(text, at);
        if (length == 0) return at;
        at += length;
    }
    return text.npos;
}

}  // namespace packkit::app
