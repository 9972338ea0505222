// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Regular expressions of tokenizers, by Oniguruma as in Hugging Face's library.

#include "common/document_field.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {

/// A part of a text, and whether it is one that a pattern looks for.
struct match_part {
    std::size_t begin;
    std::size_t end;
    bool matched;
};

/// A compiled pattern over UTF-8 in Oniguruma's syntax. Copies share it; searching
/// changes nothing in it.
class regex {
public:
    /// @throws std::invalid_argument with Oniguruma's reason.
    explicit regex(std::string_view pattern);
    /// The pattern of a file. @throws input_error with the way to it.
    static regex compile(const document_field& pattern);

    /// Appends the matches from left to right and what lies between, so that the parts
    /// cover `text`. An empty match right behind another match does not count.
    /// @throws std::runtime_error when Oniguruma gives up on a pattern that tries too
    /// much.
    void find_parts(std::string_view text, std::vector<match_part>& parts) const;

    /// Whether the pattern matches at the begin of `text`.
    [[nodiscard]] bool matches_at_begin(std::string_view text) const;

private:
    std::shared_ptr<void> compiled_;
};

}  // namespace packkit::app
