// SPDX-License-Identifier: Apache-2.0
#include "normalizer.hpp"

#include "byte_alphabet.hpp"
#include "steps.hpp"

#include <algorithm>
#include <utility>

namespace packkit::app {
namespace {

using change = normalizer::change;
using result = normalizer::result;

/// Replaces each code point by what `append(text, c, bytes)` appends for it.
template <class Append>
void rewrite(result& current, Append append) {
    std::string changed;
    changed.reserve(current.text.size());
    for_each_code_point(current.text, [&](char32_t c, std::string_view bytes) {
        append(changed, c, bytes);
    });
    current.text = std::move(changed);
}

/// Removes the code points that `dropped` names and turns those of `space` into spaces.
template <class Dropped, class Space>
void clean(result& current, Dropped dropped, Space space) {
    rewrite(current, [&](std::string& text, char32_t c, std::string_view bytes) {
        if (!dropped(c)) text += space(c) ? std::string_view(" ") : bytes;
    });
}

bool never(char32_t) {
    return false;
}

/// Code points that SentencePiece's rules for translation drop, and those that they turn
/// into a space.
bool is_dropped_by_nmt(char32_t c) {
    return (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) ||
           c == 0x7F || c == 0x8F || c == 0x9F;
}
bool is_space_by_nmt(char32_t c) {
    return c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
           (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
           c == 0xFEFF || c == 0xFFFD;
}

/// The ideographs around which BERT puts spaces. U+2B820–U+2B91F are missing in the
/// reference as well.
bool is_han_of_bert(char32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool is_removed_by_bert(char32_t c) {
    if (c == '\t' || c == '\n' || c == '\r') return false;
    return c == 0 || c == 0xFFFD || is_other(c);
}

template <normal_form Form>
change read_form(const document_field& field) {
    field.only({"type"});
    return [](result& current) { current.text = normalize(current.text, Form); };
}

change read_lowercase(const document_field& field) {
    field.only({"type"});
    return [](result& current) { current.text = to_lower(current.text); };
}

change read_prepend(const document_field& field) {
    field.only({"type", "prepend"});
    return [content = field.member("prepend").text()](result& current) {
        if (!current.text.empty()) current.text.insert(0, content);
    };
}

change read_replace(const document_field& field) {
    field.only({"type", "pattern", "content"});
    const text_pattern pattern(field.member("pattern"));
    const std::string content = field.member("content").text();
    return [pattern, content](result& current) {
        std::vector<match_part> parts;
        pattern.find_parts(current.text, parts);
        std::string replaced;
        replaced.reserve(current.text.size());
        std::size_t extent = 0;
        for (const match_part& part : parts) {
            // What is put in for several characters stands for the last of them.
            const bool of_first = part.matched && part.end <= current.begin_extent;
            if (part.matched) {
                replaced += content;
            } else {
                replaced.append(current.text, part.begin, part.end - part.begin);
            }
            if (of_first) {
                extent = replaced.size();
            } else if (!part.matched && part.begin < current.begin_extent) {
                extent =
                    replaced.size() - part.end + std::min(part.end, current.begin_extent);
            }
        }
        current = {std::move(replaced), extent};
    };
}

change read_strip(const document_field& field) {
    field.only({"type", "strip_left", "strip_right"});
    const bool left = field.member("strip_left").truth();
    const bool right = field.member("strip_right").truth();
    return [left, right](result& current) {
        std::size_t begin = current.text.size();  // when there is only white space
        std::size_t end = 0;
        std::size_t at = 0;
        for_each_code_point(current.text, [&](char32_t c, std::string_view bytes) {
            if (!is_white_space(c)) {
                begin = std::min(begin, at);
                end = at + bytes.size();
            }
            at += bytes.size();
        });
        if (!left) begin = 0;
        if (!right) end = current.text.size();
        current.begin_extent -= std::min(begin, current.begin_extent);
        current.text =
            begin < end ? current.text.substr(begin, end - begin) : std::string();
    };
}

change read_strip_accents(const document_field& field) {
    field.only({"type"});
    return [](result& current) { clean(current, is_combining_mark, never); };
}

change read_nmt(const document_field& field) {
    field.only({"type"});
    return [](result& current) { clean(current, is_dropped_by_nmt, is_space_by_nmt); };
}

change read_byte_level(const document_field& field) {
    field.only({"type"});
    return [](result& current) { current.text = to_byte_alphabet(current.text); };
}

change read_bert(const document_field& field) {
    field.only(
        {"type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"});
    const bool lowercase = field.member("lowercase").truth();
    const bool clean_text = field.member("clean_text").truth();
    const bool space_around_han = field.member("handle_chinese_chars").truth();
    const bool strip_accents = field.truth_or("strip_accents", lowercase);
    return [=](result& current) {
        if (clean_text) clean(current, is_removed_by_bert, is_white_space);
        if (space_around_han) {
            rewrite(current, [](std::string& text, char32_t c, std::string_view bytes) {
                const std::string_view space = is_han_of_bert(c) ? " " : "";
                text.append(space).append(bytes).append(space);
            });
        }
        if (strip_accents) {
            current.text = normalize(current.text, normal_form::nfd);
            clean(current, is_nonspacing_mark, never);
        }
        if (lowercase) current.text = to_lower(current.text);
    };
}

/// Kinds of steps by their names; Sequence is none itself.
constexpr named_reader<change> step_kinds[] = {{"NFC", read_form<normal_form::nfc>},
                                               {"NFD", read_form<normal_form::nfd>},
                                               {"NFKC", read_form<normal_form::nfkc>},
                                               {"NFKD", read_form<normal_form::nfkd>},
                                               {"Lowercase", read_lowercase},
                                               {"Prepend", read_prepend},
                                               {"Replace", read_replace},
                                               {"Strip", read_strip},
                                               {"StripAccents", read_strip_accents},
                                               {"Nmt", read_nmt},
                                               {"ByteLevel", read_byte_level},
                                               {"BertNormalizer", read_bert},
                                               {"Sequence", nullptr}};

}  // namespace

text_pattern::text_pattern(const document_field& field) {
    field.only({"String", "Regex"});
    const auto literal = field.find("String");
    const auto expression = field.find("Regex");
    if (literal.has_value() == expression.has_value()) {
        field.fail("expected either String or Regex");
    }
    if (literal) {
        literal_ = literal->text();
        if (literal_.empty()) literal->fail("an empty text cannot be looked for");
    } else {
        regex_ = regex::compile(*expression);
    }
}

void text_pattern::find_parts(std::string_view text,
                              std::vector<match_part>& parts) const {
    if (regex_) {
        regex_->find_parts(text, parts);
        return;
    }
    std::size_t covered = 0;
    for (auto at = text.find(literal_); at != std::string_view::npos;
         at = text.find(literal_, covered)) {
        if (covered < at) parts.push_back({covered, at, false});
        covered = at + literal_.size();
        parts.push_back({at, covered, true});
    }
    if (covered < text.size()) parts.push_back({covered, text.size(), false});
}

normalizer::normalizer(const document_field& field) {
    read_steps(
        field, step_kinds, "normalizers", steps_,
        [this](auto read, const document_field& each) {
            steps_.push_back({read(each), read == read_replace || read == read_strip});
        });
}

normalizer::result normalizer::apply(std::string_view text) const {
    result current{std::string(text), utf8_length_at(text, 0)};
    for (const step& each : steps_) {
        result first{current.text.substr(0, current.begin_extent), current.begin_extent};
        each.run(current);
        if (each.moves_extent || first.text.empty()) continue;
        // The others change characters one by one, or join them with neighbours to one.
        each.run(first);
        current.begin_extent = current.text.starts_with(first.text)
                                   ? first.text.size()
                                   : utf8_length_at(current.text, 0);
    }
    return current;
}

}  // namespace packkit::app
