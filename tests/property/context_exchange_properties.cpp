// SPDX-License-Identifier: Apache-2.0
#include <packkit/sequence/attention_blocks.hpp>
#include <packkit/sequence/cu_seqlens.hpp>

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include <rapidcheck/boost_test.h>

BOOST_AUTO_TEST_SUITE(context_exchange_properties)

namespace {

using pair_counts = std::map<std::pair<std::int64_t, std::int64_t>, int>;

/// A row of a few documents, split in any way: each token may go anywhere.
packkit::context_split any_split() {
    const auto lengths = *rc::gen::container<std::vector<std::int32_t>>(
        rc::gen::oneOf(rc::gen::inRange(0, 4), rc::gen::inRange(0, 30)));
    auto boundaries = packkit::cu_seqlens(lengths);
    const auto ranks = *rc::gen::inRange<std::size_t>(1, 6);
    if (*rc::gen::arbitrary<bool>()) return packkit::split_context(boundaries, ranks);
    if (*rc::gen::arbitrary<bool>()) {
        return packkit::split_context(boundaries, ranks, packkit::head_tail_split{});
    }
    std::vector<std::vector<packkit::document_slice>> slices(ranks);
    for (std::size_t d = 0; d < lengths.size(); ++d) {
        for (std::int32_t i = 0; i < lengths[d];) {
            const auto end = *rc::gen::inRange(i + 1, lengths[d] + 1);
            slices[*rc::gen::inRange<std::size_t>(0, ranks)].push_back(
                {static_cast<std::int32_t>(d), i, end});
            i = end;
        }
    }
    return {std::move(boundaries), std::move(slices)};
}

/// Row positions of what `from` sends `to`.
std::vector<std::int64_t> positions_sent(const packkit::context_exchange& exchange,
                                         std::size_t from, std::size_t to) {
    std::vector<std::int64_t> out;
    for (const auto& slice : exchange.sent(from, to)) {
        const auto start =
            exchange.split().cu_seqlens()[static_cast<std::size_t>(slice.document)];
        for (std::int32_t i = slice.begin; i < slice.end; ++i)
            out.push_back(start + i);
    }
    return out;
}

/// Every pair that attention sees, once.
pair_counts expected_pairs(const std::vector<std::int32_t>& boundaries,
                           std::int64_t window) {
    pair_counts pairs;
    for (std::size_t d = 0; d + 1 < boundaries.size(); ++d) {
        for (std::int64_t q = boundaries[d]; q < boundaries[d + 1]; ++q) {
            for (std::int64_t k = boundaries[d]; k <= q; ++k) {
                if (window == 0 || q - k < window) pairs[{q, k}] = 1;
            }
        }
    }
    return pairs;
}

/// Adds the pairs of a block; causal: bottom-right, as kernels have it.
void add_block(const packkit::attention_block& block, bool causal, std::int64_t window,
               const std::vector<std::int64_t>& queries,
               const std::vector<std::int64_t>& keys, pair_counts& pairs) {
    const auto n = block.queries.tokens(), m = block.keys.tokens();
    RC_ASSERT(n > 0 && m > 0);
    for (std::int64_t i = 0; i < n; ++i) {
        const std::int64_t last = causal ? i + (m - n) : m - 1;
        const std::int64_t first =
            window > 0 ? std::max<std::int64_t>(0, last + 1 - window) : 0;
        for (std::int64_t j = first; j <= last; ++j) {
            ++pairs[{queries.at(static_cast<std::size_t>(block.queries.begin + i)),
                     keys.at(static_cast<std::size_t>(block.keys.begin + j))}];
        }
    }
}

}  // namespace

