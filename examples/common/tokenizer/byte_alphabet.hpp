// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The printable characters that byte-level vocabularies write for bytes.

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace packkit::app {

/// The code point that stands for each byte: itself where it is printable in Latin-1,
/// else U+0100, U+0101, ... in the order of the bytes (Radford et al. 2019, GPT-2).
inline constexpr std::array<char16_t, 256> byte_alphabet = [] {
    std::array<char16_t, 256> characters{};
    char16_t next = 0x100;
    for (std::size_t byte = 0; byte < 256; ++byte) {
        const bool printable = (byte >= 0x21 && byte <= 0x7E) ||
                               (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
        characters[byte] = printable ? static_cast<char16_t>(byte) : next++;
    }
    return characters;
}();

/// `bytes` written in the alphabet, as UTF-8.
[[nodiscard]] std::string to_byte_alphabet(std::string_view bytes);

/// The bytes that a text in the alphabet stands for; nothing when another character is in
/// it.
[[nodiscard]] std::optional<std::string> from_byte_alphabet(std::string_view text);

}  // namespace packkit::app
