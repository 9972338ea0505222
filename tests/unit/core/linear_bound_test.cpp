// SPDX-License-Identifier: Apache-2.0
#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/bound/linear_bound.hpp>
#include <packkit/packing/pattern_fit.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "textbook.hpp"

BOOST_AUTO_TEST_SUITE(linear_bound_test)

using namespace packkit;

namespace {

length_counts counted(const std::vector<std::int64_t>& lengths, std::int64_t capacity) {
    return count_lengths(std::span<const std::int64_t>(lengths), capacity);
}

/// The fewest bins of at most `bin_size` items, by trying every placement.
std::size_t optimum(std::vector<std::int64_t> lengths, std::int64_t capacity,
                    std::size_t bin_size) {
    std::sort(lengths.rbegin(), lengths.rend());
    std::size_t best = lengths.size();
    std::vector<std::pair<std::int64_t, std::size_t>> open;
    const auto place = [&](const auto& self, std::size_t item) -> void {
        if (open.size() >= best) return;
        if (item == lengths.size()) {
            best = open.size();
            return;
        }
        for (std::size_t b = 0; b < open.size(); ++b) {
            if (open[b].first < lengths[item]) continue;
            if (bin_size != 0 && open[b].second == bin_size) continue;
            open[b] = {open[b].first - lengths[item], open[b].second + 1};
            self(self, item + 1);
            open[b] = {open[b].first + lengths[item], open[b].second - 1};
        }
        open.emplace_back(capacity - lengths[item], 1);
        self(self, item + 1);
        open.pop_back();
    };
    place(place, 0);
    return best;
}

}  // namespace

BOOST_AUTO_TEST_CASE(between_the_quick_bounds_and_the_optimum) {
    std::mt19937_64 random(31);
    int linear = 0, reached = 0;
    constexpr int rounds = 12'000;
    for (int round = 0; round < rounds; ++round) {
        const auto capacity = static_cast<std::int64_t>(2 + random() % 80);
        std::vector<std::int64_t> lengths(random() % 11);
        const std::uint64_t least = random() % static_cast<std::uint64_t>(capacity);
        for (auto& length : lengths) {
            length = static_cast<std::int64_t>(
                1 + least + random() % (static_cast<std::uint64_t>(capacity) - least));
        }
        const std::size_t bin_size = random() % 5;
        const auto counts = counted(lengths, capacity);
        const std::size_t best = optimum(lengths, capacity, bin_size);
        const named_bound quick = best_named_bound(counts, capacity, bin_size);
        const named_bound bound = linear_bound(counts, capacity, bin_size);
        BOOST_REQUIRE_LE(bound.bins, best);
        BOOST_REQUIRE_GE(bound.bins, quick.bins);
        BOOST_REQUIRE_GE(bound.bins, lower_bound_l1(counts, capacity));
        BOOST_REQUIRE_EQUAL(bound.name == "linear", bound.bins > quick.bins);
        linear += bound.name == "linear" ? 1 : 0;
        reached += bound.bins == best ? 1 : 0;
    }
    BOOST_TEST(linear > 10);
    BOOST_TEST(reached > rounds * 97 / 100);
}

// Sixty each of three lengths: the quick bounds stop two bins short of the optimum.
BOOST_AUTO_TEST_CASE(proves_what_the_quick_bounds_do_not) {
    for (const auto& [a, b, c] : {std::array{15, 17, 37}, {15, 21, 30}, {15, 22, 43}}) {
        length_counts counts;
        counts.count.assign(101, 0);
        for (const int length : {a, b, c})
            counts.count[static_cast<std::size_t>(length)] = 60;
        counts.samples = 180;
        const std::size_t bins = plan_pattern_fit(counts, 100).size();
        BOOST_TEST(best_lower_bound(counts, 100) == bins - 2);
        BOOST_TEST((linear_bound(counts, 100) == named_bound{bins, "linear"}));
        // What is enough is not exceeded by much work.
        BOOST_TEST(linear_bound(counts, 100, 0, {}, bins - 2).bins == bins - 2);
    }
}

BOOST_AUTO_TEST_CASE(a_limit_costs_strength_only) {
    std::mt19937_64 random(77);
    for (int round = 0; round < 5; ++round) {
        std::vector<std::int64_t> lengths(2000);
        for (auto& length : lengths)
            length = static_cast<std::int64_t>(20 + random() % 180);
        const auto counts = counted(lengths, 256);
        const std::size_t quick = best_lower_bound(counts, 256);
        const std::size_t full = linear_bound(counts, 256).bins;
        std::size_t before = quick;
        for (const std::size_t iterations : {1u, 20u, 100u, 400u}) {
            const std::size_t some =
                linear_bound(counts, 256, 0, {.iterations = iterations}).bins;
            BOOST_REQUIRE_GE(some, before);
            before = some;
        }
        BOOST_REQUIRE_GE(full, before);
        BOOST_REQUIRE_LE(full, plan_pattern_fit(counts, 256).size());
        BOOST_REQUIRE_EQUAL(linear_bound(counts, 256, 0, {.distinct_lengths = 3}).bins,
                            quick);
    }
}

BOOST_AUTO_TEST_CASE(items_a_bin_count) {
    // Three a bin: 300 of 10 tokens take 100 bins whatever the capacity.
    length_counts counts;
    counts.count.assign(101, 0);
    counts.count[10] = 300;
    counts.samples = 300;
    BOOST_TEST((linear_bound(counts, 100, 3) == named_bound{100, "items_per_bin"}));
    BOOST_TEST((linear_bound(counts, 100) == named_bound{30, "L1"}));
    BOOST_TEST((linear_bound({}, 100) == named_bound{}));
    // One of 60 tokens a bin at most, and two items.
    counts.count[60] = 60;
    counts.count[10] = 100;
    counts.samples = 160;
    BOOST_TEST(linear_bound(counts, 100, 2).bins == 80u);
}

BOOST_AUTO_TEST_SUITE_END()
