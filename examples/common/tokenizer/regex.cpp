// SPDX-License-Identifier: Apache-2.0
#include "regex.hpp"

#include <oniguruma.h>

#include "unicode.hpp"

#include "common/errors.hpp"

#include <fmt/format.h>

#include <array>
#include <memory>
#include <new>
#include <stdexcept>

namespace packkit::app {
namespace {

constexpr std::size_t longest_pattern = 65536;
// Retries of one search; the patterns of tokenizers need a few steps a character.
constexpr unsigned long most_retries = 10'000'000;

const OnigUChar* units(const char* text) {
    return reinterpret_cast<const OnigUChar*>(text);
}

void start_oniguruma() {
    static const bool started = [] {
        OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
        if (onig_initialize(encodings, 1) != ONIG_NORMAL) return false;
        onig_set_retry_limit_in_match(most_retries);
        onig_set_retry_limit_in_search(most_retries);
        onig_set_parse_depth_limit(250);
        return true;
    }();
    if (!started) throw std::runtime_error("Oniguruma cannot be initialised");
}

std::string reason(int code, OnigErrorInfo* info = nullptr) {
    std::array<OnigUChar, ONIG_MAX_ERROR_MESSAGE_LEN> text{};
    const int size = info == nullptr ? onig_error_code_to_str(text.data(), code)
                                     : onig_error_code_to_str(text.data(), code, info);
    return {reinterpret_cast<const char*>(text.data()), static_cast<std::size_t>(size)};
}

/// `text` in the words of this Oniguruma's version of Unicode, with the same length and
/// positions. `changed` holds it if it differs.
std::string_view in_known_code_points(std::string_view text, std::string& changed) {
    std::size_t copied = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        // All that are younger have three bytes or four, and few first bytes.
        const auto lead = static_cast<unsigned char>(text[at]);
        if (lead < 0xE0U) continue;
        const std::size_t length = utf8_length_at(text, at);
        const char32_t c = code_point_at(text, at, length);
        const char32_t known = older_stand_in(c);
        if (known != c) {
            if (copied == 0) changed.clear();
            changed += text.substr(copied, at - copied);
            append_utf8(changed, known);
            copied = at + length;
        }
        at += length - 1;
    }
    if (copied == 0) return text;
    changed += text.substr(copied);
    return changed;
}

}  // namespace

regex::regex(std::string_view pattern) {
    start_oniguruma();
    if (pattern.size() > longest_pattern) {
        throw std::invalid_argument(fmt::format("has {} bytes, the limit is {}",
                                                pattern.size(), longest_pattern));
    }
    OnigRegex compiled = nullptr;
    OnigErrorInfo info{};
    const int code =
        onig_new(&compiled, units(pattern.data()), units(pattern.data() + pattern.size()),
                 ONIG_OPTION_NONE, ONIG_ENCODING_UTF8, ONIG_SYNTAX_DEFAULT, &info);
    if (code != ONIG_NORMAL) throw std::invalid_argument(reason(code, &info));
    compiled_ = std::shared_ptr<void>(
        compiled, [](void* owned) { onig_free(static_cast<OnigRegex>(owned)); });
}

regex regex::compile(const document_field& pattern) {
    try {
        return regex(pattern.text());
    } catch (const std::invalid_argument& fault) {
        pattern.fail("regular expression " + in_quotes(pattern.text()) + ": " +
                     fault.what());
    }
}

void regex::find_parts(std::string_view text, std::vector<match_part>& parts) const {
    if (text.empty()) return;
    auto* const compiled = static_cast<OnigRegex>(compiled_.get());
    thread_local std::string changed;
    const std::string_view known = in_known_code_points(text, changed);
    const OnigUChar* const begin = units(known.data());
    const OnigUChar* const end = begin + known.size();
    const std::unique_ptr<OnigRegion, void (*)(OnigRegion*)> region(
        onig_region_new(), [](OnigRegion* owned) { onig_region_free(owned, 1); });
    if (region == nullptr) throw std::bad_alloc();
    std::size_t covered = 0;  // parts cover text[0, covered)
    std::size_t from = 0;
    bool after_match = false;
    while (from <= text.size()) {
        const int found = onig_search(compiled, begin, end, begin + from, end,
                                      region.get(), ONIG_OPTION_NONE);
        if (found == ONIG_MISMATCH) break;
        if (found < 0) {
            throw std::runtime_error("regular expression: " + reason(found));
        }
        const auto match_begin = static_cast<std::size_t>(region->beg[0]);
        const auto match_end = static_cast<std::size_t>(region->end[0]);
        if (match_end == match_begin && after_match && match_end == covered) {
            from += from < text.size() ? utf8_length_at(text, from) : 1;
            continue;
        }
        if (covered < match_begin) parts.push_back({covered, match_begin, false});
        parts.push_back({match_begin, match_end, true});
        covered = from = match_end;
        after_match = true;
    }
    if (covered < text.size()) parts.push_back({covered, text.size(), false});
}

bool regex::matches_at_begin(std::string_view text) const {
    thread_local std::string changed;
    const std::string_view known = in_known_code_points(text, changed);
    const OnigUChar* const begin = units(known.data());
    const int found = onig_match(static_cast<OnigRegex>(compiled_.get()), begin,
                                 begin + known.size(), begin, nullptr, ONIG_OPTION_NONE);
    if (found < ONIG_MISMATCH) {
        throw std::runtime_error("regular expression: " + reason(found));
    }
    return found >= 0;
}

}  // namespace packkit::app
