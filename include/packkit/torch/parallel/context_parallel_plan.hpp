// SPDX-License-Identifier: Apache-2.0
/// @file
/// How a packed row lies on context-parallel ranks, and what each attention over it will
/// send and compute: worked out once a row, used in every layer.
#pragma once

#include <packkit/error.hpp>
#include <packkit/estimate/context_traffic.hpp>
#include <packkit/sequence/attention_blocks.hpp>
#include <packkit/torch/communication/communicator.hpp>
#include <packkit/torch/ops/varlen_attention.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace packkit::lt {

namespace detail {

/// Ranges that follow each other are one.
[[nodiscard]] inline std::vector<token_range> joined(std::vector<token_range> ranges) {
    std::vector<token_range> out;
    for (const token_range& range : ranges) {
        if (!out.empty() && out.back().end == range.begin) {
            out.back().end = range.end;
        } else {
            out.push_back(range);
        }
    }
    return out;
}

/// Boundaries of parts of these sizes.
[[nodiscard]] inline std::vector<std::int32_t> boundaries_of(
    const std::vector<token_range>& ranges) {
    std::vector<std::int32_t> out{0};
    for (const token_range& range : ranges)
        out.push_back(out.back() + static_cast<std::int32_t>(range.tokens()));
    return out;
}

/// One attention call of a ring step: rows of the rank's queries, rows of what came.
struct ring_call {
    ring_call(const attention_blocks& blocks, at::Device device)
        : query_rows(rows(blocks, &attention_block::queries)),
          key_rows(rows(blocks, &attention_block::keys)),
          queries(boundaries_of(query_rows), device),
          keys(boundaries_of(key_rows), device) {
        query_rows = joined(std::move(query_rows));
        key_rows = joined(std::move(key_rows));
    }

    std::vector<token_range> query_rows, key_rows;
    document_layout queries, keys;

private:
    static std::vector<token_range> rows(const attention_blocks& blocks,
                                         token_range attention_block::* which) {
        std::vector<token_range> out;
        for (const attention_block& block : blocks)
            out.push_back(block.*which);
        return out;
    }
};

/// One exchange of a ring, and the attention on what it brings.
struct ring_step {
    int to = 0, from = 0;
    std::vector<token_range> sent;  ///< among the rank's own tokens
    std::int64_t tokens_sent = 0, tokens_received = 0;
    std::vector<ring_call> calls;
};

struct ring_plan {
    ring_plan(const context_exchange& exchange, std::size_t rank, at::Device device)
        : own(boundaries_of(own_rows(exchange, rank)), device) {
        const std::size_t ranks = exchange.ranks();
        for (std::size_t step = 1; step < ranks; ++step) {
            if (exchange.silent_step(step)) continue;
            const std::size_t to = (rank + step) % ranks;
            const std::size_t from = (rank + ranks - step) % ranks;
            ring_step& made = steps.emplace_back();
            made.to = static_cast<int>(to);
            made.from = static_cast<int>(from);
            made.sent = exchange.ranges_sent(rank, to);
            made.tokens_sent = exchange.tokens_sent(rank, to);
            made.tokens_received = exchange.tokens_sent(from, rank);
            for (const attention_blocks& blocks : ring_blocks(exchange, rank, step))
                made.calls.emplace_back(blocks, device);
        }
    }

    document_layout own;           ///< the rank's documents, for queries and keys
    std::vector<ring_step> steps;  ///< those in which any rank sends

private:
    static std::vector<token_range> own_rows(const context_exchange& exchange,
                                             std::size_t rank) {
        std::vector<token_range> out;
        for (const attention_block& block : own_blocks(exchange.split(), rank))
            out.push_back(block.queries);
        return out;
    }
};

/// Keys in order: rows of the rank's own (origin is the rank) or of another's.
struct key_piece {
    std::size_t origin = 0;
    token_range rows;
};

struct gather_plan {
    gather_plan(const context_exchange& exchange, std::size_t rank, at::Device device)
        : gather_plan(exchange, rank, gather_keys(exchange, rank), device) {}

