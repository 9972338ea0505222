// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A rendered conversation as tokens, with the tokens of each message's content.

#include "chat/template.hpp"
#include "data/tokenizer.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace packkit::train {

/// Tokens [begin, end) of a sample.
struct token_span {
    std::size_t begin = 0;
    std::size_t end = 0;

    friend bool operator==(const token_span&, const token_span&) = default;
};

/// Turns rendered conversations into tokens, one after the other.
/// \details The ids are those of the whole text. Where no text stands for bos or eos
/// (bytes, SentencePiece models), the text is cut there, the id put between, and each
/// part becomes tokens for itself.
class chat_encoder {
public:
    explicit chat_encoder(const tokenizer& tokens);

    /// To be given to render_chat().
    [[nodiscard]] const chat_specials& specials() const { return specials_; }

    /// The ids of `chat`; valid until the next call, as `chat` must be for tokens_of().
    /// \throws app::input_error for text that the tokenizer refuses.
    const std::vector<std::int32_t>& encode(const rendered_chat& chat);

    /// The tokens of bytes of the text that encode() was called with last.
    /// \details A token that lies across an end of the span belongs to it (as in Axolotl,
    /// where the first differing token begins a turn): " Hello" behind "[/INST]" is one
    /// token of the answer. An empty span has no tokens. Precondition: no bos or eos of
    /// the template inside the span. Spans asked for in their order cost about one
    /// encoding of the text up to them all, or one each of the text before them for a
    /// tokenizer that treats the beginning of a text in its own way.
    [[nodiscard]] token_span tokens_of(byte_span span);

private:
    /// Text that becomes tokens for itself.
    struct part {
        byte_span text;
        token_span tokens;
    };

    void add_part(std::size_t begin, std::size_t end);
    [[nodiscard]] std::optional<std::size_t> matching(const part& in, byte_span bytes,
                                                      std::size_t first) const;
    [[nodiscard]] std::optional<std::size_t> tokens_before(const part& in,
                                                           std::size_t byte);

    /// A byte where a token ends, and the number of tokens before it.
    struct token_end {
        std::size_t byte = 0;
        std::size_t token = 0;
    };

    const tokenizer& tokenizer_;
    chat_specials specials_;
    const rendered_chat* chat_ = nullptr;
    std::vector<std::int32_t> ids_;
    std::vector<part> parts_;
    token_end known_;  // the last one found
};

}  // namespace packkit::train
