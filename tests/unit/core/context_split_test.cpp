// SPDX-License-Identifier: Apache-2.0
#include <packkit/sequence/context_split.hpp>
#include <packkit/utility/random.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(context_split_test)

using packkit::balanced_split;
using packkit::contiguous_split;
using packkit::document_slice;
using packkit::head_tail_split;
using packkit::invalid_argument;
using packkit::split_context;
using cu = std::vector<std::int32_t>;
using slices = std::vector<document_slice>;

namespace {

slices of(const packkit::context_split& split, std::size_t rank) {
    return {split.slices(rank).begin(), split.slices(rank).end()};
}

/// Largest of the ranks' sums over their mean.
struct balance {
    double tokens = 0;
    double pairs = 0;
};

balance balance_of(const packkit::context_split& split) {
    std::int64_t tokens = 0, pairs = 0, most_tokens = 0, most_pairs = 0;
    for (std::size_t rank = 0; rank < split.ranks(); ++rank) {
        tokens += split.tokens(rank);
        pairs += split.causal_pairs(rank);
        most_tokens = std::max(most_tokens, split.tokens(rank));
        most_pairs = std::max(most_pairs, split.causal_pairs(rank));
    }
    const auto ranks = static_cast<double>(split.ranks());
    return {ranks * static_cast<double>(most_tokens) / static_cast<double>(tokens),
            ranks * static_cast<double>(most_pairs) / static_cast<double>(pairs)};
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

constexpr std::array<std::int32_t, 3> two_documents = {0, 6, 9};
static_assert(split_context(two_documents, 2, head_tail_split{}).tokens(0) == 4);
static_assert(split_context(two_documents, 3).ranks() == 3);

}  // namespace

BOOST_AUTO_TEST_CASE(causal_pairs_are_counted_one_by_one) {
    for (std::int32_t begin = 0; begin < 12; ++begin) {
        for (std::int32_t end = begin; end < 12; ++end) {
            std::int64_t pairs = 0;
            for (std::int32_t query = begin; query < end; ++query) {
                for (std::int32_t key = 0; key <= query; ++key)
                    ++pairs;
            }
            BOOST_TEST((document_slice{0, begin, end}.causal_pairs()) == pairs);
        }
    }
    constexpr std::int32_t most = std::numeric_limits<std::int32_t>::max();
    BOOST_TEST((document_slice{0, 0, most}.causal_pairs()) == 2305843008139952128);
}

BOOST_AUTO_TEST_CASE(contiguous_parts_are_cut_at_equal_distances) {
    const auto split = split_context(cu{0, 6, 9}, 2, contiguous_split{});
    BOOST_TEST((of(split, 0) == slices{{0, 0, 4}}));
    BOOST_TEST((of(split, 1) == slices{{0, 4, 6}, {1, 0, 3}}));
    BOOST_TEST(split.causal_pairs(0) == 10);
    BOOST_TEST(split.causal_pairs(1) == 11 + 6);
}

BOOST_AUTO_TEST_CASE(head_tail_pairs_first_and_last_chunks) {
    const auto split = split_context(cu{0, 8}, 2, head_tail_split{});
    BOOST_TEST((of(split, 0) == slices{{0, 0, 2}, {0, 6, 8}}));
    BOOST_TEST((of(split, 1) == slices{{0, 2, 6}}));  // chunks 1 and 2 are neighbours
    BOOST_TEST(split.causal_pairs(0) == 18);
    BOOST_TEST(split.causal_pairs(1) == 18);
    // Of a length that 4 chunks do not divide: 1 + 2 + 2 + 2 tokens, nothing padded.
    const auto odd = split_context(cu{0, 7}, 2, head_tail_split{});
    BOOST_TEST((of(odd, 0) == slices{{0, 0, 1}, {0, 5, 7}}));
    BOOST_TEST((of(odd, 1) == slices{{0, 1, 5}}));
}

BOOST_AUTO_TEST_CASE(balanced_keeps_short_documents_whole) {
    const auto split = split_context(cu{0, 3, 6, 9, 12}, 2);
    BOOST_TEST((of(split, 0) == slices{{0, 0, 3}, {2, 0, 3}}));
    BOOST_TEST((of(split, 1) == slices{{1, 0, 3}, {3, 0, 3}}));
    // A document of more than a share is cut, the small ones are not.
    const auto cut = split_context(cu{0, 1000, 1010, 1020}, 2);
    BOOST_TEST((of(cut, 0) == slices{{0, 0, 250}, {0, 750, 1000}, {1, 0, 10}}));
    BOOST_TEST((of(cut, 1) == slices{{0, 250, 750}, {2, 0, 10}}));
}

BOOST_AUTO_TEST_CASE(a_rank_knows_its_tokens) {
    const auto split = split_context(cu{0, 8, 11}, 2, head_tail_split{});
    BOOST_TEST((of(split, 0) == slices{{0, 0, 2}, {0, 6, 8}, {1, 2, 3}}));
    BOOST_TEST((split.row_positions(0) == std::vector<std::int64_t>{0, 1, 6, 7, 10}));
    BOOST_TEST((split.position_ids(0) == std::vector<std::int64_t>{0, 1, 6, 7, 2}));
    BOOST_TEST((split.local_cu_seqlens(0) == cu{0, 2, 4, 5}));
    BOOST_TEST((split.place_of(7) == packkit::token_place{0, 3}));
    BOOST_TEST((split.place_of(10) == packkit::token_place{0, 4}));
    BOOST_TEST((split.place_of(3) == packkit::token_place{1, 1}));
}

// Tokens and causal pairs of the busiest rank, over the mean.
BOOST_AUTO_TEST_CASE(balanced_rows_are_within_five_percent) {
    for (const std::size_t ranks : {2U, 4U, 8U}) {
        for (const std::int32_t row : {4096, 8192, 16384, 65536}) {
            balance worst, head_tail, contiguous;
            const auto keep = [](balance& most, balance b) {
                most.tokens = std::max(most.tokens, b.tokens);
                most.pairs = std::max(most.pairs, b.pairs);
            };
            for (std::uint64_t seed = 0; seed < 50; ++seed) {
                const auto boundaries = random_row(row, 3000, seed);
                keep(worst, balance_of(split_context(boundaries, ranks)));
                keep(head_tail,
                     balance_of(split_context(boundaries, ranks, head_tail_split{})));
                keep(contiguous,
                     balance_of(split_context(boundaries, ranks, contiguous_split{})));
            }
            BOOST_TEST_MESSAGE("row " << row << ", " << ranks << " ranks: pairs "
                                      << worst.pairs << ", tokens " << worst.tokens
                                      << "; head-tail pairs " << head_tail.pairs
                                      << "; contiguous pairs " << contiguous.pairs);
            BOOST_TEST(worst.pairs <= 1.05);
            BOOST_TEST(worst.tokens <= 1.05);
            BOOST_TEST(contiguous.pairs > worst.pairs);
        }
    }
}

BOOST_AUTO_TEST_CASE(many_short_documents_balance_without_a_cut) {
    cu boundaries = {0};
    for (int d = 0; d < 800; ++d)
        boundaries.push_back(boundaries.back() + 1 + d % 9);
    const auto split = split_context(boundaries, 8);
    BOOST_TEST(balance_of(split).pairs <= 1.01);
    BOOST_TEST(balance_of(split).tokens <= 1.01);
    for (std::size_t rank = 0; rank < 8; ++rank) {
        for (const document_slice& slice : split.slices(rank)) {
            const auto d = static_cast<std::size_t>(slice.document);
            BOOST_TEST(slice.tokens() == boundaries[d + 1] - boundaries[d]);
        }
    }
}

BOOST_AUTO_TEST_CASE(rows_without_enough_tokens_leave_ranks_empty) {
    const auto split = split_context(cu{0, 1, 1, 3}, 8);
    std::int64_t tokens = 0;
    for (std::size_t rank = 0; rank < 8; ++rank)
        tokens += split.tokens(rank);
    BOOST_TEST(tokens == 3);
    BOOST_TEST(split_context(cu{0}, 4).tokens(3) == 0);
    BOOST_TEST(split_context(cu{0, 0, 0}, 4, contiguous_split{}).tokens(0) == 0);
}

BOOST_AUTO_TEST_CASE(what_does_not_cover_a_row_is_refused) {
    expect::message_of<invalid_argument>([] { (void)split_context(cu{0, 3}, 0); },
                                         "ranks is 0");
    expect::message_of<invalid_argument>([] { (void)split_context(cu{0, 3, 2}, 2); },
                                         "cu_seqlens[2] is 2");
    const auto make = [](std::vector<slices> parts) {
        return packkit::context_split(cu{0, 4, 6}, std::move(parts));
    };
    expect::message_of<invalid_argument>([&] { (void)make({{{0, 0, 4}}, {{1, 1, 2}}}); },
                                         "token 4 is in no slice");
    expect::message_of<invalid_argument>([&] { (void)make({{{0, 0, 4}}, {{1, 0, 1}}}); },
                                         "token 5 is in no slice");
    expect::message_of<invalid_argument>(
        [&] { (void)make({{{0, 0, 4}, {1, 0, 2}}, {{0, 2, 3}}}); },
        "token 2 is in two slices");
    expect::message_of<invalid_argument>([&] { (void)make({{{0, 0, 5}}}); },
                                         "slice [0, 5) of document 0 of rank 0");
    expect::message_of<invalid_argument>([&] { (void)make({{{2, 0, 1}}}); },
                                         "document 2");
    const auto split = split_context(cu{0, 3}, 2);
    expect::message_of<invalid_argument>([&] { (void)split.place_of(3); },
                                         "position 3 of a row of 3");
    BOOST_CHECK_THROW((void)split.place_of(-1), invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()
