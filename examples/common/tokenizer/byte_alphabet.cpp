// SPDX-License-Identifier: Apache-2.0
#include "byte_alphabet.hpp"

#include "unicode.hpp"

#include <cstdint>

namespace packkit::app {

std::string to_byte_alphabet(std::string_view bytes) {
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const char byte : bytes)
        append_utf8(text, byte_alphabet[static_cast<unsigned char>(byte)]);
    return text;
}

std::optional<std::string> from_byte_alphabet(std::string_view text) {
    // All characters of the alphabet lie below U+0144.
    static const auto bytes = [] {
        std::array<std::int16_t, 0x144> table{};
        table.fill(-1);
        for (std::size_t byte = 0; byte < 256; ++byte)
            table[byte_alphabet[byte]] = static_cast<std::int16_t>(byte);
        return table;
    }();
    std::string result;
    result.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = utf8_length_at(text, at);
        const char32_t c = length == 0 ? 0xFFFD : code_point_at(text, at, length);
        if (c >= bytes.size() || bytes[c] < 0) return std::nullopt;
        result += static_cast<char>(static_cast<unsigned char>(bytes[c]));
        at += length;
    }
    return result;
}

}  // namespace packkit::app