RC_BOOST_PROP(ranks_are_sent_what_their_queries_see_and_nothing_else, ()) {
    const auto split = any_split();
    const std::vector<std::int32_t> boundaries(split.cu_seqlens().begin(),
                                               split.cu_seqlens().end());
    const auto window = *rc::gen::inRange<std::int64_t>(0, 12);
    const packkit::context_exchange exchange(split, window);
    std::map<std::size_t, std::set<std::int64_t>> needed;
    for (const auto& [pair, times] : expected_pairs(boundaries, window)) {
        const auto to = split.place_of(pair.first).rank;
        if (split.place_of(pair.second).rank != to) needed[to].insert(pair.second);
    }
    std::size_t all = 0;
    for (std::size_t to = 0; to < split.ranks(); ++to) {
        std::int64_t received = 0;
        for (std::size_t from = 0; from < split.ranks(); ++from) {
            const auto positions = positions_sent(exchange, from, to);
            RC_ASSERT(exchange.tokens_sent(from, to) ==
                      static_cast<std::int64_t>(positions.size()));
            std::size_t at = 0;
            for (const auto& range : exchange.ranges_sent(from, to)) {
                for (std::int64_t i = range.begin; i < range.end; ++i, ++at) {
                    RC_ASSERT(split.row_positions(from).at(static_cast<std::size_t>(i)) ==
                              positions.at(at));
                }
            }
            RC_ASSERT(at == positions.size());
            for (const auto position : positions)
                RC_ASSERT(needed[to].erase(position) == 1);
            received += exchange.tokens_sent(from, to);
            all += positions.size();
        }
        RC_ASSERT(needed[to].empty());
        RC_ASSERT(exchange.tokens_received(to) == received);
    }
    RC_ASSERT(exchange.silent() == (all == 0));
}

RC_BOOST_PROP(a_ring_sees_every_pair_once, ()) {
    const auto split = any_split();
    const std::vector<std::int32_t> boundaries(split.cu_seqlens().begin(),
                                               split.cu_seqlens().end());
    const packkit::context_exchange exchange(split);
    pair_counts pairs;
    const std::size_t ranks = split.ranks();
    for (std::size_t rank = 0; rank < ranks; ++rank) {
        const auto own = split.row_positions(rank);
        for (const auto& block : own_blocks(split, rank))
            add_block(block, true, 0, own, own, pairs);
        for (std::size_t step = 1; step < ranks; ++step) {
            const auto come =
                positions_sent(exchange, (rank + ranks - step) % ranks, rank);
            for (const auto& call : ring_blocks(exchange, rank, step)) {
                for (std::size_t i = 0; i < call.size(); ++i) {
                    add_block(call[i], false, 0, own, come, pairs);
                    if (i == 0) continue;
                    RC_ASSERT(call[i].queries.begin >= call[i - 1].queries.end);
                    RC_ASSERT(call[i].keys.begin >= call[i - 1].keys.end);
                }
            }
        }
    }
    RC_ASSERT(pairs == expected_pairs(boundaries, 0));
}

RC_BOOST_PROP(gathered_keys_see_every_pair_once, ()) {
    const auto split = any_split();
    const std::vector<std::int32_t> boundaries(split.cu_seqlens().begin(),
                                               split.cu_seqlens().end());
    const auto window = *rc::gen::inRange<std::int64_t>(0, 12);
    const packkit::context_exchange exchange(split, window);
    pair_counts pairs;
    for (std::size_t rank = 0; rank < split.ranks(); ++rank) {
        const auto own = split.row_positions(rank);
        auto buffer = own;
        for (std::size_t from = 0; from < split.ranks(); ++from) {
            const auto come = positions_sent(exchange, from, rank);
            buffer.insert(buffer.end(), come.begin(), come.end());
        }
        const auto gathered = gather_keys(exchange, rank);
        std::vector<std::int64_t> keys;
        for (const auto& source : gathered.sources) {
            for (std::int64_t i = source.begin; i < source.end; ++i)
                keys.push_back(buffer.at(static_cast<std::size_t>(i)));
        }
        RC_ASSERT(gathered.keys.back() == static_cast<std::int32_t>(keys.size()));
        if (gathered.own_only()) RC_ASSERT(keys == own);
        for (std::size_t i = 0; i + 1 < gathered.queries.size(); ++i) {
            add_block({{gathered.queries[i], gathered.queries[i + 1]},
                       {gathered.keys[i], gathered.keys[i + 1]}},
                      true, window, own, keys, pairs);
        }
    }
    RC_ASSERT(pairs == expected_pairs(boundaries, window));
}

BOOST_AUTO_TEST_SUITE_END()
