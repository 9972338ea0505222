// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The first step of a tokenizer.json: the text before it is cut.

#include "common/document_field.hpp"
#include "regex.hpp"
#include "unicode.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {

/// What a Replace or Split step looks for: a text as such, or a regular expression.
class text_pattern {
public:
    /// Reads {"String": ...} or {"Regex": ...}. @throws input_error.
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

    /// What a step does to a text.
    using change = std::function<void(result&)>;

private:
    struct step {
        change run;
        bool moves_extent;  ///< `run` sets begin_extent itself
    };

    std::vector<step> steps_;
};

}  // namespace packkit::app
