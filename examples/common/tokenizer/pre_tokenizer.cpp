// SPDX-License-Identifier: Apache-2.0
#include "pre_tokenizer.hpp"

#include "byte_alphabet.hpp"
#include "steps.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace packkit::app {
namespace {

using step = pre_tokenizer::step;
using step_list = std::vector<step>;

/// How GPT-2 cuts words (Radford et al. 2019).
constexpr std::string_view gpt2_words =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/// Words and runs of other visible characters. Oniguruma's \w lacks the two joiners that
/// UTS #18 counts as parts of words.
constexpr std::string_view words_or_symbols =
    "[\\w\\x{200C}\\x{200D}]+|[^\\w\\x{200C}\\x{200D}\\s]+";

/// What becomes of the parts that a Split step looks for.
enum class split_behavior {
    isolated,
    removed,
    merged_with_previous,
    merged_with_next,
    contiguous
};

/// Applies `behavior` to the parts of a text, in place. Removed parts go away; the rest
/// covers its text in order.
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

/// Whether a code point is the one of such a string.
auto is_character(const std::string& text) {
    return [mark = code_point_at(text, 0, text.size())](char32_t c) { return c == mark; };
}

void add_prefix(piece_list& list, text_piece& piece, std::string_view prefix) {
    std::string prefixed(prefix);
    prefixed += piece.text;
    piece.text = list.keep(std::move(prefixed));
    if (piece.begin_extent > 0) piece.begin_extent += prefix.size();
}

/// A step that cuts around code points of a class.
template <class Matches>
step class_step(Matches matches, split_behavior behavior) {
    return {[=](piece_list& list) {
        cut_pieces(list, [&](std::string_view text) {
            find_code_points(text, matches, list.parts);
            merge_parts(list.parts, behavior);
        });
    }};
}

step_list read_byte_level(const document_field& field) {
    field.only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    const bool add_prefix_space = field.member("add_prefix_space").truth();
    std::optional<regex> words;
    if (field.truth_or("use_regex", true)) words.emplace(gpt2_words);
    const auto run = [add_prefix_space, words](piece_list& list) {
        if (add_prefix_space) {
            for (text_piece& piece : list.pieces) {
                if (!piece.text.starts_with(' ')) add_prefix(list, piece, " ");
            }
        }
        if (!words) return;
        cut_pieces(list,
                   [&](std::string_view text) { words->find_parts(text, list.parts); });
    };
    return {{run, true}};
}

step_list read_split(const document_field& field) {
    field.only({"type", "pattern", "behavior", "invert"});
    const text_pattern pattern(field.member("pattern"));
    const auto behavior = read_behavior(field.member("behavior"));
    const bool invert = field.truth_or("invert", false);
    return {{[=](piece_list& list) {
        cut_pieces(list, [&](std::string_view text) {
            pattern.find_parts(text, list.parts);
            for (match_part& part : list.parts)
                part.matched = part.matched != invert;
            merge_parts(list.parts, behavior);
        });
    }}};
}

step_list read_digits(const document_field& field) {
    field.only({"type", "individual_digits"});
    const bool single = field.member("individual_digits").truth();
    return {class_step(is_numeric,
                       single ? split_behavior::isolated : split_behavior::contiguous)};
}

/// Keeps the matches, removes what lies between.
step_list read_whitespace(const document_field& field) {
    field.only({"type"});
    return {{[words = regex(words_or_symbols)](piece_list& list) {
        cut_pieces(list, [&](std::string_view text) {
            words.find_parts(text, list.parts);
            std::erase_if(list.parts,
                          [](const match_part& part) { return !part.matched; });
        });
    }}};
}

step_list read_whitespace_split(const document_field& field) {
    field.only({"type"});
    return {class_step(is_white_space, split_behavior::removed)};
}

enum class prepend_scheme { always, first, never };

prepend_scheme read_scheme(const document_field& field) {
    const auto given = field.find("prepend_scheme");
    const auto scheme =
        given ? static_cast<prepend_scheme>(given->one_of({"always", "first", "never"}))
              : prepend_scheme::always;
    if (field.truth_or("add_prefix_space", true)) return scheme;
    if (given && scheme != prepend_scheme::never) {
        field.fail("add_prefix_space: false and prepend_scheme contradict");
    }
    return prepend_scheme::never;
}

step_list read_metaspace(const document_field& field) {
    field.only({"type", "replacement", "add_prefix_space", "prepend_scheme", "split",
                "str_rep"});
    const auto prepend = read_scheme(field);
    const std::string replacement = read_character(field.member("replacement"));
    const bool split = field.truth_or("split", true);
    const auto cut =
        class_step(is_character(replacement), split_behavior::merged_with_next);
    return {{[=](piece_list& list) {
        for (text_piece& piece : list.pieces) {
            std::string changed;
            std::size_t extent = 0;
            for (std::size_t i = 0; i < piece.text.size(); ++i) {
                if (piece.text[i] == ' ') {
                    changed += replacement;
                } else {
                    changed += piece.text[i];
                }
                if (i < piece.begin_extent) extent = changed.size();
            }
            const bool has_prefix = changed.starts_with(replacement);
            piece = {list.keep(std::move(changed)), extent};
            if (!has_prefix && (prepend == prepend_scheme::always ||
                                (prepend == prepend_scheme::first && extent > 0))) {
                add_prefix(list, piece, replacement);
            }
        }
        if (split) cut.run(list);
    }}};
}

step_list read_punctuation(const document_field& field) {
    field.only({"type", "behavior"});
    const auto behavior = field.find("behavior");
    return {class_step(is_punctuation,
                       behavior ? read_behavior(*behavior) : split_behavior::isolated)};
}

step_list read_bert(const document_field& field) {
    field.only({"type"});
    return {class_step(is_white_space, split_behavior::removed),
            class_step(is_punctuation, split_behavior::isolated)};
}

step_list read_delimiter(const document_field& field) {
    field.only({"type", "delimiter"});
    return {class_step(is_character(read_character(field.member("delimiter"))),
                       split_behavior::removed)};
}

/// Kinds of steps by their names; Sequence is none itself.
constexpr named_reader<step_list> step_kinds[] = {
    {"ByteLevel", read_byte_level},
    {"Split", read_split},
    {"Digits", read_digits},
    {"Whitespace", read_whitespace},
    {"WhitespaceSplit", read_whitespace_split},
    {"Metaspace", read_metaspace},
    {"Punctuation", read_punctuation},
    {"BertPreTokenizer", read_bert},
    {"CharDelimiterSplit", read_delimiter},
    {"Delimiter", read_delimiter},
    {"Sequence", nullptr}};

}  // namespace

pre_tokenizer::pre_tokenizer(const document_field& field, bool may_give_bytes) {
    read_steps(field, step_kinds, "pretokenizers", steps_,
               [this](auto read, const document_field& each) {
                   for (step& made : read(each))
                       steps_.push_back(std::move(made));
               });
    if (may_give_bytes && !steps_.empty() && steps_.back().writes_alphabet) {
        steps_.back().writes_alphabet = false;
        gives_bytes_ = true;
    }
}

void pre_tokenizer::apply(piece_list& list) const {
    for (const step& each : steps_) {
        each.run(list);
        if (!each.writes_alphabet) continue;
        for (text_piece& piece : list.pieces)
            piece.text = list.keep(to_byte_alphabet(piece.text));
    }
}

}  // namespace packkit::app
