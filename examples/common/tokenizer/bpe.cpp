// SPDX-License-Identifier: Apache-2.0
/// @file
/// Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909): the neighbours that were
/// merged first in training are merged first, the leftmost of equals before the others.

#include "byte_alphabet.hpp"
#include "byte_fallback.hpp"
#include "model.hpp"
#include "pair_table.hpp"
#include "unicode.hpp"

#include "common/errors.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace packkit::app {
namespace {

constexpr std::uint32_t no_rank = std::numeric_limits<std::uint32_t>::max();
/// Up to here, looking at all pairs again after each merge beats a heap.
constexpr std::size_t short_word = 40;

/// Memory of one encode() call, kept by its thread.
struct bpe_scratch {
    struct symbol {
        std::uint32_t id;
        std::int32_t previous;
        std::int32_t next;
        bool removed;
    };
    struct merge {
        std::uint32_t rank;
        std::uint32_t position;
        std::uint32_t id;
    };
    std::vector<std::uint32_t> ids;
    std::vector<pair_table::entry> pairs;  // of ids[i] and ids[i + 1]
    std::vector<symbol> symbols;
    std::vector<merge> heap;
    std::string token;
    std::optional<std::uint32_t> pending;  // an unknown token that may be fused
};

class bpe final : public token_model {
public:
    bpe(const document_field& field, bool of_bytes) {
        field.only({"type", "dropout", "unk_token", "continuing_subword_prefix",
                    "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges",
                    "vocab", "merges"});
        if (const auto dropout = field.find("dropout");
            dropout && dropout->number() != 0) {
            dropout->fail(dropout->node().text +
                          " is not supported: the ids would be random");
        }
        tokens_ = vocabulary(field.member("vocab"));
        prefix_ = field.text_or("continuing_subword_prefix", "");
        suffix_ = field.text_or("end_of_word_suffix", "");
        fuse_unknown_ = field.truth_or("fuse_unk", false);
        ignore_merges_ = field.truth_or("ignore_merges", false);
        if (const auto unknown = field.find("unk_token")) {
            unknown_ = tokens_.require(*unknown);
        }
        fallback_ = byte_fallback(field, tokens_);
        read_merges(field.member("merges"));
        of_bytes_ = of_bytes;
        if (of_bytes_) read_bytes();
    }

    const vocabulary& tokens() const override { return tokens_; }

    void encode(std::string_view piece, std::vector<std::int32_t>& ids) const override {
        if (ignore_merges_) {
            const auto& whole = of_bytes_ ? byte_tokens_ : tokens_;
            if (const auto id = whole.find(piece)) {
                ids.push_back(*id);
                return;
            }
        }
        thread_local bpe_scratch scratch;
        scratch.ids.clear();
        if (of_bytes_) {
            cut_bytes(piece, scratch);
        } else {
            cut_characters(piece, scratch);
        }
        add_pending(scratch);
        if (scratch.ids.size() <= short_word) {
            merge_short(scratch, ids);
        } else {
            merge_long(scratch, ids);
        }
    }

private:
    void read_merges(const document_field& field) {
        const std::size_t count = field.array_size();
        merges_.reserve(count);
        std::uint32_t rank = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const document_node& value = field.node().items[i];
            const std::vector<document_node>& pair = value.items;
            std::string_view left;
            std::string_view right;
            if (is_text(value)) {
                const std::string_view line = value.text;
                if (line.starts_with("#version")) continue;
                const auto space = line.find(' ');
                if (space == std::string_view::npos ||
                    line.find(' ', space + 1) != std::string_view::npos) {
                    field.element(i).expected("two tokens with one space between");
                }
                left = line.substr(0, space);
                right = line.substr(space + 1);
            } else if (pair.size() == 2 && is_text(pair[0]) && is_text(pair[1])) {
                left = pair[0].text;
                right = pair[1].text;
            } else {
                field.element(i).expected("\"a b\" or [\"a\", \"b\"]");
            }
            add_merge(field, i, left, right, rank++);
        }
    }

