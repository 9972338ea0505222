// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// What lies beside a tokenizer's file: tokenizer_config.json, special_tokens_map.json.

#include "common/document_field.hpp"
#include "common/tokenizer.hpp"
#include "common/tokenizer_files.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace packkit::app {

/// Texts of the tokens with a meaning of their own, as far as a model's folder names
/// them.
struct tokenizer_notes {
    struct token_note {
        std::string text;
        std::string file;  // that names it
    };
    std::optional<token_note> bos;
    std::optional<token_note> eos;
    std::optional<token_note> pad;
    std::optional<bool> add_bos;
    std::optional<bool> add_eos;

    /// Replaces those of `specials` that are named here.
    /// @throws input_error naming the file when `id_of` does not know a token.
    void apply(
        special_ids& specials,
        const std::function<std::optional<std::int32_t>(std::string_view)>& id_of) const;
};

/// The notes among a tokenizer's files; files that are not there say nothing.
/// @param folder for messages
/// @throws input_error for one that is no JSON, or with a wrong type.
[[nodiscard]] tokenizer_notes read_tokenizer_notes(const file_texts& files,
                                                   const std::string& folder);

[[nodiscard]] std::unique_ptr<const tokenizer> make_hugging_face(
    const document_field& document, const std::string& name,
    const tokenizer_notes& notes);

[[nodiscard]] std::unique_ptr<const tokenizer> make_sentence_piece(
    std::string_view bytes, const std::string& file, const std::string& name,
    const tokenizer_notes& notes);

}  // namespace packkit::app
