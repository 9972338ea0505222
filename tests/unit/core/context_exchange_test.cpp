// SPDX-License-Identifier: Apache-2.0
#include <packkit/estimate/context_traffic.hpp>
#include <packkit/sequence/attention_blocks.hpp>
#include <packkit/utility/random.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(context_exchange_test)

using packkit::attention_block;
using packkit::attention_blocks;
using packkit::context_exchange;
using packkit::context_variant;
using packkit::document_slice;
using packkit::head_tail_split;
using packkit::split_context;
using packkit::token_range;
using cu = std::vector<std::int32_t>;
using slices = std::vector<document_slice>;

namespace {

slices sent(const context_exchange& exchange, std::size_t from, std::size_t to) {
    return {exchange.sent(from, to).begin(), exchange.sent(from, to).end()};
}

/// Documents of 1 ... longest tokens until the row is full.
cu random_row(std::int32_t row, std::int32_t longest, std::uint64_t seed) {
    cu boundaries = {0};
    for (std::uint64_t d = 0; boundaries.back() < row; ++d) {
        const auto length = static_cast<std::int32_t>(
            1 + packkit::random_below(static_cast<std::uint64_t>(longest), seed, d));
        boundaries.push_back(std::min(row, boundaries.back() + length));
    }
    return boundaries;
}

// One document of 8 on two ranks: 0 holds [0, 2) and [6, 8), 1 holds [2, 6).
constexpr std::array<std::int32_t, 2> eight = {0, 8};
constexpr bool exchanges_at_compile_time() {
    const context_exchange exchange(split_context(eight, 2, head_tail_split{}));
    return exchange.tokens_sent(0, 1) == 2 && exchange.tokens_sent(1, 0) == 4 &&
           !exchange.silent() && ring_blocks(exchange, 0, 1).size() == 1 &&
           gather_keys(exchange, 1).keys.back() == 6;
}
static_assert(exchanges_at_compile_time());

}  // namespace

BOOST_AUTO_TEST_CASE(one_document_by_hand) {
    const context_exchange exchange(split_context(cu{0, 8}, 2, head_tail_split{}));
    BOOST_TEST((sent(exchange, 0, 1) == slices{{0, 0, 2}}));
    BOOST_TEST((sent(exchange, 1, 0) == slices{{0, 2, 6}}));
    BOOST_TEST(exchange.tokens_received(0) == 4);
    BOOST_TEST((exchange.ranges_sent(1, 0) == std::vector<token_range>{{0, 4}}));

    // Own keys: the slices one behind the other; those of rank 1 are seen by the tail.
    BOOST_TEST((own_blocks(exchange.split(), 0) == attention_blocks{{{0, 4}, {0, 4}}}));
    BOOST_TEST((ring_blocks(exchange, 0, 1) ==
                std::vector<attention_blocks>{{{{2, 4}, {0, 4}}}}));
    BOOST_TEST((ring_blocks(exchange, 1, 1) ==
                std::vector<attention_blocks>{{{{0, 4}, {0, 2}}}}));

    const auto keys = gather_keys(exchange, 0);
    BOOST_TEST((keys.queries == cu{0, 2, 4}));
    BOOST_TEST((keys.keys == cu{0, 2, 10}));
    BOOST_TEST(
        (keys.sources == std::vector<token_range>{{0, 2}, {0, 2}, {4, 8}, {2, 4}}));
}

BOOST_AUTO_TEST_CASE(a_window_limits_what_is_sent) {
    // Query 2 of rank 1 sees keys 0 and 1 (window 3); query 6 of rank 0 sees 4 and 5.
    const context_exchange exchange(split_context(cu{0, 8}, 2, head_tail_split{}), 3);
    BOOST_TEST((sent(exchange, 0, 1) == slices{{0, 0, 2}}));
    BOOST_TEST((sent(exchange, 1, 0) == slices{{0, 4, 6}}));
    const context_exchange own(split_context(cu{0, 8}, 2, head_tail_split{}), 1);
    BOOST_TEST(own.silent());
    BOOST_CHECK_THROW((void)ring_blocks(exchange, 0, 1), packkit::invalid_argument);
    BOOST_CHECK_THROW(context_exchange(split_context(cu{0, 8}, 2), -1),
                      packkit::invalid_argument);
}

BOOST_AUTO_TEST_CASE(keys_between_slices_take_a_call_of_their_own) {
    // Rank 0 holds [0, 1), [2, 3) and [4, 5): key 1 is seen by two slices, key 3 by one.
    const context_exchange exchange(packkit::context_split(
        cu{0, 5}, {{{0, 0, 1}, {0, 2, 3}, {0, 4, 5}}, {{0, 1, 2}, {0, 3, 4}}}));
    BOOST_TEST((ring_blocks(exchange, 0, 1) ==
                std::vector<attention_blocks>{{{{1, 3}, {0, 1}}}, {{{2, 3}, {1, 2}}}}));
}

BOOST_AUTO_TEST_CASE(documents_on_one_rank_are_not_sent) {
    const context_exchange exchange(split_context(cu{0, 3, 6, 9, 12}, 2));
    BOOST_TEST(exchange.silent());
    for (const auto variant : {context_variant::gather, context_variant::ring}) {
        BOOST_TEST((packkit::context_traffic(exchange, 0, variant, 1024) ==
                    packkit::collective_bytes{}));
    }
    BOOST_TEST(gather_keys(exchange, 1).own_only());
    // Beside a document that is cut they still are not.
    const context_exchange cut(split_context(cu{0, 1000, 1010, 1020}, 2));
    BOOST_TEST((sent(cut, 0, 1) == slices{{0, 0, 250}}));
    BOOST_TEST((sent(cut, 1, 0) == slices{{0, 250, 750}}));
}

BOOST_AUTO_TEST_CASE(traffic_by_hand) {
    // Rank 0 sends 2 tokens forward and again backward, and gradients of 4 back.
    const context_exchange exchange(split_context(cu{0, 8}, 2, head_tail_split{}));
    const auto gathered =
        packkit::context_traffic(exchange, 0, context_variant::gather, 10);
    BOOST_TEST(gathered.all_to_all == 80);
    BOOST_TEST(gathered.total() == 80);
    BOOST_TEST(gathered.collectives == 3);
    const auto ring = packkit::context_traffic(exchange, 0, context_variant::ring, 10, 2);
    BOOST_TEST(ring.send_recv == 100);
    BOOST_TEST(ring.collectives == 4);
}

// What ranks would send if each sent the others its whole part.
BOOST_AUTO_TEST_CASE(less_is_sent_than_an_all_gather_would) {
    for (const std::size_t ranks : {2U, 4U, 8U}) {
        for (const std::int32_t longest : {200, 1000, 3000}) {
            std::int64_t needed = 0, all = 0;
            for (std::uint64_t seed = 0; seed < 20; ++seed) {
                const context_exchange exchange(
                    split_context(random_row(16384, longest, seed), ranks));
                for (std::size_t rank = 0; rank < ranks; ++rank)
                    needed += exchange.tokens_sent(rank);
                all += static_cast<std::int64_t>(ranks - 1) * 16384;
            }
            BOOST_TEST_MESSAGE("documents of 1 to "
                               << longest << " tokens in rows of 16384, " << ranks
                               << " ranks: " << needed << " tokens sent, an all-gather "
                               << all << ", share "
                               << static_cast<double>(needed) / static_cast<double>(all));
            BOOST_TEST(needed * 10 <= all * 8);
            if (longest == 200) BOOST_TEST(needed == 0);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
