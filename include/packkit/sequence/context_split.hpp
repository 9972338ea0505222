// SPDX-License-Identifier: Apache-2.0
/// @file
/// Which tokens of a packed row each context-parallel rank holds: contiguous, head-tail,
/// or balanced by causal pairs.
///
/// A rank holds slices of documents. Every token of the row is in exactly one slice, of
/// any number of ranks and documents of any lengths: nothing is padded. A token at place
/// i of its document attends to i + 1 tokens, so a slice [begin, end) costs
/// (end (end + 1) - begin (begin + 1)) / 2 pairs, wherever the keys lie.
#pragma once

#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>
#include <packkit/sequence/cu_seqlens.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace packkit {

/// Tokens [begin, end) of a document.
struct document_slice {
    std::int32_t document = 0;
    std::int32_t begin = 0;
    std::int32_t end = 0;

    [[nodiscard]] constexpr std::int32_t tokens() const { return end - begin; }
    /// (query, key) pairs under the causal mask whose query is in the slice: exact, below
    /// 2^62.
    [[nodiscard]] constexpr std::int64_t causal_pairs() const {
        const std::int64_t b = begin, e = end;
        return e * (e + 1) / 2 - b * (b + 1) / 2;
    }
    friend constexpr auto operator<=>(const document_slice&,
                                      const document_slice&) = default;
};

/// Where a token of the row went.
struct token_place {
    std::size_t rank = 0;
    std::int64_t index = 0;  ///< among the rank's tokens

    friend constexpr bool operator==(const token_place&, const token_place&) = default;
};

/// The slices of each rank. A rank's tokens lie in row order.
class context_split {
public:
    /// Sorts each rank's slices by place in the row, drops empty ones and joins
    /// neighbours.
    /// @throws invalid_argument unless they cover every token of the row exactly once
    constexpr context_split(std::vector<std::int32_t> cu_seqlens,
                            std::vector<std::vector<document_slice>> slices)
        : cu_seqlens_(std::move(cu_seqlens)), slices_(std::move(slices)) {
        detail::check_cu_seqlens(cu_seqlens_);
        for (std::size_t rank = 0; rank < slices_.size(); ++rank)
            join(rank);
        std::sort(owners_.begin(), owners_.end(),
                  [](const owner& a, const owner& b) { return a.position < b.position; });
        std::int64_t covered = 0;
        for (const owner& o : owners_) {
            if (o.position != covered) {
                detail::throw_invalid_argument(
                    "slices of a row: token ", std::min(o.position, covered),
                    o.position < covered ? " is in two slices" : " is in no slice");
            }
            covered += o.tokens;
        }
        if (covered != cu_seqlens_.back()) {
            detail::throw_invalid_argument("slices of a row: token ", covered,
                                           " is in no slice");
        }
    }

    [[nodiscard]] constexpr std::size_t ranks() const { return slices_.size(); }
    /// Boundaries of the documents of the whole row.
    [[nodiscard]] constexpr std::span<const std::int32_t> cu_seqlens() const {
        return cu_seqlens_;
    }
    /// A rank's slices in row order. Precondition here and below: `rank < ranks()`
    [[nodiscard]] constexpr std::span<const document_slice> slices(
        std::size_t rank) const {
        PACKKIT_ASSERT(rank < ranks());
        return slices_[rank];
    }

    [[nodiscard]] constexpr std::int64_t tokens(std::size_t rank) const {
        std::int64_t sum = 0;
        for (const document_slice& slice : slices(rank))
            sum += slice.tokens();
        return sum;
    }
    [[nodiscard]] constexpr std::int64_t causal_pairs(std::size_t rank) const {
        std::int64_t sum = 0;
        for (const document_slice& slice : slices(rank))
            sum += slice.causal_pairs();
        return sum;
    }

    /// Where each of the rank's tokens lies in the row: indices to gather by, ascending.
    [[nodiscard]] constexpr std::vector<std::int64_t> row_positions(
        std::size_t rank) const {
        std::vector<std::int64_t> out;
        for (const document_slice& slice : slices(rank)) {
            for (std::int32_t i = slice.begin; i < slice.end; ++i)
                out.push_back(start_of(slice.document) + i);
        }
        return out;
    }
    /// The place of each of the rank's tokens in its document: what rotary embedding
    /// takes.
    [[nodiscard]] constexpr std::vector<std::int64_t> position_ids(
        std::size_t rank) const {
        std::vector<std::int64_t> out;
        for (const document_slice& slice : slices(rank)) {
            for (std::int32_t i = slice.begin; i < slice.end; ++i)
                out.push_back(i);
        }
        return out;
    }
    /// Boundaries of the rank's slices among its own tokens.
    [[nodiscard]] constexpr std::vector<std::int32_t> local_cu_seqlens(
        std::size_t rank) const {
        std::vector<std::int32_t> out(1, 0);
        for (const document_slice& slice : slices(rank))
            out.push_back(out.back() + slice.tokens());
        return out;
    }

