// SPDX-License-Identifier: Apache-2.0
#include <packkit/mesh/attention_heads.hpp>
#include <packkit/mesh/tensor_slice.hpp>

#include <boost/test/unit_test.hpp>

#include <vector>

BOOST_AUTO_TEST_SUITE(tensor_slice_test)

using namespace packkit;

BOOST_AUTO_TEST_CASE(parts_are_the_whole) {
    for (const std::int64_t parts : {1, 2, 3, 4, 7}) {
        for (const auto cut : {tensor_cut::rows, tensor_cut::columns}) {
            std::vector<int> seen(5 * 6);
            for (std::int64_t part = 0; part < parts; ++part) {
                const auto slice = slice_of(5, 6, cut, parts, part);
                for (auto r = slice.rows.begin; r < slice.rows.end; ++r) {
                    for (auto c = slice.columns.begin; c < slice.columns.end; ++c)
                        ++seen[static_cast<std::size_t>(r * 6 + c)];
                }
            }
            BOOST_TEST(seen == std::vector<int>(5 * 6, 1),
                       boost::test_tools::per_element());
        }
        for (std::int64_t part = 0; part < parts; ++part)
            BOOST_TEST(slice_of(5, 6, tensor_cut::replicated, parts, part).elements() ==
                       30);
    }
    BOOST_TEST((slice_of(5, 6, tensor_cut::rows, 2, 1) == tensor_slice{{3, 5}, {0, 6}}));
    BOOST_TEST(
        (slice_of(5, 6, tensor_cut::columns, 4, 2) == tensor_slice{{0, 5}, {4, 6}}));
    BOOST_TEST(slice_of(5, 6, tensor_cut::columns, 4, 3).elements() == 0);
}

BOOST_AUTO_TEST_CASE(shards_of_a_slice) {
    constexpr tensor_slice slice{{3, 8}, {2, 6}};
    static_assert(shard_of_slice(slice, 2, 0) == tensor_slice{{3, 6}, {2, 6}});
    static_assert(shard_of_slice(slice, 2, 1) == tensor_slice{{6, 8}, {2, 6}});
    BOOST_TEST(shard_of_slice(slice, 4, 3).elements() == 0);
    BOOST_CHECK((shard_of_slice(slice, 1, 0) == slice));
}

BOOST_AUTO_TEST_CASE(heads_that_cannot_be_cut) {
    BOOST_TEST(attention_cut_refusal(32, 8, 64).empty());
    BOOST_TEST(attention_cut_refusal(12, 8, 16) ==
               "tp 8 does not divide 12 attention heads; tp can be one of 1, 2, 4");
}

BOOST_AUTO_TEST_CASE(key_value_heads_of_query_heads) {
    using heads = std::vector<std::int64_t>;
    const auto check = [](std::int64_t query, std::int64_t key_value, std::int64_t parts,
                          std::int64_t part, const heads& expected) {
        const auto found = key_value_heads_of(query, key_value, parts, part);
        BOOST_TEST(found == expected, boost::test_tools::per_element());
    };
    check(8, 4, 1, 0, {0, 1, 2, 3});
    check(8, 4, 2, 1, {2, 3});
    check(8, 2, 4, 1, {0});  // shared with rank 0
    check(8, 2, 4, 2, {1});
    check(8, 1, 4, 3, {0});
    check(8, 8, 8, 5, {5});
    // Groups of four query heads, six on each rank: one key-value head for each of them.
    check(12, 3, 2, 0, {0, 0, 0, 0, 1, 1});
    check(12, 3, 2, 1, {1, 1, 2, 2, 2, 2});
}

BOOST_AUTO_TEST_SUITE_END()
