// SPDX-License-Identifier: Apache-2.0
#include <packkit/lengths/padded_length.hpp>
#include <packkit/packing/pack.hpp>
#include <packkit/packing/two_resource.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"
#include "textbook.hpp"

BOOST_AUTO_TEST_SUITE(two_resource_test)

namespace {

using packkit::pack_two_resources;
using packkit::two_resource_limits;
using packkit::two_resource_lower_bound;
using textbook::bins;
using textbook::nested;
using amounts = std::vector<std::int64_t>;

static_assert(pack_two_resources(std::array{5, 5, 5}, std::array{2, 0, 2},
                                 {.tokens = 10, .second = 3})
                  .size() == 2);
static_assert(two_resource_lower_bound(std::array{5, 5, 5}, std::array{2, 0, 2},
                                       {.tokens = 10, .second = 3}) == 2);

// First-fit decreasing by the greater share, looking at every bin.
bins obvious(const amounts& a, const amounts& b, const two_resource_limits& limits) {
    std::vector<std::uint32_t> order(a.size());
    std::iota(order.begin(), order.end(), 0U);
    const auto share = [&](std::uint32_t i) {
        return std::max(static_cast<long double>(a[i]) * limits.second,
                        static_cast<long double>(b[i]) * limits.tokens);
    };
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t i, std::uint32_t j) {
        return share(i) > share(j);
    });
    bins out;
    std::vector<std::array<std::int64_t, 2>> room;
    for (const std::uint32_t i : order) {
        std::size_t at = 0;
        while (at < out.size() &&
               (room[at][0] < a[i] || room[at][1] < b[i] ||
                (limits.bin_size != 0 && out[at].size() == limits.bin_size))) {
            ++at;
        }
        if (at == out.size()) {
            out.emplace_back();
            room.push_back({limits.tokens, limits.second});
        }
        out[at].push_back(i);
        room[at][0] -= a[i];
        room[at][1] -= b[i];
    }
    return out;
}

struct instance {
    amounts a, b;
    two_resource_limits limits;
};

instance random_instance(std::mt19937_64& random, std::size_t most_items) {
    const auto below = [&random](std::int64_t n) {
        return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n));
    };
    instance made;
    made.limits = {1 + below(40), 1 + below(40), random() % 5};
    const std::size_t count = random() % (most_items + 1);
    const auto shape = below(4);
    for (std::size_t i = 0; i < count; ++i) {
        made.a.push_back(1 + below(made.limits.tokens));
        std::int64_t other = below(made.limits.second + 1);
        if (shape == 1) other = 0;
        if (shape == 2) other = made.a.back() * made.limits.second / made.limits.tokens;
        if (shape == 3) {  // what is long in one is short in the other
            other = made.limits.second -
                    made.a.back() * made.limits.second / made.limits.tokens;
        }
        made.b.push_back(other);
    }
    return made;
}

// The fewest bins there are, by trying every placement.
std::size_t optimum(const instance& given) {
    std::size_t best = given.a.size();
    struct state {
        std::int64_t a, b;
        std::size_t items;
    };
    std::vector<state> open;
    const auto place = [&](const auto& self, std::size_t i) -> void {
        if (open.size() >= best && i < given.a.size()) return;
        if (i == given.a.size()) {
            best = std::min(best, open.size());
            return;
        }
        for (std::size_t k = 0; k <= open.size(); ++k) {
            const bool opens = k == open.size();
            if (opens) open.push_back({0, 0, 0});
            const state before = open[k];
            const state after{before.a + given.a[i], before.b + given.b[i],
                              before.items + 1};
            if (after.a <= given.limits.tokens && after.b <= given.limits.second &&
                (given.limits.bin_size == 0 || after.items <= given.limits.bin_size)) {
                open[k] = after;
                self(self, i + 1);
                open[k] = before;
            }
            if (opens) {
                open.pop_back();
                break;
            }
        }
    };
    place(place, 0);
    return best;
}

}  // namespace

BOOST_AUTO_TEST_CASE(equals_the_obvious_two_resource_first_fit) {
    std::mt19937_64 random(31);
    for (int round = 0; round < 5000; ++round) {
        const instance given = random_instance(random, 120);
        BOOST_REQUIRE(nested(pack_two_resources(given.a, given.b, given.limits)) ==
                      obvious(given.a, given.b, given.limits));
    }
}

