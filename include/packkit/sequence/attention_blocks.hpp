// SPDX-License-Identifier: Apache-2.0
/// @file
/// How a context-parallel rank's attention is put together from documents of queries and
/// keys that an attention kernel knows, without a mask: for a ring, and for keys gathered
/// at once.
#pragma once

#include <packkit/error.hpp>
#include <packkit/sequence/context_exchange.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace packkit {

/// Queries of a document among the rank's tokens, and keys of it among those at hand.
struct attention_block {
    token_range queries;
    token_range keys;

    friend constexpr bool operator==(const attention_block&,
                                     const attention_block&) = default;
};

/// Blocks of one attention call: queries, and keys, ascending and disjoint.
using attention_blocks = std::vector<attention_block>;

/// The attention of `rank` on its own keys: a document's slices one behind the other are
/// in order, so each query sees the keys up to itself, whatever lies between the slices.
/// Needs that there is no window. Precondition: `rank < split.ranks()`.
[[nodiscard]] constexpr attention_blocks own_blocks(const context_split& split,
                                                    std::size_t rank) {
    attention_blocks blocks;
    std::int64_t at = 0;
    std::int32_t document = -1;
    for (const document_slice& slice : split.slices(rank)) {
        const std::int64_t end = at + slice.tokens();
        if (slice.document == document) {
            blocks.back().queries.end = end;
            blocks.back().keys.end = end;
        } else {
            blocks.push_back({{at, end}, {at, end}});
        }
        document = slice.document;
        at = end;
    }
    return blocks;
}

/// Attention calls of `rank` on what came in that step of a ring, counted from the first
/// token received: every query of a block sees every key of it, so no mask is needed.
///
/// Keys that lie between two of the rank's slices are seen by those behind them. A
/// document that is cut head-tail needs one call, any other at most as many as the rank
/// has slices of it.
/// @throws invalid_argument where the exchange has a window: some queries would see a
///   part of their keys
[[nodiscard]] constexpr std::vector<attention_blocks> ring_blocks(
    const context_exchange& exchange, std::size_t rank, std::size_t step) {
    if (exchange.window() != 0) {
        detail::throw_invalid_argument("a ring's blocks with window ", exchange.window(),
                                       ": gather the keys instead");
    }
    const std::size_t ranks = exchange.ranks();
    PACKKIT_ASSERT(rank < ranks && step > 0 && step < ranks);
    const auto own = exchange.split().slices(rank);
    std::vector<attention_blocks> calls;
    std::int64_t arrived = 0;
    std::size_t slice = 0;    // of own, the first of this document behind the key
    std::int64_t before = 0;  // own tokens before it
    std::int64_t end = 0;     // own tokens up to the document's end
    std::size_t call = 0;     // of the document
    std::int32_t document = -1;
    std::size_t block_of = own.size();  // the slice that the last block begins with
    for (const document_slice& keys :
         exchange.sent((rank + ranks - step) % ranks, rank)) {
        if (keys.document != document) {
            document = keys.document;
            for (; own[slice].document < document; ++slice)
                before += own[slice].tokens();
            end = before;
            for (std::size_t i = slice; i < own.size() && own[i].document == document;
                 ++i) {
                end += own[i].tokens();
            }
            call = 0;
            block_of = own.size();
        }
        for (; own[slice].begin < keys.end; ++slice)
            before += own[slice].tokens();
        const token_range come{arrived, arrived + keys.tokens()};
        arrived = come.end;
        if (block_of == slice) {
            calls[call - 1].back().keys.end = come.end;
            continue;
        }
        block_of = slice;
        if (call == calls.size()) calls.emplace_back();
        calls[call++].push_back({{before, end}, come});
    }
    return calls;
}

/// The keys of every slice of a rank, one behind the other: with bottom-right causal
/// masks, and windows, of a kernel each query sees what it should.
struct gathered_keys {
    /// Boundaries of the slices' queries among the rank's tokens.
    std::vector<std::int32_t> queries;
    /// Boundaries of their keys.
    std::vector<std::int32_t> keys;
    /// Where the keys come from, in order, in the rank's own tokens followed by what each
    /// other rank sent, in rank order. A key that two slices see comes twice.
    std::vector<token_range> sources;

    /// Whether the keys are the rank's own tokens as they lie.
    [[nodiscard]] constexpr bool own_only() const { return queries == keys; }
};

/// O((slices + received) log). Precondition: `rank < exchange.ranks()`.
[[nodiscard]] constexpr gathered_keys gather_keys(const context_exchange& exchange,
                                                  std::size_t rank) {
    struct piece {
        document_slice slice;
        std::int64_t at = 0;
    };
    std::vector<piece> pieces;
    std::int64_t at = 0;
    const auto add = [&](const document_slice& slice) {
        pieces.push_back({slice, at});
        at += slice.tokens();
    };
    const auto own = exchange.split().slices(rank);
    for (const document_slice& slice : own)
        add(slice);
    for (std::size_t from = 0; from < exchange.ranks(); ++from) {
        for (const document_slice& slice : exchange.sent(from, rank))
            add(slice);
    }
    std::sort(pieces.begin(), pieces.end(),
              [](const piece& a, const piece& b) { return a.slice < b.slice; });

    gathered_keys gathered{{0}, {0}, {}};
    std::size_t first = 0;  // of the document's pieces
    for (const document_slice& queries : own) {
        for (; pieces[first].slice.document < queries.document; ++first) {}
        std::int32_t next = exchange.first_key(queries.begin);
        std::int64_t keys = 0;
        for (std::size_t i = first; i < pieces.size() && next < queries.end; ++i) {
            const document_slice& slice = pieces[i].slice;
            if (slice.end <= next) continue;
            PACKKIT_ASSERT(slice.document == queries.document && slice.begin <= next);
            const std::int64_t begin = pieces[i].at + (next - slice.begin);
            const std::int64_t end =
                pieces[i].at + (std::min(slice.end, queries.end) - slice.begin);
            keys += end - begin;
            next = slice.end;
            auto& sources = gathered.sources;
            if (!sources.empty() && sources.back().end == begin) {
                sources.back().end = end;
            } else {
                sources.push_back({begin, end});
            }
        }
        gathered.queries.push_back(gathered.queries.back() + queries.tokens());
        gathered.keys.push_back(gathered.keys.back() + static_cast<std::int32_t>(keys));
    }
    return gathered;
}

}  // namespace packkit
