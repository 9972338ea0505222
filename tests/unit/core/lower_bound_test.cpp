// SPDX-License-Identifier: Apache-2.0
#include <packkit/packing/bound/lower_bound.hpp>

#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"
#include "textbook.hpp"

BOOST_AUTO_TEST_SUITE(lower_bound_test)

using packkit::best_lower_bound;
using packkit::lower_bound_l1;
using packkit::lower_bound_l2;

BOOST_AUTO_TEST_CASE(l1_divides_and_rounds_up) {
    BOOST_TEST(lower_bound_l1(std::vector<int>{}, 10) == 0u);
    BOOST_TEST(lower_bound_l1(std::vector{10}, 10) == 1u);
    BOOST_TEST(lower_bound_l1(std::vector{5, 5, 1}, 10) == 2u);
    BOOST_TEST(lower_bound_l1(std::vector{6, 6, 6}, 10) == 2u);
}

BOOST_AUTO_TEST_CASE(l2_sees_items_that_cannot_share) {
    BOOST_TEST(lower_bound_l2(std::vector<int>{}, 10) == 0u);
    BOOST_TEST(lower_bound_l2(std::vector{6, 6, 6}, 10) == 3u);
    BOOST_TEST(lower_bound_l2(std::vector{5, 5, 5}, 10) == 2u);
    // The 9 leaves no room for a 4, the 6 for one; three 4s take one bin more.
    BOOST_TEST(lower_bound_l2(std::vector{9, 6, 4, 4, 4}, 10) == 3u);
    BOOST_TEST(lower_bound_l1(std::vector{9, 6, 4, 4, 4}, 10) == 3u);
    BOOST_TEST(best_lower_bound(std::vector{6, 6, 6, 1}, 10) == 3u);
}

BOOST_AUTO_TEST_CASE(l2_equals_its_definition) {
    std::mt19937_64 random(99);
    int above_l1 = 0;
    for (int round = 0; round < 4000; ++round) {
        const auto capacity = static_cast<std::int64_t>(1 + random() % 60);
        std::vector<std::int64_t> lengths(random() % 40);
        const std::uint64_t spread = 1 + random() % static_cast<std::uint64_t>(capacity);
        for (auto& length : lengths) {
            length = capacity - static_cast<std::int64_t>(random() % spread);
            if (random() % 2 == 0) length = capacity + 1 - length;
        }
        const std::size_t l1 = lower_bound_l1(lengths, capacity);
        const std::size_t l2 = lower_bound_l2(lengths, capacity);
        BOOST_REQUIRE_EQUAL(l2, textbook::lower_bound_l2(lengths, capacity));
        BOOST_REQUIRE_GE(l2, l1);
        BOOST_REQUIRE_GE(best_lower_bound(lengths, capacity), l2);
        above_l1 += l2 > l1 ? 1 : 0;
    }
    BOOST_TEST(above_l1 > 500);  // else the comparison says little
}

BOOST_AUTO_TEST_CASE(bounds_work_near_the_largest_capacity) {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    BOOST_TEST(best_lower_bound(std::vector{most / 2 + 1, most / 2 - 1}, most) == 1u);
    BOOST_TEST(best_lower_bound(std::vector{most}, most) == 1u);
    expect::message_of<packkit::invalid_argument>(
        [] { (void)lower_bound_l1(std::vector{most, most}, most); }, "sum of lengths");
}

BOOST_AUTO_TEST_CASE(bounds_refuse_what_pack_refuses) {
    using packkit::invalid_argument;
    const std::vector<int> lengths = {3, 11};
    expect::message_of<invalid_argument>([&] { (void)lower_bound_l1(lengths, 10); },
                                         "item 1 has length 11, capacity is 10");
    expect::message_of<invalid_argument>([&] { (void)lower_bound_l2(lengths, 10); },
                                         "item 1 has length 11, capacity is 10");
    expect::message_of<invalid_argument>([&] { (void)best_lower_bound(lengths, 0); },
                                         "capacity is 0");
}

BOOST_AUTO_TEST_SUITE_END()