    /// The inverse of `row_positions`. O(log slices).
    /// @throws invalid_argument for a position outside the row
    [[nodiscard]] constexpr token_place place_of(std::int64_t position) const {
        if (position < 0 || position >= cu_seqlens_.back()) {
            detail::throw_invalid_argument("position ", position, " of a row of ",
                                           cu_seqlens_.back(), " tokens");
        }
        const auto after = std::upper_bound(
            owners_.begin(), owners_.end(), position,
            [](std::int64_t p, const owner& o) { return p < o.position; });
        const owner& o = *(after - 1);
        return {o.rank, o.index + (position - o.position)};
    }

private:
    /// A slice by its place in the row.
    struct owner {
        std::int64_t position = 0;
        std::int64_t tokens = 0;
        std::size_t rank = 0;
        std::int64_t index = 0;
    };

    [[nodiscard]] constexpr std::int64_t start_of(std::int32_t document) const {
        return cu_seqlens_[static_cast<std::size_t>(document)];
    }

    constexpr void join(std::size_t rank) {
        auto& all = slices_[rank];
        std::erase_if(all, [](const document_slice& s) { return s.begin == s.end; });
        std::sort(all.begin(), all.end());
        std::vector<document_slice> joined;
        for (const document_slice& slice : all) {
            const auto documents = static_cast<std::int32_t>(cu_seqlens_.size()) - 1;
            if (slice.document < 0 || slice.document >= documents || slice.begin < 0 ||
                slice.end < slice.begin ||
                slice.end > start_of(slice.document + 1) - start_of(slice.document)) {
                detail::throw_invalid_argument("slice [", slice.begin, ", ", slice.end,
                                               ") of document ", slice.document,
                                               " of rank ", rank, " is not in the row");
            }
            if (!joined.empty() && joined.back().document == slice.document &&
                joined.back().end == slice.begin) {
                joined.back().end = slice.end;
            } else {
                joined.push_back(slice);
            }
        }
        all = std::move(joined);
        std::int64_t index = 0;
        for (const document_slice& slice : all) {
            owners_.push_back(
                {start_of(slice.document) + slice.begin, slice.tokens(), rank, index});
            index += slice.tokens();
        }
    }

    std::vector<std::int32_t> cu_seqlens_;
    std::vector<std::vector<document_slice>> slices_;
    std::vector<owner> owners_;  // by position
};

namespace detail {

/// floor(length * part / parts)
[[nodiscard]] constexpr std::int32_t part_edge(std::int32_t length, std::size_t part,
                                               std::size_t parts) {
    return static_cast<std::int32_t>(static_cast<std::uint64_t>(length) * part / parts);
}

}  // namespace detail

/// Rank r takes the r-th of `ranks` equal parts of the row: tokens are equal to one, the
/// pairs of a long document are not (the last rank has nearly twice the mean).
struct contiguous_split {
    constexpr void operator()(std::span<const std::int32_t> cu_seqlens,
                              std::vector<std::vector<document_slice>>& slices) const {
        const std::size_t ranks = slices.size();
        for (std::size_t rank = 0; rank < ranks; ++rank) {
            const auto first = detail::part_edge(cu_seqlens.back(), rank, ranks);
            const auto last = detail::part_edge(cu_seqlens.back(), rank + 1, ranks);
            for (std::size_t d = 0; d + 1 < cu_seqlens.size(); ++d) {
                const auto begin = std::max(first, cu_seqlens[d]) - cu_seqlens[d];
                const auto end = std::min(last, cu_seqlens[d + 1]) - cu_seqlens[d];
                if (begin < end)
                    slices[rank].push_back({static_cast<std::int32_t>(d), begin, end});
            }
        }
    }
};

