// SPDX-License-Identifier: Apache-2.0
#include "unicode.hpp"

#include "common/errors.hpp"
#include "unicode_tables.hpp"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <new>

namespace packkit::app {
namespace {

utf8proc_category_t category(char32_t c) {
    return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

/// The entry of a table of ranges, ascending, that holds `c`, or nullptr.
template <class Range, std::size_t Size>
const Range* find_range(const std::array<Range, Size>& table, char32_t c) {
    if (c < table.front().first || c > table.back().last) return nullptr;
    const auto* const behind =
        std::upper_bound(table.begin(), table.end(), c,
                         [](char32_t value, const Range& r) { return value < r.first; });
    const auto* const range = std::prev(behind);
    return c <= range->last ? range : nullptr;
}

/// What utf8proc says of `c`, unless the reference differs.
template <std::size_t Size>
bool corrected(bool here, const std::array<code_point_range, Size>& differs, char32_t c) {
    return here != (find_range(differs, c) != nullptr);
}

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x80U; });
}

}  // namespace

void append_utf8(std::string& text, char32_t code_point) {
    std::array<utf8proc_uint8_t, 4> bytes{};
    const auto size =
        utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), bytes.data());
    text.append(reinterpret_cast<const char*>(bytes.data()),
                static_cast<std::size_t>(size));
}

std::size_t find_invalid_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = utf8_length_at(text, at);
        if (length == 0) return at;
        at += length;
    }
    return std::string_view::npos;
}

void refuse_invalid_utf8(std::string_view text) {
    if (const auto bad = find_invalid_utf8(text); bad != std::string_view::npos) {
        throw input_error("byte " + std::to_string(bad),
                          in_quotes(text.substr(bad, 1)) + " is not UTF-8");
    }
}

std::size_t count_code_points(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    }));
}

bool is_white_space(char32_t c) {
    if (c <= 0x20) return c == 0x20 || (c >= 0x09 && c <= 0x0D);
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
           c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_numeric(char32_t c) {
    const auto kind = category(c);
    return corrected(kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO,
                     numeric_differs, c);
}

bool is_punctuation(char32_t c) {
    if (c < 0x80) {
        return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') ||
               (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
    }
    const auto kind = category(c);
    return corrected(kind >= UTF8PROC_CATEGORY_PC && kind <= UTF8PROC_CATEGORY_PO,
                     punctuation_differs, c);
}

bool is_other(char32_t c) {
    const auto kind = category(c);
    return corrected(kind == UTF8PROC_CATEGORY_CC || kind == UTF8PROC_CATEGORY_CF,
                     other_differs, c);
}

bool is_nonspacing_mark(char32_t c) {
    return corrected(category(c) == UTF8PROC_CATEGORY_MN, nonspacing_differs, c);
}

bool is_combining_mark(char32_t c) {
    const auto kind = category(c);
    return corrected(kind >= UTF8PROC_CATEGORY_MN && kind <= UTF8PROC_CATEGORY_ME,
                     combining_differs, c);
}

char32_t older_stand_in(char32_t c) {
    const auto* const found = find_range(younger_code_points, c);
    return found == nullptr ? c : found->stand_in;
}

std::string to_lower(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for_each_code_point(text, [&](char32_t c, std::string_view) {
        if (c == 0x130) {  // the only one whose lower case is two code points
            result += "i\xCC\x87";
        } else if (const auto* const known = find_range(lower_cases, c)) {
            append_utf8(result,
                        static_cast<char32_t>(static_cast<int>(c) + known->shift));
        } else {
            append_utf8(result, static_cast<char32_t>(
                                    utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
        }
    });
    return result;
}

namespace {

void append_normalized(std::string_view text, utf8proc_option_t options,
                       std::string& result) {
    if (text.empty()) return;
    utf8proc_uint8_t* raw = nullptr;
    const utf8proc_ssize_t size =
        utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                     static_cast<utf8proc_ssize_t>(text.size()), &raw, options);
    // Valid UTF-8 and options: only memory can be missing.
    if (size < 0) throw std::bad_alloc();
    const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(raw, &std::free);
    result.append(reinterpret_cast<const char*>(raw), static_cast<std::size_t>(size));
}

}  // namespace

std::string normalize(std::string_view text, normal_form form) {
    if (is_ascii(text)) return std::string(text);
    int options = UTF8PROC_STABLE;
    const bool composed = form == normal_form::nfc || form == normal_form::nfkc;
    options |= composed ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
    if (form == normal_form::nfkc || form == normal_form::nfkd) {
        options |= UTF8PROC_COMPAT;
    }
    // A code point without normal forms stays, and nothing moves across it.
    std::string result;
    result.reserve(text.size());
    std::size_t begin = 0;
    std::size_t at = 0;
    for_each_code_point(text, [&](char32_t c, std::string_view bytes) {
        if (find_range(without_normal_forms, c) != nullptr) {
            append_normalized(text.substr(begin, at - begin),
                              static_cast<utf8proc_option_t>(options), result);
            result += bytes;
            begin = at + bytes.size();
        }
        at += bytes.size();
    });
    append_normalized(text.substr(begin), static_cast<utf8proc_option_t>(options),
                      result);
    return result;
}

}  // namespace packkit::app
