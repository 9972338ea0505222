// SPDX-License-Identifier: Apache-2.0
#include <packkit/sequence/context_split.hpp>
#include <packkit/sequence/cu_seqlens.hpp>

#include <cstdint>
#include <vector>

#include <rapidcheck/boost_test.h>

BOOST_AUTO_TEST_SUITE(context_split_properties)

namespace {

std::vector<std::int32_t> any_boundaries() {
    const auto lengths = *rc::gen::container<std::vector<std::int32_t>>(rc::gen::oneOf(
        rc::gen::inRange(0, 4), rc::gen::inRange(0, 60), rc::gen::inRange(0, 900)));
    return packkit::cu_seqlens(lengths);
}

/// Every token on one rank, found again from its position; sums as counted one by one.
template <class Strategy>
void check(const std::vector<std::int32_t>& boundaries, std::size_t ranks,
           const Strategy& strategy) {
    const auto split = packkit::split_context(boundaries, ranks, strategy);
    const auto places = packkit::position_ids(boundaries);
    RC_ASSERT(split.ranks() == ranks);
    std::vector<int> seen(places.size(), 0);
    for (std::size_t rank = 0; rank < ranks; ++rank) {
        const auto positions = split.row_positions(rank);
        const auto ids = split.position_ids(rank);
        const auto local = split.local_cu_seqlens(rank);
        RC_ASSERT(ids.size() == positions.size());
        RC_ASSERT(split.tokens(rank) == static_cast<std::int64_t>(positions.size()));
        RC_ASSERT(local.back() == split.tokens(rank));
        RC_ASSERT(local.size() == split.slices(rank).size() + 1);
        std::int64_t pairs = 0;
        for (std::size_t i = 0; i < positions.size(); ++i) {
            const auto at = static_cast<std::size_t>(positions[i]);
            RC_ASSERT(at < places.size());
            if (i > 0) RC_ASSERT(positions[i - 1] < positions[i]);
            ++seen[at];
            RC_ASSERT(ids[i] == places[at]);
            pairs += places[at] + 1;
            const auto place = split.place_of(positions[i]);
            RC_ASSERT(place.rank == rank);
            RC_ASSERT(place.index == static_cast<std::int64_t>(i));
        }
        RC_ASSERT(split.causal_pairs(rank) == pairs);
    }
    for (const int times : seen)
        RC_ASSERT(times == 1);
    // Deterministic.
    const auto again = packkit::split_context(boundaries, ranks, strategy);
    for (std::size_t rank = 0; rank < ranks; ++rank)
        RC_ASSERT(again.row_positions(rank) == split.row_positions(rank));
}

}  // namespace

RC_BOOST_PROP(a_split_covers_a_row_once, ()) {
    const auto boundaries = any_boundaries();
    const auto ranks = *rc::gen::inRange<std::size_t>(1, 10);
    check(boundaries, ranks, packkit::contiguous_split{});
    check(boundaries, ranks, packkit::head_tail_split{});
    check(boundaries, ranks, packkit::balanced_split{});
}

RC_BOOST_PROP(contiguous_parts_are_equal_to_one_token, ()) {
    const auto boundaries = any_boundaries();
    const auto ranks = *rc::gen::inRange<std::int64_t>(1, 10);
    const auto split = packkit::split_context(boundaries, static_cast<std::size_t>(ranks),
                                              packkit::contiguous_split{});
    for (std::int64_t rank = 0; rank < ranks; ++rank) {
        const auto tokens = split.tokens(static_cast<std::size_t>(rank));
        RC_ASSERT(tokens >= boundaries.back() / ranks);
        RC_ASSERT(tokens <= boundaries.back() / ranks + 1);
    }
}

// Each of a document's 2 * ranks chunks is equal to one token, so a rank has at most one
// token, and one row of pairs, more than its share for each of its two chunks.
RC_BOOST_PROP(head_tail_chunks_of_one_document_are_balanced, ()) {
    const auto length = *rc::gen::inRange<std::int32_t>(0, 5000);
    const auto ranks = *rc::gen::inRange<std::int64_t>(1, 17);
    const auto split = packkit::split_context(std::vector<std::int32_t>{0, length},
                                              static_cast<std::size_t>(ranks),
                                              packkit::head_tail_split{});
    const std::int64_t pairs = std::int64_t{length} * (length + 1) / 2;
    for (std::int64_t rank = 0; rank < ranks; ++rank) {
        const auto r = static_cast<std::size_t>(rank);
        RC_ASSERT(split.tokens(r) >= length / ranks - 1);
        RC_ASSERT(split.tokens(r) <= length / ranks + 2);
        RC_ASSERT(split.causal_pairs(r) <= pairs / ranks + 2 * length);
    }
}

BOOST_AUTO_TEST_SUITE_END()
