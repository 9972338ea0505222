// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// From a token as a vocabulary writes it to the text that it stands for.

#include "common/document_field.hpp"

#include <string>
#include <string_view>

namespace packkit::app {

/// How a vocabulary writes its tokens.
struct token_spelling {
    bool byte_alphabet = false;  ///< bytes as printable characters (byte_alphabet.hpp)
    bool spaces = false;         ///< U+2581 for a space
    bool bytes = false;          ///< <0x0A> for a byte
    bool continued = false;      ///< "##" before what continues a word
};

/// Returns the spelling that the `decoder` of a tokenizer.json undoes. Steps that are not
/// known here change nothing.
[[nodiscard]] token_spelling spelling_of(const document_field& decoder);

/// Returns the bytes of a token. With `continued` a token that begins a word gets a space
/// before it.
[[nodiscard]] std::string text_of_piece(std::string_view token,
                                        const token_spelling& spelling);

}  // namespace packkit::app
