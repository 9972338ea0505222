// SPDX-License-Identifier: Apache-2.0
#include "token_text.hpp"

#include "byte_alphabet.hpp"

#include <charconv>
#include <utility>

namespace packkit::app {
namespace {

constexpr std::string_view space_mark = "\u2581";

/// Decoders of a tokenizer.json and what they undo.
constexpr std::pair<std::string_view, bool token_spelling::*> decoders[] = {
    {"ByteLevel", &token_spelling::byte_alphabet},
    {"Metaspace", &token_spelling::spaces},
    {"ByteFallback", &token_spelling::bytes},
    {"WordPiece", &token_spelling::continued}};

void add_steps(const document_field& decoder, token_spelling& spelling) {
    const std::string type = decoder.text_or("type", "");
    for (const auto& [name, undoes] : decoders) {
        if (name == type) spelling.*undoes = true;
    }
    // Llama's space is undone by {"type": "Replace", "pattern": {"String": "▁"}, …}.
    if (const auto pattern = decoder.inner("pattern")) {
        if (pattern->text_or("String", "") == space_mark) spelling.spaces = true;
    }
    const auto steps = decoder.find("decoders");
    if (!steps) return;
    for (std::size_t i = 0; i < steps->array_size(); ++i)
        add_steps(steps->element(i), spelling);
}

}  // namespace

token_spelling spelling_of(const document_field& decoder) {
    token_spelling spelling;
    add_steps(decoder, spelling);
    return spelling;
}

std::string text_of_piece(std::string_view token, const token_spelling& spelling) {
    if (spelling.byte_alphabet) {
        if (auto bytes = from_byte_alphabet(token)) return *std::move(bytes);
    }
    if (spelling.bytes && token.size() == 6 && token.starts_with("<0x") &&
        token.ends_with('>')) {
        unsigned byte = 0;
        const auto digits = token.substr(3, 2);
        const auto read =
            std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
        if (read.ec == std::errc() && read.ptr == digits.data() + digits.size())
            return {static_cast<char>(static_cast<unsigned char>(byte))};
    }
    if (spelling.continued) {
        return token.starts_with("##") ? std::string(token.substr(2))
                                       : " " + std::string(token);
    }
    std::string text(token);
    if (!spelling.spaces) return text;
    for (std::size_t at = text.find(space_mark); at != std::string::npos;
         at = text.find(space_mark, at + 1))
        text.replace(at, space_mark.size(), " ");
    return text;
}

}  // namespace packkit::app