BOOST_AUTO_TEST_CASE(equals_the_obvious_when_large) {
    std::mt19937_64 random(32);
    amounts a(5000), b(5000);
    for (std::size_t i = 0; i < a.size(); ++i) {
        a[i] = 1 + static_cast<std::int64_t>(random() % 4096);
        b[i] = static_cast<std::int64_t>(random() % 3 == 0 ? random() % 1025 : 0);
    }
    const two_resource_limits limits{.tokens = 4096, .second = 1024, .bin_size = 7};
    BOOST_TEST((nested(pack_two_resources(a, b, limits)) == obvious(a, b, limits)));
    // Independent resources leave bins with room for one of them only; opposed ones, bins
    // with every mixture of both.
    for (auto& amount : b)
        amount = static_cast<std::int64_t>(random() % 1025);
    BOOST_TEST((nested(pack_two_resources(a, b, limits)) == obvious(a, b, limits)));
    for (std::size_t i = 0; i < a.size(); ++i)
        b[i] = std::min<std::int64_t>((4096 - a[i]) / 4 + b[i] / 8, 1024);
    BOOST_TEST((nested(pack_two_resources(a, b, limits)) == obvious(a, b, limits)));
}

BOOST_AUTO_TEST_CASE(a_second_resource_that_never_binds_changes_nothing) {
    std::mt19937_64 random(33);
    amounts a(3000);
    for (auto& length : a)
        length = 1 + static_cast<std::int64_t>(random() % 1000);
    BOOST_TEST((pack_two_resources(a, amounts(a.size(), 0), {1000, 1}) ==
                packkit::pack(a, 1000)));
    BOOST_TEST(
        (pack_two_resources(a, a, {1000, 1000, 3}) ==
         packkit::pack(a, 1000, packkit::first_fit_decreasing{}, {.bin_size = 3})));
}

BOOST_AUTO_TEST_CASE(bound_optimum_and_bins_are_in_order) {
    std::mt19937_64 random(34);
    std::size_t tight = 0;
    for (int round = 0; round < 1500; ++round) {
        const instance given = random_instance(random, 8);
        const std::size_t best = optimum(given);
        const std::size_t bound =
            two_resource_lower_bound(given.a, given.b, given.limits);
        BOOST_REQUIRE(bound <= best);
        BOOST_REQUIRE(best <= pack_two_resources(given.a, given.b, given.limits).size());
        tight += bound == best ? 1 : 0;
    }
    BOOST_TEST(tight >= 750u);
}

BOOST_AUTO_TEST_CASE(the_bound_looks_at_each_resource_and_the_bin_size) {
    const amounts a = {5, 5, 5, 5}, none(4, 0);
    BOOST_TEST(two_resource_lower_bound(a, none, {20, 1}) == 1u);
    BOOST_TEST(two_resource_lower_bound(a, none, {10, 1}) == 2u);
    BOOST_TEST(two_resource_lower_bound(a, amounts{6, 6, 6, 0}, {20, 10}) == 3u);
    BOOST_TEST(two_resource_lower_bound(a, none, {20, 1, 1}) == 4u);
    BOOST_TEST(two_resource_lower_bound(amounts{}, amounts{}, {20, 1, 3}) == 0u);
}

BOOST_AUTO_TEST_CASE(takes_projections_and_padding) {
    struct sample {
        int tokens;
        std::uint8_t image_tokens;
    };
    const std::vector<sample> samples = {{4, 2}, {9, 0}, {4, 2}, {1, 1}};
    const auto packed =
        pack_two_resources(samples, samples, {16, 3},
                           packkit::padded_to{8, &sample::tokens}, &sample::image_tokens);
    BOOST_TEST((nested(packed) == bins{{1}, {0, 3}, {2}}));
}

BOOST_AUTO_TEST_CASE(refuses_what_cannot_be_packed) {
    using packkit::invalid_argument;
    const auto packing = [](amounts a, amounts b, two_resource_limits limits) {
        return [=] { (void)pack_two_resources(a, b, limits); };
    };
    expect::message_of<invalid_argument>(packing({1, 11}, {0, 0}, {10, 5}),
                                         "item 1 has length 11, capacity is 10");
    expect::message_of<invalid_argument>(packing({1, 0}, {0, 0}, {10, 5}),
                                         "item 1 has length 0");
    expect::message_of<invalid_argument>(packing({1, 1}, {0, 6}, {10, 5}),
                                         "item 1 takes 6 of the second", "capacity of 5");
    expect::message_of<invalid_argument>(packing({1, 1}, {-1, 0}, {10, 5}),
                                         "item 0 takes -1");
    expect::message_of<invalid_argument>(packing({1, 1}, {0}, {10, 5}), "2 lengths",
                                         "1 amounts");
    expect::message_of<invalid_argument>(packing({}, {}, {10, 0}), "resource is 0");
    expect::message_of<invalid_argument>(packing({}, {}, {0, 10}), "capacity is 0");
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    expect::message_of<invalid_argument>(packing({}, {}, {most, 2}),
                                         "product of both capacities exceeds 64 bits");
    BOOST_TEST(pack_two_resources(amounts{most, 1}, amounts{1, 0}, {most, 1}).size() ==
               2u);
}

BOOST_AUTO_TEST_SUITE_END()