/// Each document is cut into 2 * ranks chunks, of which rank r takes r and the r-th from
/// the end, which pairs an inexpensive chunk with an expensive one: pairs of long
/// documents are balanced. Chunks are equal to one token; those of documents shorter than
/// 2 * ranks may be empty, and a row of short documents is not balanced. Brandon et al.:
/// Striped attention (2023), arXiv 2311.09431, discuss the imbalance; the pairing is that
/// of Llama 3, arXiv 2407.21783, 3.3.2.
struct head_tail_split {
    constexpr void operator()(std::span<const std::int32_t> cu_seqlens,
                              std::vector<std::vector<document_slice>>& slices) const {
        const std::size_t chunks = 2 * slices.size();
        for (std::size_t d = 0; d + 1 < cu_seqlens.size(); ++d) {
            const std::int32_t length = cu_seqlens[d + 1] - cu_seqlens[d];
            for (std::size_t c = 0; c < chunks; ++c) {
                slices[std::min(c, chunks - 1 - c)].push_back(
                    {static_cast<std::int32_t>(d), detail::part_edge(length, c, chunks),
                     detail::part_edge(length, c + 1, chunks)});
            }
        }
    }
};

/// Short documents whole to a rank, long ones cut head-tail over all ranks: as few cut as
/// bring every rank's tokens and causal pairs within `percent` of the mean. A document
/// that is not cut needs no keys and values from another rank.
///
/// Documents of more than a rank's share are cut in any case. Of the rest, longest first,
/// each goes whole to the rank that it leaves with the smaller share of the row, in
/// tokens or in pairs, whichever is larger. If that is too uneven, more of the longest
/// are cut, in steps that grow by half; the chunks of a cut document go two by two, the
/// more expensive two to the rank with fewer pairs. If no number of cuts suffices (a row
/// of too few tokens), the one with the fewest pairs, then tokens, on the busiest rank is
/// taken. Deterministic; O(ranks * documents * log documents).
struct balanced_split {
    std::int64_t percent = 2;

    constexpr void operator()(std::span<const std::int32_t> cu_seqlens,
                              std::vector<std::vector<document_slice>>& slices) const {
        std::vector<document_slice> documents;  // whole, longest first
        for (std::size_t d = 0; d + 1 < cu_seqlens.size(); ++d) {
            documents.push_back(
                {static_cast<std::int32_t>(d), 0, cu_seqlens[d + 1] - cu_seqlens[d]});
        }
        std::sort(documents.begin(), documents.end(), [](const auto& a, const auto& b) {
            return a.end != b.end ? a.end > b.end : a.document < b.document;
        });
        load all;
        for (const document_slice& document : documents)
            all.add(document);
        const auto ranks = static_cast<std::int64_t>(slices.size());
        const auto limit = [&](std::int64_t sum) {
            const std::int64_t mean = detail::ceil_divide(sum, ranks);
            return mean + mean / 100 * percent + mean % 100 * percent / 100;
        };
        const load most{limit(all.tokens), limit(all.pairs)};

        std::size_t cuts = 0;
        while (cuts < documents.size() && (documents[cuts].tokens() > most.tokens ||
                                           documents[cuts].causal_pairs() > most.pairs)) {
            ++cuts;
        }
        double least = 0;
        for (bool first = true;; first = false) {
            auto tried = assign(documents, cuts, slices.size(), all);
            const load busiest = tried.busiest();
            const double worst = larger_share(busiest, all);
            const bool enough =
                busiest.tokens <= most.tokens && busiest.pairs <= most.pairs;
            if (first || enough || worst < least) {
                least = worst;
                slices = std::move(tried.slices);
            }
            if (enough || cuts == documents.size()) return;
            cuts = std::min(cuts + 1 + cuts / 2, documents.size());
        }
    }

private:
    struct load {
        std::int64_t tokens = 0;
        std::int64_t pairs = 0;

        constexpr void add(const document_slice& slice) {
            tokens += slice.tokens();
            pairs += slice.causal_pairs();
        }
    };
    struct assignment {
        std::vector<std::vector<document_slice>> slices;
        std::vector<load> loads;

        constexpr void give(std::size_t rank, const document_slice& slice) {
            slices[rank].push_back(slice);
            loads[rank].add(slice);
        }
        [[nodiscard]] constexpr load busiest() const {
            load most;
            for (const load& l : loads) {
                most.tokens = std::max(most.tokens, l.tokens);
                most.pairs = std::max(most.pairs, l.pairs);
            }
            return most;
        }
    };

