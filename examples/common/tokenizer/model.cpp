// SPDX-License-Identifier: Apache-2.0
#include "model.hpp"

namespace packkit::app {
namespace {

enum class model_kind { bpe, unigram, word_piece, word_level };

model_kind kind_of(const document_field& field) {
    // Files from before 2021 have no type.
    const auto type = field.find("type");
    if (!type) return field.find("merges") ? model_kind::bpe : model_kind::word_piece;
    return static_cast<model_kind>(
        type->one_of({"BPE", "Unigram", "WordPiece", "WordLevel"}));
}

}  // namespace

bool takes_bytes(const document_field& field) {
    return kind_of(field) == model_kind::bpe &&
           field.text_or("continuing_subword_prefix", "").empty() &&
           field.text_or("end_of_word_suffix", "").empty();
}

std::unique_ptr<const token_model> read_model(const document_field& field,
                                              bool of_bytes) {
    switch (kind_of(field)) {
        case model_kind::bpe:
            return read_bpe(field, of_bytes);
        case model_kind::unigram:
            return read_unigram(field);
        case model_kind::word_piece:
            return read_word_piece(field);
        case model_kind::word_level:
            break;
    }
    return read_word_level(field);
}

}  // namespace packkit::app
