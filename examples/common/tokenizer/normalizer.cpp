// SPDX-License-Identifier: Apache-2.0
#include "normalizer.hpp"

#include "byte_alphabet.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace packkit::app {
namespace {

constexpr std::size_t most_steps = 64;

/// Keeps the code points that `keep` wants.
template <class Keep>
void filter(normalizer::result& current, Keep keep) {
    std::string kept;
    kept.reserve(current.text.size());
    for_each_code_point(current.text, [&](char32_t c, std::string_view bytes) {
        if (keep(c)) kept += bytes;
    });
    current.text = std::move(kept);
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
    add(field);
}

void normalizer::add(const document_field& field) {
    switch (field.member("type").one_of(
        {"NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Prepend", "Replace", "Strip",
         "StripAccents", "Nmt", "ByteLevel", "BertNormalizer", "Sequence"})) {
        case 0:
        case 1:
        case 2:
        case 3: {
            field.only({"type"});
            const std::string& name = field.member("type").text();
            steps_.push_back(form_step{name == "NFC"    ? normal_form::nfc
                                       : name == "NFD"  ? normal_form::nfd
                                       : name == "NFKC" ? normal_form::nfkc
                                                        : normal_form::nfkd});
            break;
        }
        case 4:
            field.only({"type"});
            steps_.push_back(lowercase_step{});
            break;
        case 5:
            field.only({"type", "prepend"});
            steps_.push_back(prepend_step{field.member("prepend").text()});
            break;
        case 6:
            field.only({"type", "pattern", "content"});
            steps_.push_back(replace_step{text_pattern(field.member("pattern")),
                                          field.member("content").text()});
            break;
        case 7:
            field.only({"type", "strip_left", "strip_right"});
            steps_.push_back(strip_step{field.member("strip_left").truth(),
                                        field.member("strip_right").truth()});
            break;
        case 8:
            field.only({"type"});
            steps_.push_back(strip_accents_step{});
            break;
        case 9:
            field.only({"type"});
            steps_.push_back(nmt_step{});
            break;
        case 10:
            field.only({"type"});
            steps_.push_back(byte_level_step{});
            break;
        case 11: {
            field.only({"type", "clean_text", "handle_chinese_chars", "strip_accents",
                        "lowercase"});
            const bool lowercase = field.member("lowercase").truth();
            steps_.push_back(bert_step{field.member("clean_text").truth(),
                                       field.member("handle_chinese_chars").truth(),
                                       field.truth_or("strip_accents", lowercase),
                                       lowercase});
            break;
        }
        default: {
            field.only({"type", "normalizers"});
            const document_field list = field.member("normalizers");
            for (std::size_t i = 0; i < list.array_size(); ++i)
                add(list.element(i));
        }
    }
    if (steps_.size() > most_steps) {
        field.fail("has more than " + std::to_string(most_steps) + " steps");
    }
}

void normalizer::run(const form_step& step, result& current) {
    current.text = normalize(current.text, step.form);
}

void normalizer::run(const lowercase_step&, result& current) {
    current.text = to_lower(current.text);
}

void normalizer::run(const prepend_step& step, result& current) {
    if (!current.text.empty()) current.text.insert(0, step.content);
}

void normalizer::run(const replace_step& step, result& current) {
    std::vector<match_part> parts;
    step.pattern.find_parts(current.text, parts);
    std::string replaced;
    replaced.reserve(current.text.size());
    std::size_t extent = 0;
    for (const match_part& part : parts) {
        // What is put in for several characters stands for the last of them.
        const bool of_first = part.matched && part.end <= current.begin_extent;
        if (part.matched) {
            replaced += step.content;
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
    current.begin_extent = extent;
    current.text = std::move(replaced);
}

void normalizer::run(const strip_step& step, result& current) {
    std::size_t begin = current.text.size();  // when there is nothing but white space
    std::size_t end = 0;
    std::size_t at = 0;
    for_each_code_point(current.text, [&](char32_t c, std::string_view bytes) {
        if (!is_white_space(c)) {
            begin = std::min(begin, at);
            end = at + bytes.size();
        }
        at += bytes.size();
    });
    if (!step.left) begin = 0;
    if (!step.right) end = current.text.size();
    current.begin_extent -= std::min(begin, current.begin_extent);
    current.text = begin < end ? current.text.substr(begin, end - begin) : std::string();
}

void normalizer::run(const strip_accents_step&, result& current) {
    filter(current, [](char32_t c) { return !is_combining_mark(c); });
}

void normalizer::run(const nmt_step&, result& current) {
    filter(current, [](char32_t c) { return !is_dropped_by_nmt(c); });
    std::string spaced;
    for_each_code_point(current.text, [&](char32_t c, std::string_view bytes) {
        spaced += is_space_by_nmt(c) ? std::string_view(" ") : bytes;
    });
    current.text = std::move(spaced);
}

void normalizer::run(const byte_level_step&, result& current) {
    current.text = to_byte_alphabet(current.text);
}

void normalizer::run(const bert_step& step, result& current) {
    if (step.clean_text) {
        filter(current, [](char32_t c) { return !is_removed_by_bert(c); });
        std::string spaced;
        for_each_code_point(current.text, [&](char32_t c, std::string_view bytes) {
            spaced += is_white_space(c) ? std::string_view(" ") : bytes;
        });
        current.text = std::move(spaced);
    }
    if (step.space_around_han) {
        std::string spaced;
        for_each_code_point(current.text, [&](char32_t c, std::string_view bytes) {
            const bool han = is_han_of_bert(c);
            if (han) spaced += ' ';
            spaced += bytes;
            if (han) spaced += ' ';
        });
        current.text = std::move(spaced);
    }
    if (step.strip_accents) {
        current.text = normalize(current.text, normal_form::nfd);
        filter(current, [](char32_t c) { return !is_nonspacing_mark(c); });
    }
    if (step.lowercase) current.text = to_lower(current.text);
}

normalizer::result normalizer::apply(std::string_view text) const {
    result current{std::string(text), utf8_length_at(text, 0)};
    for (const step& each : steps_) {
        std::visit(
            [&](const auto& kind) {
                using step_kind = std::decay_t<decltype(kind)>;
                result first{current.text.substr(0, current.begin_extent),
                             current.begin_extent};
                run(kind, current);
                if constexpr (!std::is_same_v<step_kind, strip_step> &&
                              !std::is_same_v<step_kind, replace_step>) {
                    if (first.text.empty()) return;
                    // The others change characters one by one, or join them with
                    // neighbours to one.
                    run(kind, first);
                    current.begin_extent = current.text.starts_with(first.text)
                                               ? first.text.size()
                                               : utf8_length_at(current.text, 0);
                }
            },
            each);
    }
    return current;
}

}  // namespace packkit::app
