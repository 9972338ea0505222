// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The first step of a tokenizer.json: the text before it is cut.

#include "common/document_field.hpp"
#include "regex.hpp"
#include "unicode.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace packkit::app {

/// What a Replace or Split step looks for: a text as such, or a regular expression.
class text_pattern {
public:
    /// Of {"String": ...} or {"Regex": ...}. @throws input_error.
    explicit text_pattern(const document_field& field);

    /// As regex::find_parts.
    void find_parts(std::string_view text, std::vector<match_part>& parts) const;

private:
    std::string literal_;
    std::optional<regex> regex_;
};

/// The steps of `normalizer`, in their order: NFC, NFD, NFKC, NFKD, Lowercase, Prepend,
/// Replace, Strip, StripAccents, Nmt, BertNormalizer, ByteLevel, Sequence.
class normalizer {
public:
    normalizer() = default;  ///< changes nothing
    /// @throws input_error for a step that is not known, by its name.
    explicit normalizer(const document_field& field);

    [[nodiscard]] bool empty() const { return steps_.empty(); }

    struct result {
        std::string text;
        /// How many bytes of `text` stand for the first character of the input; 0 when it
        /// went away.
        std::size_t begin_extent = 0;
    };

    /// @pre `text` is well-formed UTF-8.
    [[nodiscard]] result apply(std::string_view text) const;

private:
    struct form_step {
        normal_form form;
    };
    struct lowercase_step {};
    struct prepend_step {
        std::string content;
    };
    struct replace_step {
        text_pattern pattern;
        std::string content;
    };
    struct strip_step {
        bool left;
        bool right;
    };
    struct strip_accents_step {};
    struct nmt_step {};
    struct byte_level_step {};
    struct bert_step {
        bool clean_text;
        bool space_around_han;
        bool strip_accents;
        bool lowercase;
    };
    using step =
        std::variant<form_step, lowercase_step, prepend_step, replace_step, strip_step,
                     strip_accents_step, nmt_step, byte_level_step, bert_step>;

    void add(const document_field& field);

    // Each changes the text; strip and replace keep begin_extent themselves.
    static void run(const form_step& step, result& current);
    static void run(const lowercase_step& step, result& current);
    static void run(const prepend_step& step, result& current);
    static void run(const replace_step& step, result& current);
    static void run(const strip_step& step, result& current);
    static void run(const strip_accents_step& step, result& current);
    static void run(const nmt_step& step, result& current);
    static void run(const byte_level_step& step, result& current);
    static void run(const bert_step& step, result& current);

    std::vector<step> steps_;
};

}  // namespace packkit::app