    /// The larger share of the row's tokens or of its pairs. Division and comparison of
    /// doubles round alike everywhere. A row without tokens has no shares.
    static constexpr double larger_share(load part, load all) {
        if (all.tokens == 0) return 0;
        return std::max(
            static_cast<double>(part.tokens) / static_cast<double>(all.tokens),
            static_cast<double>(part.pairs) / static_cast<double>(all.pairs));
    }

    /// The first `cuts` documents in chunks, the others whole.
    static constexpr assignment assign(const std::vector<document_slice>& documents,
                                       std::size_t cuts, std::size_t ranks, load all) {
        assignment to{std::vector<std::vector<document_slice>>(
                          ranks, std::vector<document_slice>{}),
                      std::vector<load>(ranks, load{})};
        const auto share = [&](std::size_t rank, const document_slice& document) {
            load l = to.loads[rank];
            l.add(document);
            return larger_share(l, all);
        };
        for (std::size_t d = cuts; d < documents.size(); ++d) {
            if (documents[d].tokens() == 0) continue;
            std::size_t best = 0;
            double smallest = share(0, documents[d]);
            for (std::size_t rank = 1; rank < ranks; ++rank) {
                const double of_rank = share(rank, documents[d]);
                if (of_rank < smallest) {
                    smallest = of_rank;
                    best = rank;
                }
            }
            to.give(best, documents[d]);
        }
        for (std::size_t d = 0; d < cuts; ++d)
            cut(documents[d], to);
        return to;
    }

    /// Chunks c and 2 * ranks - 1 - c together: the most expensive two to the rank with
    /// the fewest pairs (then tokens, then by number), and so on.
    static constexpr void cut(const document_slice& document, assignment& to) {
        const std::size_t ranks = to.slices.size();
        struct chunks {
            document_slice head, tail;
            load both;
            std::size_t number = 0;
        };
        std::vector<chunks> parts(ranks, chunks{});
        std::vector<std::size_t> by_load(ranks, 0);
        for (std::size_t c = 0; c < ranks; ++c) {
            const auto chunk = [&](std::size_t part) {
                return document_slice{
                    document.document, detail::part_edge(document.end, part, 2 * ranks),
                    detail::part_edge(document.end, part + 1, 2 * ranks)};
            };
            parts[c] = {chunk(c), chunk(2 * ranks - 1 - c), {}, c};
            parts[c].both.add(parts[c].head);
            parts[c].both.add(parts[c].tail);
            by_load[c] = c;
        }
        std::sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) {
            if (a.both.pairs != b.both.pairs) return a.both.pairs > b.both.pairs;
            if (a.both.tokens != b.both.tokens) return a.both.tokens > b.both.tokens;
            return a.number < b.number;
        });
        std::sort(by_load.begin(), by_load.end(), [&](auto a, auto b) {
            const load& x = to.loads[a];
            const load& y = to.loads[b];
            if (x.pairs != y.pairs) return x.pairs < y.pairs;
            return x.tokens != y.tokens ? x.tokens < y.tokens : a < b;
        });
        for (std::size_t c = 0; c < ranks; ++c) {
            to.give(by_load[c], parts[c].head);
            to.give(by_load[c], parts[c].tail);
        }
    }
};

/// A value that fills `slices`, one list a rank, with slices that cover the row.
template <class S>
concept context_strategy = requires(
    const S& split, std::span<const std::int32_t> cu_seqlens,
    std::vector<std::vector<document_slice>>& slices) { split(cu_seqlens, slices); };

/// Splits a packed row between `ranks` ranks. Padding counts only if it is a document of
/// the row.
/// @throws invalid_argument for 0 ranks, wrong boundaries, or a strategy that does not
///   cover every token exactly once
template <context_strategy Strategy = balanced_split>
[[nodiscard]] constexpr context_split split_context(
    std::span<const std::int32_t> cu_seqlens, std::size_t ranks,
    const Strategy& strategy = {}) {
    if (ranks == 0) detail::throw_invalid_argument("ranks is 0, it must be positive");
    detail::check_cu_seqlens(cu_seqlens);
    std::vector<std::vector<document_slice>> slices(ranks, std::vector<document_slice>{});
    strategy(cu_seqlens, slices);
    return {std::vector<std::int32_t>(cu_seqlens.begin(), cu_seqlens.end()),
            std::move(slices)};
}

}  // namespace packkit
