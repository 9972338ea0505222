// SPDX-License-Identifier: Apache-2.0
/// @file
/// The unigram language model (Kudo 2018, arXiv:1804.10959): of all ways to cut the text
/// into tokens the one with the greatest sum of scores, by Viterbi's algorithm.

#include "byte_fallback.hpp"
#include "model.hpp"
#include "pair_table.hpp"
#include "unicode.hpp"

#include "common/errors.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace packkit::app {
namespace {

constexpr double unknown_penalty = 10.0;
constexpr std::uint32_t no_token = std::numeric_limits<std::uint32_t>::max();

/// A score as the reference's JSON reader (serde_json) rounds it: it divides the digits,
/// rounded to a double, by a power of ten, which may miss the nearest double by one unit
/// in the last place. Such a unit decides between ways that are equally likely. The file
/// is taken to hold the shortest digits of the score, as all writers do.
double as_reference_reads(double score) {
    std::array<char, 40> text{};
    const auto written = std::to_chars(text.data(), text.data() + text.size(),
                                       std::abs(score), std::chars_format::scientific);
    std::string digits(text.data(), written.ptr);
    const auto mark = digits.find('e');
    int exponent = std::stoi(digits.substr(mark + 1));
    digits.resize(mark);
    if (digits.size() > 1) {
        digits.erase(1, 1);  // the point
        exponent -= static_cast<int>(digits.size()) - 1;
    }
    // Powers of ten up to 22 are doubles; scores need no others.
    if (exponent > 22 || exponent < -22) return score;
    const double power = std::pow(10.0, std::abs(exponent));
    const auto whole = static_cast<double>(std::stoull(digits));
    const double value = exponent < 0 ? whole / power : whole * power;
    return std::copysign(value, score);
}

class unigram final : public token_model {
public:
    explicit unigram(const document_field& field) {
        field.only({"type", "unk_id", "vocab", "byte_fallback"});
        const document_field list = field.member("vocab");
        size_ = list.array_size();
        double least = std::numeric_limits<double>::infinity();
        for (std::size_t i = 0; i < size_; ++i) {
            const std::vector<document_node>& pair = list.node().items[i].items;
            const auto number = pair.size() == 2 ? number_of(pair[1]) : std::nullopt;
            if (!number || !is_text(pair[0])) {
                list.element(i).expected("[\"token\", score]");
            }
            const std::string& token = pair[0].text;
            const double score = as_reference_reads(*number);
            // A token that appears twice counts as its last one, as in the reference.
            tokens_.insert(token, static_cast<std::int32_t>(i));
            scores_.push_back(score);
            least = std::min(least, score);
            if (!token.empty()) add_to_trie(token, static_cast<std::uint32_t>(i));
        }
        unknown_score_ = least - unknown_penalty;
        if (const auto unknown = field.find("unk_id")) {
            unknown_ = unknown->id();
            if (static_cast<std::size_t>(*unknown_) >= size_) {
                unknown->fail(std::to_string(*unknown_) + " is not an id of the " +
                              std::to_string(size_) + " tokens");
            }
        }
        fallback_ = byte_fallback(field, tokens_);
    }

    const vocabulary& tokens() const override { return tokens_; }
    std::size_t size() const override { return size_; }

    void encode(std::string_view piece, std::vector<std::int32_t>& ids) const override {
        struct node {
            double score = 0;
            std::size_t begin = 0;
            std::uint32_t token = no_token;
            bool reached = false;
        };
        thread_local std::vector<node> best;  // best way to each position
        best.assign(piece.size() + 1, node{});
        const auto reach = [&](std::size_t end, const node& way) {
            if (!best[end].reached || way.score > best[end].score) best[end] = way;
        };
        for (std::size_t begin = 0; begin < piece.size();) {
            const std::size_t length = utf8_length_at(piece, begin);
            const double so_far = best[begin].score;
            bool has_single = false;
            std::uint32_t at = 0;
            for (std::size_t end = begin; end < piece.size();) {
                const auto* const child = trie_.find(
                    pair_table::key(at, static_cast<unsigned char>(piece[end])));
                if (child == nullptr) break;
                ++end;
                at = child->first;
                const std::uint32_t token = token_at_[at];
                if (token == no_token) continue;
                reach(end, {scores_[token] + so_far, begin, token, true});
                has_single = has_single || end - begin == length;
            }
            if (!has_single) {
                if (!unknown_) {
                    throw input_error("text", "the character " +
                                                  in_quotes(piece.substr(begin, length)) +
                                                  " is not in the vocabulary, which has "
                                                  "no unk_id");
                }
                reach(begin + length, {unknown_score_ + so_far, begin,
                                       static_cast<std::uint32_t>(*unknown_), true});
            }
            begin += length;
        }
        thread_local std::vector<std::pair<std::size_t, std::size_t>> parts;
        parts.clear();
        bool open = false;  // the last part is unknown and grows to the left
        for (std::size_t end = piece.size(); end > 0;) {
            const node& way = best[end];
            const bool unknown =
                unknown_ && way.token == static_cast<std::uint32_t>(*unknown_);
            if (unknown && open) {
                parts.back().first = way.begin;
            } else {
                parts.emplace_back(way.begin, end);
            }
            open = unknown;
            end = way.begin;
        }
        for (auto part = parts.rbegin(); part != parts.rend(); ++part)
            add_part(piece.substr(part->first, part->second - part->first), ids);
    }

private:
    void add_part(std::string_view part, std::vector<std::int32_t>& ids) const {
        if (const auto id = tokens_.find(part)) {
            ids.push_back(*id);
        } else if (!fallback_.append(part, ids)) {
            ids.push_back(*unknown_);
        }
    }

    void add_to_trie(std::string_view token, std::uint32_t id) {
        std::uint32_t at = 0;
        for (const char byte : token) {
            const auto key = pair_table::key(at, static_cast<unsigned char>(byte));
            if (const auto* const child = trie_.find(key)) {
                at = child->first;
            } else {
                at = static_cast<std::uint32_t>(token_at_.size());
                token_at_.push_back(no_token);
                trie_.set(key, at, 0);
            }
        }
        token_at_[at] = id;
    }

    std::size_t size_ = 0;
    vocabulary tokens_;
    std::vector<double> scores_;
    double unknown_score_ = 0;
    std::optional<std::int32_t> unknown_;
    byte_fallback fallback_;
    pair_table trie_;  // (node, byte) to node
    std::vector<std::uint32_t> token_at_ = std::vector<std::uint32_t>(1, no_token);
};

}  // namespace

std::unique_ptr<const token_model> read_unigram(const document_field& field) {
    return std::make_unique<const unigram>(field);
}

}  // namespace packkit::app