    document_layout queries, keys;
    bool silent;    ///< no rank sends anything
    bool own_only;  ///< this rank needs no keys but its own, as they lie
    std::vector<std::vector<token_range>> sent;              ///< own tokens, by receiver
    std::vector<std::int64_t> tokens_sent, tokens_received;  ///< by rank
    std::vector<key_piece> pieces;

private:
    gather_plan(const context_exchange& exchange, std::size_t rank,
                const gathered_keys& gathered, at::Device device)
        : queries(gathered.queries, device),
          keys(gathered.keys, device),
          silent(exchange.silent()),
          own_only(gathered.own_only()) {
        // Where each rank's part of `sources` begins: the own one first.
        std::vector<std::pair<std::size_t, token_range>> parts;
        const auto append = [&](std::size_t origin, std::int64_t tokens) {
            const std::int64_t begin = parts.empty() ? 0 : parts.back().second.end;
            parts.emplace_back(origin, token_range{begin, begin + tokens});
        };
        append(rank, exchange.split().tokens(rank));
        for (std::size_t other = 0; other < exchange.ranks(); ++other) {
            sent.push_back(exchange.ranges_sent(rank, other));
            tokens_sent.push_back(exchange.tokens_sent(rank, other));
            tokens_received.push_back(exchange.tokens_sent(other, rank));
            if (other != rank) append(other, tokens_received.back());
        }
        for (const token_range& source : gathered.sources) {
            for (const auto& [origin, part] : parts) {
                const auto begin = std::max(source.begin, part.begin);
                const auto end = std::min(source.end, part.end);
                if (begin < end)
                    pieces.push_back({origin, {begin - part.begin, end - part.begin}});
            }
        }
    }
};

}  // namespace detail

/// A packed row on the ranks of a group, and how they get each other's keys. Cheap to
/// copy; not thread-safe.
class context_layout {
public:
    /// This rank holds `split.slices(group.rank())`. `group` outlives the layout.
    /// `device`: where the kernels run.
    /// @throws invalid_argument unless the row is split between the group's ranks
    context_layout(context_split split, communicator& group,
                   context_variant variant = context_variant::gather,
                   at::Device device = at::kCPU)
        : shared_(std::make_shared<shared>(
              shared{std::move(split), group, variant, device, {}, {}})) {
        if (shared_->split.ranks() != static_cast<std::size_t>(group.size())) {
            throw invalid_argument("context_layout: the row is split between " +
                                   std::to_string(shared_->split.ranks()) +
                                   " ranks, group " + group.name() + " has " +
                                   std::to_string(group.size()));
        }
    }

    [[nodiscard]] const context_split& split() const { return shared_->split; }
    [[nodiscard]] communicator& group() const { return shared_->group; }
    [[nodiscard]] std::size_t rank() const {
        return static_cast<std::size_t>(group().rank());
    }
    /// Tokens of this rank.
    [[nodiscard]] std::int64_t tokens() const { return split().tokens(rank()); }
    /// The variant of an attention with that window.
    [[nodiscard]] context_variant variant(std::int64_t window) const {
        return context_variant_with(shared_->variant, window);
    }

    /// Works out what attentions with that window need now rather than at the first.
    void prepare(std::int64_t window) const {
        if (variant(window) == context_variant::ring) {
            static_cast<void>(ring());
        } else {
            static_cast<void>(gather(window));
        }
    }

    /// Made at the first use.
    [[nodiscard]] const detail::ring_plan& ring() const {
        auto& made = shared_->ring;
        if (!made) {
            made = std::make_unique<detail::ring_plan>(context_exchange(split()), rank(),
                                                       shared_->device);
        }
        return *made;
    }
    [[nodiscard]] const detail::gather_plan& gather(std::int64_t window) const {
        auto& made = shared_->gather[window];
        if (!made) {
            made = std::make_unique<detail::gather_plan>(
                context_exchange(split(), window), rank(), shared_->device);
        }
        return *made;
    }

private:
    struct shared {
        context_split split;
        communicator& group;
        context_variant variant;
        at::Device device;
        std::unique_ptr<detail::ring_plan> ring;
        std::map<std::int64_t, std::unique_ptr<detail::gather_plan>> gather;  // by window
    };

    std::shared_ptr<shared> shared_;
};

}  // namespace packkit::lt
