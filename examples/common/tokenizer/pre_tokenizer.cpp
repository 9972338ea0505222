// SPDX-License-Identifier: Apache-2.0
#include "pre_tokenizer.hpp"

#include "byte_alphabet.hpp"

#include <algorithm>
#include <utility>

namespace packkit::app {
namespace {

constexpr std::size_t most_steps = 64;

/// How GPT-2 cuts words (Radford et al. 2019).
constexpr std::string_view gpt2_words =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/// Words and runs of other visible characters. Oniguruma's \w lacks the two joiners that
/// UTS #18 counts as parts of words.
constexpr std::string_view words_or_symbols =
    "[\\w\\x{200C}\\x{200D}]+|[^\\w\\x{200C}\\x{200D}\\s]+";

/// Replaces every piece by those parts of it that `find` leaves in list.parts.
template <class Find>
void cut_pieces(piece_list& list, Find find) {
    list.next_pieces.clear();
    for (const text_piece& piece : list.pieces) {
        list.parts.clear();
        find(piece.text);
        for (const match_part& part : list.parts) {
            if (part.begin < part.end) {
                list.next_pieces.push_back(
                    {piece.text.substr(part.begin, part.end - part.begin),
                     piece.begin_extent - std::min(piece.begin_extent, part.begin)});
            }
        }
    }
    list.pieces.swap(list.next_pieces);
}

/// Cuts around each code point for which `matches` holds.
template <class Matches>
void find_code_points(std::string_view text, Matches matches,
                      std::vector<match_part>& parts) {
    std::size_t covered = 0;
    std::size_t at = 0;
    for_each_code_point(text, [&](char32_t c, std::string_view bytes) {
        if (matches(c)) {
            if (covered < at) parts.push_back({covered, at, false});
            covered = at + bytes.size();
            parts.push_back({at, covered, true});
        }
        at += bytes.size();
    });
    if (covered < text.size()) parts.push_back({covered, text.size(), false});
}

split_behavior read_behavior(const document_field& field) {
    return static_cast<split_behavior>(field.one_of(
        {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"}));
}

/// A string of one code point.
std::string read_character(const document_field& field) {
    const std::string& text = field.text();
    if (text.empty() || utf8_length_at(text, 0) != text.size()) {
        field.expected("one character");
    }
    return text;
}

void add_prefix(piece_list& list, text_piece& piece, std::string_view prefix) {
    std::string prefixed(prefix);
    prefixed += piece.text;
    piece.text = list.keep(std::move(prefixed));
    if (piece.begin_extent > 0) piece.begin_extent += prefix.size();
}

}  // namespace

void merge_parts(std::vector<match_part>& parts, split_behavior behavior) {
    if (behavior == split_behavior::isolated) return;
    if (behavior == split_behavior::removed) {
        std::erase_if(parts, [](const match_part& part) { return part.matched; });
        return;
    }
    const bool backwards = behavior == split_behavior::merged_with_next;
    if (backwards) std::reverse(parts.begin(), parts.end());
    std::size_t size = 0;  // merged so far: parts[0, size)
    bool previous_matched = false;
    for (const match_part part : parts) {
        const bool joins = behavior == split_behavior::contiguous
                               ? part.matched == previous_matched
                               : part.matched && !previous_matched;
        previous_matched = part.matched;
        if (!joins || size == 0) {
            parts[size++] = part;
        } else if (backwards) {
            parts[size - 1].begin = part.begin;
        } else {
            parts[size - 1].end = part.end;
        }
    }
    parts.resize(size);
    if (backwards) std::reverse(parts.begin(), parts.end());
}

pre_tokenizer::pre_tokenizer(const document_field& field, bool may_give_bytes) {
    add(field);
    if (may_give_bytes && !steps_.empty()) {
        if (auto* const last = std::get_if<byte_level_step>(&steps_.back())) {
            last->write_alphabet = false;
            gives_bytes_ = true;
        }
    }
}

void pre_tokenizer::add(const document_field& field) {
    switch (field.member("type").one_of({"ByteLevel", "Split", "Digits", "Whitespace",
                                         "WhitespaceSplit", "Metaspace", "Punctuation",
                                         "BertPreTokenizer", "CharDelimiterSplit",
                                         "Delimiter", "Sequence"})) {
        case 0:
            field.only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
            steps_.push_back(byte_level_step{field.member("add_prefix_space").truth(),
                                             field.truth_or("use_regex", true)
                                                 ? std::optional(regex(gpt2_words))
                                                 : std::nullopt,
                                             true});
            break;
        case 1:
            field.only({"type", "pattern", "behavior", "invert"});
            steps_.push_back(pattern_step{text_pattern(field.member("pattern")),
                                          read_behavior(field.member("behavior")),
                                          field.truth_or("invert", false)});
            break;
        case 2:
            field.only({"type", "individual_digits"});
            steps_.push_back(
                class_step{is_numeric, field.member("individual_digits").truth()
                                           ? split_behavior::isolated
                                           : split_behavior::contiguous});
            break;
        case 3:
            field.only({"type"});
            steps_.push_back(regex_step{regex(words_or_symbols)});
            break;
        case 4:
            field.only({"type"});
            steps_.push_back(class_step{is_white_space, split_behavior::removed});
            break;
        case 5: {
            using scheme = metaspace_step::scheme;
            field.only({"type", "replacement", "add_prefix_space", "prepend_scheme",
                        "split", "str_rep"});
            scheme prepend = scheme::always;
            if (const auto given = field.find("prepend_scheme")) {
                prepend =
                    static_cast<scheme>(given->one_of({"always", "first", "never"}));
            }
            if (!field.truth_or("add_prefix_space", true)) {
                if (prepend != scheme::never && field.find("prepend_scheme")) {
                    field.fail("add_prefix_space: false and prepend_scheme contradict");
                }
                prepend = scheme::never;
            }
            steps_.push_back(metaspace_step{read_character(field.member("replacement")),
                                            prepend, field.truth_or("split", true)});
            break;
        }
        case 6: {
            field.only({"type", "behavior"});
            const auto behavior = field.find("behavior");
            steps_.push_back(class_step{is_punctuation, behavior
                                                            ? read_behavior(*behavior)
                                                            : split_behavior::isolated});
            break;
        }
        case 7:
            field.only({"type"});
            steps_.push_back(class_step{is_white_space, split_behavior::removed});
            steps_.push_back(class_step{is_punctuation, split_behavior::isolated});
            break;
        case 8:
        case 9:
            field.only({"type", "delimiter"});
            steps_.push_back(delimiter_step{read_character(field.member("delimiter"))});
            break;
        default: {
            field.only({"type", "pretokenizers"});
            const document_field list = field.member("pretokenizers");
            for (std::size_t i = 0; i < list.array_size(); ++i)
                add(list.element(i));
        }
    }
    if (steps_.size() > most_steps) {
        field.fail("has more than " + std::to_string(most_steps) + " steps");
    }
}

void pre_tokenizer::run(const byte_level_step& step, piece_list& list) {
    if (step.add_prefix_space) {
        for (text_piece& piece : list.pieces) {
            if (!piece.text.starts_with(' ')) add_prefix(list, piece, " ");
        }
    }
    if (step.words) {
        cut_pieces(list, [&](std::string_view text) {
            step.words->find_parts(text, list.parts);
        });
    }
    if (step.write_alphabet) {
        for (text_piece& piece : list.pieces)
            piece.text = list.keep(to_byte_alphabet(piece.text));
    }
}

void pre_tokenizer::run(const pattern_step& step, piece_list& list) {
    cut_pieces(list, [&](std::string_view text) {
        step.pattern.find_parts(text, list.parts);
        if (step.invert) {
            for (match_part& part : list.parts)
                part.matched = !part.matched;
        }
        merge_parts(list.parts, step.behavior);
    });
}

void pre_tokenizer::run(const regex_step& step, piece_list& list) {
    cut_pieces(list, [&](std::string_view text) {
        step.words.find_parts(text, list.parts);
        std::erase_if(list.parts, [](const match_part& part) { return !part.matched; });
    });
}

void pre_tokenizer::run(const metaspace_step& step, piece_list& list) {
    using scheme = metaspace_step::scheme;
    for (text_piece& piece : list.pieces) {
        std::string changed;
        std::size_t extent = 0;
        for (std::size_t i = 0; i < piece.text.size(); ++i) {
            if (piece.text[i] == ' ') {
                changed += step.replacement;
            } else {
                changed += piece.text[i];
            }
            if (i < piece.begin_extent) extent = changed.size();
        }
        const bool has_prefix = changed.starts_with(step.replacement);
        piece = {list.keep(std::move(changed)), extent};
        if (!has_prefix && (step.prepend == scheme::always ||
                            (step.prepend == scheme::first && extent > 0))) {
            add_prefix(list, piece, step.replacement);
        }
    }
    if (!step.split) return;
    const char32_t mark = code_point_at(step.replacement, 0, step.replacement.size());
    cut_pieces(list, [&](std::string_view text) {
        find_code_points(text, [&](char32_t c) { return c == mark; }, list.parts);
        merge_parts(list.parts, split_behavior::merged_with_next);
    });
}

void pre_tokenizer::run(const class_step& step, piece_list& list) {
    cut_pieces(list, [&](std::string_view text) {
        find_code_points(text, step.matches, list.parts);
        merge_parts(list.parts, step.behavior);
    });
}

void pre_tokenizer::run(const delimiter_step& step, piece_list& list) {
    const char32_t mark = code_point_at(step.delimiter, 0, step.delimiter.size());
    cut_pieces(list, [&](std::string_view text) {
        find_code_points(text, [&](char32_t c) { return c == mark; }, list.parts);
        merge_parts(list.parts, split_behavior::removed);
    });
}

void pre_tokenizer::apply(piece_list& list) const {
    for (const step& each : steps_) {
        std::visit([&](const auto& kind) { run(kind, list); }, each);
    }
}

}  // namespace packkit::app
