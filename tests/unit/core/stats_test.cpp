// SPDX-License-Identifier: Apache-2.0
#include <packkit/lengths/summary.hpp>
#include <packkit/packing/efficiency.hpp>
#include <packkit/sampling/imbalance.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <packkit/packing/pack.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(stats_test)

using packkit::invalid_argument;
namespace tt = boost::test_tools;

BOOST_AUTO_TEST_CASE(summarizes_as_numpy_does) {
    // Population std; percentiles interpolated between order statistics.
    const auto s = packkit::summarize(std::vector{16, 2, 5, 1, 8, 10, 5, 5});
    BOOST_TEST(s.samples == 8u);
    BOOST_TEST(s.tokens == 52);
    BOOST_TEST(s.min == 1);
    BOOST_TEST(s.max == 16);
    BOOST_TEST(s.mean == 6.5);
    BOOST_TEST(s.median == 5.0);
    BOOST_TEST(s.std == 4.5, tt::tolerance(1e-15));
    BOOST_TEST(s.p90 == 11.8, tt::tolerance(1e-15));
    BOOST_TEST(s.p99 == 15.58, tt::tolerance(1e-15));
}

BOOST_AUTO_TEST_CASE(summary_does_not_depend_on_the_order) {
    std::mt19937_64 random(5);
    std::vector<std::int64_t> lengths(1001);
    for (auto& length : lengths)
        length = static_cast<std::int64_t>(random() % 100000);
    const auto before = packkit::summarize(lengths);
    std::shuffle(lengths.begin(), lengths.end(), random);
    BOOST_TEST((packkit::summarize(lengths) == before));
}

BOOST_AUTO_TEST_CASE(summary_of_few) {
    BOOST_TEST((packkit::summarize(std::vector<int>{}) == packkit::length_summary{}));
    const auto one = packkit::summarize(std::vector{7});
    BOOST_TEST((one.min == 7 && one.max == 7 && one.mean == 7 && one.std == 0));
    BOOST_TEST((one.median == 7 && one.p90 == 7 && one.p99 == 7));
    BOOST_TEST(packkit::summarize(std::vector{1, 4}).median == 2.5);
    expect::message_of<invalid_argument>(
        [] { (void)packkit::summarize(std::vector{1, -1}); }, "item 1 has length -1");
}

BOOST_AUTO_TEST_CASE(histogram_covers_every_length_once) {
    using bucket = packkit::histogram_bucket;
    const auto h = packkit::length_histogram(std::vector{0, 1, 2, 9, 5, 5}, 2);
    BOOST_TEST((h == std::vector<bucket>{{0, 5, 3}, {5, 10, 3}}));
    const auto narrow = packkit::length_histogram(std::vector{3, 4, 4}, 10);
    BOOST_TEST((narrow == std::vector<bucket>{{3, 4, 1}, {4, 5, 2}}));
    BOOST_TEST(packkit::length_histogram(std::vector<int>{}, 4).empty());
    std::mt19937_64 random(8);
    for (int round = 0; round < 300; ++round) {
        std::vector<std::int64_t> lengths(1 + random() % 50);
        const std::uint64_t most =
            1 + random() % (round % 2 == 0 ? 20 : 1'000'000'000'000);
        for (auto& length : lengths)
            length = static_cast<std::int64_t>(random() % most);
        const auto buckets = packkit::length_histogram(lengths, 1 + random() % 12);
        const auto [min, max] = std::ranges::minmax(lengths);
        BOOST_REQUIRE(buckets.front().lo == min);
        BOOST_REQUIRE(buckets.back().hi == max + 1);
        for (std::size_t k = 0; k < buckets.size(); ++k) {
            if (k > 0) BOOST_REQUIRE(buckets[k].lo == buckets[k - 1].hi);
            const auto inside = std::ranges::count_if(lengths, [&](std::int64_t length) {
                return buckets[k].lo <= length && length < buckets[k].hi;
            });
            BOOST_REQUIRE(buckets[k].count == static_cast<std::size_t>(inside));
            const std::int64_t width = buckets[k].hi - buckets[k].lo;
            const std::int64_t first_width = buckets[0].hi - buckets[0].lo;
            BOOST_REQUIRE((width > 0 && std::abs(width - first_width) <= 1));
        }
    }
    expect::message_of<invalid_argument>(
        [] { (void)packkit::length_histogram(std::vector{1}, 0); }, "0 buckets");
}

BOOST_AUTO_TEST_CASE(efficiency_and_padding) {
    BOOST_TEST(packkit::packing_efficiency(75, 10, 10) == 0.75);
    BOOST_TEST(packkit::padding_tokens(75, 10, 10) == 25);
    BOOST_TEST(packkit::packing_efficiency(0, 0, 10) == 1.0);
    BOOST_TEST(packkit::padding_tokens(0, 0, 10) == 0);
    expect::message_of<invalid_argument>(
        [] { (void)packkit::packing_efficiency(101, 10, 10); }, "101 tokens", "10 bins",
        "100");
    BOOST_CHECK_THROW(
        (void)packkit::padding_tokens(1, 4, std::numeric_limits<std::int64_t>::max()),
        invalid_argument);
    BOOST_CHECK_THROW((void)packkit::padding_tokens(1, 4, 0), invalid_argument);
}

BOOST_AUTO_TEST_CASE(efficiency_without_packing) {
    const std::vector<int> lengths = {10, 5, 2, 8, 5};
    BOOST_TEST(packkit::padded_to_capacity_efficiency(lengths, 20) == 30.0 / 100.0);
    // (10, 5) to 10, (2, 8) to 8, (5) alone: 20 + 16 + 5 slots
    BOOST_TEST(packkit::padded_to_longest_efficiency(lengths, 2) == 30.0 / 41.0);
    BOOST_TEST(packkit::padded_to_longest_efficiency(lengths, 1) == 1.0);
    BOOST_TEST(packkit::padded_to_longest_efficiency(lengths, 100) == 30.0 / 50.0);
    BOOST_TEST(packkit::padded_to_longest_efficiency(std::vector<int>{}, 3) == 1.0);
    BOOST_CHECK_THROW((void)packkit::padded_to_longest_efficiency(lengths, 0),
                      invalid_argument);
}

BOOST_AUTO_TEST_CASE(imbalance_over_ranks) {
    const std::vector<int> lengths = {10, 3, 3, 4, 6};
    packkit::bin_list<> bins;
    bins.append({0});        // rank 0: 10 tokens, 100 pairs
    bins.append({1, 2, 3});  // rank 1: 10 tokens, 34 pairs
    bins.append({4});        // rank 0: 6 tokens more, 36 pairs more
    BOOST_TEST(packkit::rank_imbalance(bins, lengths, 2) == 16.0 / 13.0 - 1.0,
               tt::tolerance(1e-15));
    BOOST_TEST(packkit::attention_imbalance(bins, lengths, 2) == 136.0 / 85.0 - 1.0,
               tt::tolerance(1e-15));
    BOOST_TEST(packkit::rank_imbalance(bins, lengths, 1) == 0.0);
    BOOST_TEST(packkit::rank_imbalance(packkit::bin_list<>{}, lengths, 4) == 0.0);
    BOOST_CHECK_THROW((void)packkit::rank_imbalance(bins, lengths, 0), invalid_argument);
    expect::message_of<invalid_argument>(
        [&] { (void)packkit::rank_imbalance(bins, std::vector{1, 2}, 2); },
        "bin 1 holds item 2, but there are 2 lengths");
}

BOOST_AUTO_TEST_SUITE_END()
