// SPDX-License-Identifier: Apache-2.0
#include "added_tokens.hpp"

#include "unicode.hpp"

#include "common/errors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace packkit::app {
namespace {

/// Position of the code point that ends at `end`.
std::size_t begin_of_last(std::string_view text, std::size_t end) {
    do {
        --end;
    } while ((static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U);
    return end;
}

bool begins_with_word(std::string_view text) {
    static const regex word("[\\w\\x{200C}\\x{200D}]");
    return !text.empty() && word.matches_at_begin(text);
}

bool ends_with_word(std::string_view text) {
    return !text.empty() &&
           begins_with_word(text.substr(begin_of_last(text, text.size())));
}

added_token read_added_token(const document_field& field) {
    field.only(
        {"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
    added_token token;
    token.content = field.member("content").text();
    token.id = field.member("id").id();
    token.special = field.truth_or("special", false);
    token.single_word = field.truth_or("single_word", false);
    token.lstrip = field.truth_or("lstrip", false);
    token.rstrip = field.truth_or("rstrip", false);
    token.normalized = field.truth_or("normalized", !token.special);
    return token;
}

}  // namespace

bool token_finder::insert(std::string_view content, const added_token& token) {
    if (!tokens_.emplace(content, token).second) return false;
    auto& lengths = lengths_[static_cast<unsigned char>(content.front())];
    const auto at = std::lower_bound(lengths.begin(), lengths.end(), content.size(),
                                     std::greater<>());
    if (at == lengths.end() || *at != content.size()) lengths.insert(at, content.size());
    return true;
}

std::optional<token_finder::found_token> token_finder::next(std::string_view text,
                                                            std::size_t from) const {
    for (std::size_t at = from; at < text.size(); ++at) {
        for (const std::size_t length : lengths_[static_cast<unsigned char>(text[at])]) {
            if (length > text.size() - at) continue;
            const auto found = tokens_.find(text.substr(at, length));
            if (found != tokens_.end()) {
                return found_token{at, at + length, &found->second};
            }
        }
    }
    return std::nullopt;
}

void token_finder::split(std::string_view text, std::vector<token_part>& parts) const {
    std::size_t covered = 0;
    std::size_t from = 0;
    while (!empty()) {
        const auto found = next(text, from);
        if (!found) break;
        from = found->end;
        std::size_t begin = found->begin;
        std::size_t end = found->end;
        if (found->token->single_word && (ends_with_word(text.substr(0, begin)) ||
                                          begins_with_word(text.substr(end)))) {
            continue;
        }
        if (found->token->lstrip) {
            while (begin > covered) {
                const std::size_t at = begin_of_last(text, begin);
                if (!is_white_space(code_point_at(text, at, begin - at))) break;
                begin = at;
            }
        }
        if (found->token->rstrip) {
            while (end < text.size()) {
                const std::size_t length = utf8_length_at(text, end);
                if (!is_white_space(code_point_at(text, end, length))) break;
                end += length;
            }
        }
        if (covered < begin) {
            parts.push_back({text.substr(covered, begin - covered), std::nullopt});
        }
        parts.push_back({text.substr(begin, end - begin), found->token->id});
        covered = end;
    }
    if (covered < text.size()) parts.push_back({text.substr(covered), std::nullopt});
}

added_tokens::added_tokens(const document_field& field, const token_model& model,
                           const normalizer& steps) {
    const std::size_t count = field.array_size();
    // Ids of tokens that the vocabulary lacks go on behind its number of tokens.
    std::int64_t next_id = static_cast<std::int64_t>(model.size());
    for (std::size_t i = 0; i < count; ++i) {
        const document_field item = field.element(i);
        const added_token token = read_added_token(item);
        if (token.content.empty()) continue;  // as the reference does
        const auto refuse = [&](const std::string& what) {
            item.fail("token " + in_quotes(token.content) + what);
        };
        if (const auto before = ids_.find(token.content))
            refuse(" is there already, with id " + std::to_string(*before));
        const auto known = model.tokens().find(token.content);
        if (!known && token.id != next_id) {
            refuse(
                fmt::format(" has id {}, expected {}, the next one behind the vocabulary",
                            token.id, next_id));
        }
        if (known && token.id != *known) {
            refuse(
                fmt::format(" has id {}, in the vocabulary it is {}", token.id, *known));
        }
        if (!known) ++next_id;
        ids_.insert(token.content, token.id);
        const std::string content =
            token.normalized ? steps.apply(token.content).text : token.content;
        if (content.empty()) refuse(" is empty after the normalizer");
        if (!(token.normalized ? normalized_ : raw_).insert(content, token))
            refuse(" is the same as another one after the normalizer");
    }
}

}  // namespace packkit::app
