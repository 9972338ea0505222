// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The second step of a tokenizer.json: the text is cut into pieces, which the model
/// encodes one by one.

#include "normalizer.hpp"

#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace packkit::app {

/// A part of the text on its way to the model, never empty.
struct text_piece {
    std::string_view text;
    /// How many of its first bytes stand for the first character of the whole input.
    std::size_t begin_extent;
};

/// The pieces of one text, with the memory that changed ones need.
class piece_list {
public:
    std::vector<text_piece> pieces;

    /// Keeps a changed text as long as the list.
    std::string_view keep(std::string text) {
        return kept_.emplace_back(std::move(text));
    }
    void clear() {
        pieces.clear();
        kept_.clear();
    }

    std::vector<text_piece> next_pieces;  // scratch of a step
    std::vector<match_part> parts;        // scratch of a step

private:
    std::deque<std::string> kept_;
};

/// The steps of `pre_tokenizer`: ByteLevel, Split, Digits, Whitespace, WhitespaceSplit,
/// Metaspace, Punctuation, BertPreTokenizer, CharDelimiterSplit, Sequence.
class pre_tokenizer {
public:
    pre_tokenizer() = default;  ///< cuts nothing
    /// @param may_give_bytes whether a last step ByteLevel may leave the bytes as they
    /// are instead of writing them in the byte alphabet.
    /// @throws input_error for a step that is not known, by its name.
    pre_tokenizer(const document_field& field, bool may_give_bytes);

    /// Whether the pieces are bytes.
    [[nodiscard]] bool gives_bytes() const { return gives_bytes_; }

    /// Cuts the pieces of `list` further.
    void apply(piece_list& list) const;

    struct step {
        std::function<void(piece_list&)> run;
        bool writes_alphabet = false;  ///< writes bytes in the byte alphabet after `run`
    };

private:
    std::vector<step> steps_;
    bool gives_bytes_ = false;
};

}  // namespace packkit::app