    void add_merge(const document_field& field, std::size_t index, std::string_view left,
                   std::string_view right, std::uint32_t rank) {
        const auto id_of = [&](std::string_view token) {
            const auto id = tokens_.find(token);
            if (!id) {
                field.element(index).fail("token " + in_quotes(token) +
                                          " is not in the vocabulary");
            }
            return static_cast<std::uint32_t>(*id);
        };
        const std::uint32_t left_id = id_of(left);
        const std::uint32_t right_id = id_of(right);
        if (right.size() < prefix_.size()) {
            field.element(index).fail("token " + in_quotes(right) +
                                      " is shorter than the prefix " +
                                      in_quotes(prefix_));
        }
        const std::string merged =
            std::string(left) + std::string(right.substr(prefix_.size()));
        merges_.set(pair_table::key(left_id, right_id), rank, id_of(merged));
    }

    /// Tokens in the byte alphabet become bytes; others never match and are left out.
    void read_bytes() {
        for (std::size_t byte = 0; byte < 256; ++byte) {
            std::string character;
            append_utf8(character, byte_alphabet[byte]);
            byte_ids_[byte] = tokens_.find(character);
        }
        if (!ignore_merges_) return;
        for (const auto& [token, id] : tokens_) {
            if (auto bytes = from_byte_alphabet(token)) {
                byte_tokens_.insert(std::move(*bytes), id);
            }
        }
    }

    void cut_bytes(std::string_view piece, bpe_scratch& scratch) const {
        for (const char c : piece) {
            const auto byte = static_cast<unsigned char>(c);
            if (const auto id = byte_ids_[byte]) {
                add_known(scratch, *id);
            } else {
                scratch.token.clear();
                append_utf8(scratch.token, byte_alphabet[byte]);
                add_unknown(scratch);
            }
        }
    }

    void cut_characters(std::string_view piece, bpe_scratch& scratch) const {
        for (std::size_t at = 0; at < piece.size();) {
            const std::size_t length = utf8_length_at(piece, at);
            const std::string_view character = piece.substr(at, length);
            scratch.token.assign(at > 0 ? prefix_ : std::string());
            scratch.token += character;
            at += length;
            if (at == piece.size()) scratch.token += suffix_;
            if (const auto id = tokens_.find(scratch.token)) {
                add_known(scratch, *id);
            } else {
                add_unknown(scratch);
            }
        }
    }

    static void add_pending(bpe_scratch& scratch) {
        if (scratch.pending) scratch.ids.push_back(*scratch.pending);
        scratch.pending.reset();
    }

    static void add_known(bpe_scratch& scratch, std::int32_t id) {
        add_pending(scratch);
        scratch.ids.push_back(static_cast<std::uint32_t>(id));
    }

    /// What stands for scratch.token, which is not in the vocabulary: its bytes, the
    /// unknown token, or nothing. As in the reference, an unknown token waits in
    /// scratch.pending for the next known character, so bytes in between come before it.
    void add_unknown(bpe_scratch& scratch) const {
        if (fallback_.append(scratch.token, scratch.ids) || !unknown_) return;
        if (scratch.pending && !fuse_unknown_) scratch.ids.push_back(*scratch.pending);
        scratch.pending = static_cast<std::uint32_t>(*unknown_);
    }

    [[nodiscard]] pair_table::entry pair_of(std::uint32_t left,
                                            std::uint32_t right) const {
        const auto* const found = merges_.find(pair_table::key(left, right));
        return found != nullptr ? *found : pair_table::entry{0, no_rank, 0};
    }

