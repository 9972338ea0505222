// SPDX-License-Identifier: Apache-2.0
#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/bound/dual_feasible.hpp>
#include <packkit/packing/bound/lower_bound.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"
#include "textbook.hpp"

BOOST_AUTO_TEST_SUITE(dual_feasible_test)

using namespace packkit;

namespace {

/// The most that a bin's content is worth, for lengths any number of times.
template <class Function>
std::int64_t most_in_a_bin(const Function& f, std::int64_t capacity) {
    std::vector<std::int64_t> most(static_cast<std::size_t>(capacity) + 1, 0);
    for (std::int64_t room = 1; room <= capacity; ++room) {
        for (std::int64_t s = 1; s <= room; ++s) {
            auto& best = most[static_cast<std::size_t>(room)];
            best = std::max(best, most[static_cast<std::size_t>(room - s)] + f(s));
        }
    }
    return most.back();
}

template <class Function>
void check_function(const Function& f, std::int64_t capacity, std::int64_t parameter) {
    BOOST_TEST_CONTEXT("capacity " << capacity << " parameter " << parameter) {
        if (f.whole() == 0) return;  // the bound skips it
        BOOST_REQUIRE_LE(most_in_a_bin(f, capacity), f.whole());
        BOOST_REQUIRE_EQUAL(f(capacity), f.whole());
        for (std::int64_t s = 1; s < capacity; ++s) {
            BOOST_REQUIRE_GE(f(s), 0);
            BOOST_REQUIRE_LE(f(s), f(s + 1));
        }
    }
}

std::vector<std::int64_t> random_lengths(std::mt19937_64& random, std::int64_t capacity,
                                         std::size_t most) {
    std::vector<std::int64_t> lengths(random() % most);
    const std::uint64_t least = random() % static_cast<std::uint64_t>(capacity);
    const std::uint64_t spread =
        1 + random() % (static_cast<std::uint64_t>(capacity) - least);
    for (auto& length : lengths)
        length = static_cast<std::int64_t>(1 + least + random() % spread);
    return lengths;
}

length_counts counted(const std::vector<std::int64_t>& lengths, std::int64_t capacity) {
    return count_lengths(std::span<const std::int64_t>(lengths), capacity);
}

}  // namespace

// What fits into a bin is worth a bin at most: every content of every bin up to 60
// tokens, every parameter.
BOOST_AUTO_TEST_CASE(every_function_is_dual_feasible) {
    for (std::int64_t capacity = 1; capacity <= 60; ++capacity) {
        for (std::int64_t p = 1; p <= capacity; ++p) {
            check_function(fekete_schepers{capacity, p}, capacity, p);
            check_function(vanderbeck{capacity, p + 1}, capacity, p + 1);
            check_function(carlier_clautiaux_moukrim{capacity, p}, capacity, p);
            check_function(burdett_johnson{capacity, p}, capacity, p);
        }
    }
}

BOOST_AUTO_TEST_CASE(values_as_in_the_papers) {
    // u^(2): thirds keep their value, what lies between is rounded down to halves.
    BOOST_TEST(fekete_schepers({12, 2})(4) == 4 * 2);  // 1/3
    BOOST_TEST(fekete_schepers({12, 2})(5) == 12);     // 1/2
    BOOST_TEST(fekete_schepers({12, 2})(3) == 0);
    BOOST_TEST(fekete_schepers({12, 2}).whole() == 24);
    BOOST_TEST(carlier_clautiaux_moukrim({10, 3})(6) == 4);  // 3 - 4 / 3, doubled
    BOOST_TEST(carlier_clautiaux_moukrim({10, 3})(5) == 3);
    BOOST_TEST(carlier_clautiaux_moukrim({10, 3})(4) == 2);
    BOOST_TEST(burdett_johnson({10, 4})(7) == 2 + 1);  // 1 + (3/4 - 2/4) / (1 - 2/4)
    BOOST_TEST(burdett_johnson({10, 4}).whole() == 4);
    BOOST_TEST(vanderbeck({10, 3})(4) == 2);
    BOOST_TEST(vanderbeck({10, 3})(3) == 0);
    BOOST_TEST(vanderbeck({10, 3})(7) == 4);
}

