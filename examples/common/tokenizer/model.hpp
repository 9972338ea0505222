// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The third step of a tokenizer.json: a piece of text becomes ids.

#include "vocabulary.hpp"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace packkit::app {

/// One of the kinds of vocabulary. Its const functions may run on several threads.
class token_model {
public:
    token_model() = default;
    token_model(const token_model&) = delete;
    token_model& operator=(const token_model&) = delete;
    virtual ~token_model() = default;

    /// The tokens as the file writes them.
    [[nodiscard]] virtual const vocabulary& tokens() const = 0;
    /// Number of tokens that the file lists; the ids of added tokens follow it.
    [[nodiscard]] virtual std::size_t size() const { return tokens().size(); }

    /// Appends the ids of a piece that is not empty: UTF-8, or bytes if the model was
    /// read for bytes.
    virtual void encode(std::string_view piece, std::vector<std::int32_t>& ids) const = 0;
};

/// Whether pieces for this `model` may be bytes instead of characters of the byte
/// alphabet. @throws input_error for a kind of model that is not supported.
[[nodiscard]] bool takes_bytes(const document_field& field);

/// Reads `model`. @param of_bytes whether pieces will be bytes; only if takes_bytes().
/// @throws input_error for a kind, key or value that is not supported.
[[nodiscard]] std::unique_ptr<const token_model> read_model(const document_field& field,
                                                            bool of_bytes);

[[nodiscard]] std::unique_ptr<const token_model> read_bpe(const document_field& field,
                                                          bool of_bytes);
[[nodiscard]] std::unique_ptr<const token_model> read_unigram(
    const document_field& field);
[[nodiscard]] std::unique_ptr<const token_model> read_word_piece(
    const document_field& field);
[[nodiscard]] std::unique_ptr<const token_model> read_word_level(
    const document_field& field);

}  // namespace packkit::app
