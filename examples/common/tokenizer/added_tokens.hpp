// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Tokens that are found in the text as they stand, before any other step.

#include "model.hpp"
#include "normalizer.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace packkit::app {

/// One of `added_tokens`.
struct added_token {
    std::string content;
    std::int32_t id = 0;
    bool single_word = false;
    bool lstrip = false;
    bool rstrip = false;
    bool normalized = false;
    bool special = false;
};

/// A part of a text: an added token, or text between them.
struct token_part {
    std::string_view text;
    std::optional<std::int32_t> id;
};

/// Finds the leftmost and of those the longest of many texts. A position costs one table
/// look-up, and where a token could begin one hash look-up per length of those tokens.
class token_finder {
public:
    /// @pre `content` is not empty.
    /// Returns false when it is there already.
    bool insert(std::string_view content, const added_token& token);
    [[nodiscard]] bool empty() const { return tokens_.empty(); }

    /// Appends the parts that cover `text`.
    void split(std::string_view text, std::vector<token_part>& parts) const;

private:
    struct found_token {
        std::size_t begin;
        std::size_t end;
        const added_token* token;
    };
    [[nodiscard]] std::optional<found_token> next(std::string_view text,
                                                  std::size_t from) const;

    std::unordered_map<std::string, added_token, string_hash, std::equal_to<>> tokens_;
    std::array<std::vector<std::size_t>, 256> lengths_;  // by first byte, longest first
};

/// `added_tokens`: those that are looked for in the text as given, and those that are
/// looked for after the normalizer ("normalized"), which their own text passes as well.
class added_tokens {
public:
    added_tokens() = default;
    /// @throws input_error for a token whose id differs from that of the vocabulary or
    /// from the next free one, as the reference library would number it.
    added_tokens(const document_field& field, const token_model& model,
                 const normalizer& steps);

    [[nodiscard]] const token_finder& raw() const { return raw_; }
    [[nodiscard]] const token_finder& normalized() const { return normalized_; }

    [[nodiscard]] std::optional<std::int32_t> find(std::string_view content) const {
        return ids_.find(content);
    }
    /// The text of an id, "" when it is none of these. O(number of tokens).
    [[nodiscard]] std::string text_of(std::int32_t id) const {
        for (const auto& [text, known] : ids_) {
            if (known == id) return text;
        }
        return {};
    }
    [[nodiscard]] std::int64_t id_bound() const { return ids_.id_bound(); }
    [[nodiscard]] const vocabulary& all() const { return ids_; }

private:
    token_finder raw_;
    token_finder normalized_;
    vocabulary ids_;
};

}  // namespace packkit::app