BOOST_AUTO_TEST_CASE(the_bound_never_exceeds_the_optimum) {
    std::mt19937_64 random(5);
    int above_l2 = 0, reached = 0;
    constexpr int rounds = 6000;
    for (int round = 0; round < rounds; ++round) {
        const auto capacity = static_cast<std::int64_t>(2 + random() % 99);
        const auto lengths = random_lengths(random, capacity, 11);
        const std::size_t optimum = textbook::optimum(lengths, capacity);
        const std::size_t bound = lower_bound_dual_feasible(lengths, capacity);
        const std::size_t l2 = lower_bound_l2(lengths, capacity);
        BOOST_REQUIRE_LE(bound, optimum);
        BOOST_REQUIRE_GE(best_lower_bound(lengths, capacity), l2);
        BOOST_REQUIRE_EQUAL(best_lower_bound(lengths, capacity), std::max(bound, l2));
        above_l2 += bound > l2 ? 1 : 0;
        reached += std::max(bound, l2) == optimum ? 1 : 0;
    }
    BOOST_TEST(above_l2 > 50);
    BOOST_TEST(reached > rounds * 9 / 10);
}

BOOST_AUTO_TEST_CASE(stronger_than_l2_where_items_come_in_thirds) {
    // Two of 4 and none more into 11: five of them take three bins, by tokens and L2 two.
    const std::vector<std::int64_t> lengths(5, 4);
    BOOST_TEST(lower_bound_l2(lengths, 11) == 2u);
    BOOST_TEST(lower_bound_dual_feasible(lengths, 11) == 3u);
}

BOOST_AUTO_TEST_CASE(counts_and_lengths_give_the_same) {
    std::mt19937_64 random(17);
    for (int round = 0; round < 500; ++round) {
        const auto capacity = static_cast<std::int64_t>(2 + random() % 3000);
        const auto lengths = random_lengths(random, capacity, 300);
        const auto counts = counted(lengths, capacity);
        BOOST_REQUIRE_EQUAL(lower_bound_l1(lengths, capacity),
                            lower_bound_l1(counts, capacity));
        BOOST_REQUIRE_EQUAL(lower_bound_l2(lengths, capacity),
                            lower_bound_l2(counts, capacity));
        BOOST_REQUIRE_EQUAL(lower_bound_dual_feasible(lengths, capacity),
                            lower_bound_dual_feasible(counts, capacity));
        BOOST_REQUIRE_EQUAL(best_lower_bound(lengths, capacity),
                            best_lower_bound(counts, capacity));
    }
}

BOOST_AUTO_TEST_CASE(extremes) {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    BOOST_TEST(lower_bound_dual_feasible(std::vector<int>{}, 10) == 0u);
    BOOST_TEST(lower_bound_dual_feasible(std::vector{1}, 1) == 1u);
    BOOST_TEST(lower_bound_dual_feasible(std::vector{most}, most) == 0u);  // not tried
    BOOST_TEST(lower_bound_l2(std::vector{most / 2 + 1, most / 2 + 1, most / 2 + 1, 7L},
                              most) == 3u);
    length_counts counts;
    counts.count = {0, 0, 0, 5};
    expect::message_of<invalid_argument>(
        [&] { (void)lower_bound_dual_feasible(counts, 2); },
        "5 samples have length 3, expected 1 to the capacity of 2");
    expect::message_of<invalid_argument>(
        [] { (void)lower_bound_dual_feasible(std::vector{4, 11}, 10); },
        "item 1 has length 11, capacity is 10");
}

BOOST_AUTO_TEST_SUITE_END()