    /// O(n²) in the symbols, which are few.
    void merge_short(bpe_scratch& scratch, std::vector<std::int32_t>& out) const {
        auto& ids = scratch.ids;
        auto& pairs = scratch.pairs;
        pairs.clear();
        for (std::size_t i = 0; i + 1 < ids.size(); ++i)
            pairs.push_back(pair_of(ids[i], ids[i + 1]));
        while (!pairs.empty()) {
            std::size_t best = 0;
            for (std::size_t i = 1; i < pairs.size(); ++i) {
                if (pairs[i].first < pairs[best].first) best = i;
            }
            if (pairs[best].first == no_rank) break;
            ids[best] = pairs[best].second;
            ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
            pairs.erase(pairs.begin() + static_cast<std::ptrdiff_t>(best));
            if (best > 0) pairs[best - 1] = pair_of(ids[best - 1], ids[best]);
            if (best < pairs.size()) pairs[best] = pair_of(ids[best], ids[best + 1]);
        }
        for (const std::uint32_t id : ids)
            out.push_back(static_cast<std::int32_t>(id));
    }

    /// O(n log n): a linked list of symbols and a heap of the merges that are possible.
    void merge_long(bpe_scratch& scratch, std::vector<std::int32_t>& out) const {
        using merge = bpe_scratch::merge;
        auto& symbols = scratch.symbols;
        auto& heap = scratch.heap;
        symbols.clear();
        heap.clear();
        const auto size = static_cast<std::int32_t>(scratch.ids.size());
        for (std::int32_t i = 0; i < size; ++i) {
            symbols.push_back({scratch.ids[static_cast<std::size_t>(i)], i - 1,
                               i + 1 < size ? i + 1 : -1, false});
        }
        const auto at = [&](std::int32_t i) -> bpe_scratch::symbol& {
            return symbols[static_cast<std::size_t>(i)];
        };
        const auto later = [](const merge& a, const merge& b) {
            return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
        };
        const auto possible = [&](std::int32_t i) -> std::optional<merge> {
            const auto pair = pair_of(at(i).id, at(at(i).next).id);
            if (pair.first == no_rank) return std::nullopt;
            return merge{pair.first, static_cast<std::uint32_t>(i), pair.second};
        };
        const auto push = [&](std::int32_t i) {
            if (const auto found = possible(i)) {
                heap.push_back(*found);
                std::push_heap(heap.begin(), heap.end(), later);
            }
        };
        for (std::int32_t i = 0; i + 1 < size; ++i) {
            if (const auto found = possible(i)) heap.push_back(*found);
        }
        std::make_heap(heap.begin(), heap.end(), later);
        while (!heap.empty()) {
            std::pop_heap(heap.begin(), heap.end(), later);
            const merge top = heap.back();
            heap.pop_back();
            const auto position = static_cast<std::int32_t>(top.position);
            auto& left = at(position);
            if (left.removed || left.next < 0) continue;
            auto& right = at(left.next);
            // Out of date when the neighbours have merged with others since.
            const auto pair = pair_of(left.id, right.id);
            if (pair.first == no_rank || pair.second != top.id) continue;
            left.id = top.id;
            left.next = right.next;
            right.removed = true;
            if (right.next >= 0) at(right.next).previous = position;
            if (left.previous >= 0) push(left.previous);
            if (left.next >= 0) push(position);
        }
        for (const auto& symbol : symbols) {
            if (!symbol.removed) out.push_back(static_cast<std::int32_t>(symbol.id));
        }
    }

    vocabulary tokens_;
    std::string prefix_;
    std::string suffix_;
    bool fuse_unknown_ = false;
    bool ignore_merges_ = false;
    std::optional<std::int32_t> unknown_;
    byte_fallback fallback_;
    pair_table merges_;
    bool of_bytes_ = false;
    std::array<std::optional<std::int32_t>, 256> byte_ids_{};
    vocabulary byte_tokens_;
};

}  // namespace

std::unique_ptr<const token_model> read_bpe(const document_field& field, bool of_bytes) {
    return std::make_unique<const bpe>(field, of_bytes);
}

}  // namespace packkit::app
