// SPDX-License-Identifier: Apache-2.0
/// @file
/// Models that look words up: WordPiece (Schuster and Nakajima 2012, as BERT applies it:
/// the longest token that fits, again and again) and WordLevel.

#include "byte_alphabet.hpp"
#include "model.hpp"
#include "unicode.hpp"

#include <string>

namespace packkit::app {
namespace {

class word_piece final : public token_model {
public:
    explicit word_piece(const document_field& field) {
        field.only({"type", "unk_token", "continuing_subword_prefix",
                    "max_input_chars_per_word", "vocab"});
        tokens_ = vocabulary(field.member("vocab"));
        unknown_ = tokens_.require(field.member("unk_token"));
        prefix_ = field.member("continuing_subword_prefix").text();
        longest_word_ =
            static_cast<std::size_t>(field.member("max_input_chars_per_word").id());
        for (const auto& [token, id] : tokens_)
            longest_token_ = std::max(longest_token_, token.size());
    }

    const vocabulary& tokens() const override { return tokens_; }

    void encode(std::string_view piece, std::vector<std::int32_t>& ids) const override {
        const std::size_t before = ids.size();
        if (count_code_points(piece) <= longest_word_ && encode_parts(piece, ids)) return;
        ids.resize(before);
        ids.push_back(unknown_);
    }

private:
    bool encode_parts(std::string_view piece, std::vector<std::int32_t>& ids) const {
        std::string token;
        for (std::size_t begin = 0; begin < piece.size();) {
            const std::string_view prefix = begin > 0 ? prefix_ : std::string_view();
            std::size_t end = piece.size();
            if (longest_token_ < prefix.size()) return false;
            if (end - begin > longest_token_ - prefix.size()) {
                end = begin + longest_token_ - prefix.size();
            }
            for (;; --end) {
                // Only whole characters; a token would not match otherwise.
                if (end <= begin) return false;
                token.assign(prefix);
                token += piece.substr(begin, end - begin);
                if (const auto id = tokens_.find(token)) {
                    ids.push_back(*id);
                    break;
                }
            }
            begin = end;
        }
        return true;
    }

    vocabulary tokens_;
    std::int32_t unknown_ = 0;
    std::string prefix_;
    std::size_t longest_word_ = 0;
    std::size_t longest_token_ = 0;  // bytes
};

class word_level final : public token_model {
public:
    explicit word_level(const document_field& field) {
        field.only({"type", "vocab", "unk_token"});
        tokens_ = vocabulary(field.member("vocab"));
        unknown_ = tokens_.require(field.member("unk_token"));
    }

    const vocabulary& tokens() const override { return tokens_; }

    void encode(std::string_view piece, std::vector<std::int32_t>& ids) const override {
        ids.push_back(tokens_.find(piece).value_or(unknown_));
    }

private:
    vocabulary tokens_;
    std::int32_t unknown_ = 0;
};

}  // namespace

std::unique_ptr<const token_model> read_word_piece(const document_field& field) {
    return std::make_unique<const word_piece>(field);
}

std::unique_ptr<const token_model> read_word_level(const document_field& field) {
    return std::make_unique<const word_level>(field);
}

}  // namespace packkit::app
