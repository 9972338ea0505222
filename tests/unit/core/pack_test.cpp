// SPDX-License-Identifier: Apache-2.0
#include <packkit/packing/pack.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <limits>
#include <list>
#include <random>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/mpl/list.hpp>
#include <boost/test/unit_test.hpp>

#include "expect.hpp"
#include "textbook.hpp"

BOOST_AUTO_TEST_SUITE(pack_test)

namespace {

using packkit::pack;
using textbook::bins;
using textbook::nested;
using textbook::rule;

struct as_textbook {
    rule choose;
    bool decreasing;
};

// Which textbook rule each policy is.
constexpr as_textbook textbook_of(packkit::first_fit) {
    return {rule::first, false};
}
constexpr as_textbook textbook_of(packkit::first_fit_decreasing) {
    return {rule::first, true};
}
constexpr as_textbook textbook_of(packkit::best_fit) {
    return {rule::best, false};
}
constexpr as_textbook textbook_of(packkit::best_fit_decreasing) {
    return {rule::best, true};
}
constexpr as_textbook textbook_of(packkit::next_fit) {
    return {rule::next, false};
}
constexpr as_textbook textbook_of(packkit::worst_fit_decreasing) {
    return {rule::worst, true};
}

using policies = boost::mpl::list<packkit::first_fit, packkit::first_fit_decreasing,
                                  packkit::best_fit, packkit::best_fit_decreasing,
                                  packkit::next_fit, packkit::worst_fit_decreasing>;
using length_types =
    boost::mpl::list<std::int8_t, std::uint8_t, short, unsigned short, int, unsigned,
                     long, unsigned long, long long, unsigned long long>;

// Lengths of four shapes: uniform, all large, all small, few distinct.
std::vector<std::int64_t> random_lengths(std::mt19937_64& random, std::int64_t capacity) {
    const auto below = [&random](std::int64_t n) {
        return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n));
    };
    std::vector<std::int64_t> lengths(static_cast<std::size_t>(below(121)));
    const std::int64_t shape = below(4);
    const std::int64_t step = std::max<std::int64_t>(capacity / 5, 1);
    for (auto& length : lengths) {
        if (shape == 0) length = 1 + below(capacity);
        if (shape == 1) length = capacity - below(capacity / 2 + 1);
        if (shape == 2) length = 1 + below(capacity / 4 + 1);
        if (shape == 3) length = std::min(capacity, step * (1 + below(5)));
    }
    return lengths;
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(equals_the_textbook_bin_by_bin, Policy, policies) {
    constexpr as_textbook expected = textbook_of(Policy{});
    std::mt19937_64 random(20240501);
    constexpr std::array<std::int64_t, 6> capacities = {1,   2,    10,
                                                        100, 4096, 1'000'000'007};
    for (int round = 0; round < 2000; ++round) {
        const std::int64_t capacity = capacities[random() % capacities.size()];
        const std::vector<std::int64_t> lengths = random_lengths(random, capacity);
        const packkit::pack_limits limits{
            .group_size = std::array<std::size_t, 4>{0, 1, 17, 50}[random() % 4],
            .bin_size = std::array<std::size_t, 4>{0, 1, 2, 5}[random() % 4]};
        const auto packed = nested(pack(lengths, capacity, Policy{}, limits));
        const auto wanted =
            textbook::pack(lengths, capacity, expected.choose, expected.decreasing,
                           limits.bin_size, limits.group_size);
        BOOST_REQUIRE_MESSAGE(packed == wanted, Policy::name << ", round " << round);
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(equals_the_textbook_when_large, Policy, policies) {
    constexpr as_textbook expected = textbook_of(Policy{});
    std::mt19937_64 random(7);
    std::vector<std::int64_t> lengths(5000);
    for (auto& length : lengths) {
        length =
            1 + static_cast<std::int64_t>(random() % 4096 * (random() % 4096) / 4096);
    }
    BOOST_TEST((nested(pack(lengths, 4096, Policy{})) ==
                textbook::pack(lengths, 4096, expected.choose, expected.decreasing)));
}

BOOST_AUTO_TEST_CASE(policies_differ_as_they_should) {
    const std::vector<int> lengths = {5, 7, 5, 2, 4, 2, 5, 1, 6};
    using packkit::pack;
    BOOST_TEST((nested(pack(lengths, 10, packkit::first_fit{})) ==
                bins{{0, 2}, {1, 3, 7}, {4, 5}, {6}, {8}}));
    BOOST_TEST((nested(pack(lengths, 10, packkit::best_fit{})) ==
                bins{{0, 2}, {1, 3, 7}, {4, 5}, {6}, {8}}));
    BOOST_TEST((nested(pack(lengths, 10, packkit::next_fit{})) ==
                bins{{0}, {1}, {2, 3}, {4, 5}, {6, 7}, {8}}));
    BOOST_TEST((nested(pack(lengths, 10)) == bins{{1, 3, 7}, {8, 4}, {0, 2}, {6, 5}}));
    BOOST_TEST((nested(pack(lengths, 10, packkit::worst_fit_decreasing{})) ==
                bins{{1, 5}, {8, 3, 7}, {0, 2}, {6, 4}}));
}

BOOST_AUTO_TEST_CASE(best_fit_breaks_ties_by_the_lowest_bin) {
    // Bins 0 and 2 are left with 4, bin 1 with 3; the 4 must go to bin 0, the 3 to bin 1.
    const std::vector<int> lengths = {6, 7, 6, 4, 3};
    BOOST_TEST(
        (nested(pack(lengths, 10, packkit::best_fit{})) == bins{{0, 3}, {1, 4}, {2}}));
}

BOOST_AUTO_TEST_CASE(first_fit_decreasing_reaches_its_bound) {
    // Johnson's family: 9 bins are optimal, FFD needs 11 = 11/9 of them.
    std::vector<int> lengths;
    lengths.insert(lengths.end(), 6, 501);
    lengths.insert(lengths.end(), 6, 252);
    lengths.insert(lengths.end(), 6, 251);
    lengths.insert(lengths.end(), 12, 248);
    BOOST_TEST(pack(lengths, 1000).size() == 11u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(reads_any_integer_type, Length, length_types) {
    const std::vector<Length> lengths = {Length{30}, Length{70}, Length{60}, Length{40}};
    BOOST_TEST((nested(pack(lengths, 100)) == bins{{1, 0}, {2, 3}}));
}

BOOST_AUTO_TEST_CASE(reads_any_sized_range) {
    const bins wanted = {{1, 0}, {2, 3}};
    BOOST_TEST((nested(pack(std::array{30, 70, 60, 40}, 100)) == wanted));
    BOOST_TEST((nested(pack(std::list{30, 70, 60, 40}, 100)) == wanted));
    BOOST_TEST((nested(pack(std::deque{30, 70, 60, 40}, 100)) == wanted));
    const int plain[] = {30, 70, 60, 40};
    BOOST_TEST((nested(pack(plain, 100)) == wanted));
    BOOST_TEST((nested(pack(std::span(plain), 100)) == wanted));
    const auto tenfold = std::views::transform([](int n) { return 10 * n; });
    BOOST_TEST((nested(pack(std::array{3, 7, 6, 4} | tenfold, 100)) == wanted));
    const std::string texts[] = {"aaa", "bbbbbbb", "cccccc", "dddd"};
    BOOST_TEST((nested(pack(texts, 10, packkit::first_fit_decreasing{}, {},
                            &std::string::size)) == wanted));
}

BOOST_AUTO_TEST_CASE(reads_members_by_projection) {
    struct sample {
        std::string name;
        unsigned tokens;
    };
    const std::vector<sample> samples = {{"a", 30}, {"b", 70}, {"c", 60}, {"d", 40}};
    const auto packed =
        pack(samples, 100, packkit::first_fit_decreasing{}, {}, &sample::tokens);
    BOOST_TEST((nested(packed) == bins{{1, 0}, {2, 3}}));
}

BOOST_AUTO_TEST_CASE(packs_nothing_into_nothing) {
    BOOST_TEST(pack(std::vector<int>{}, 10).empty());
    BOOST_TEST(
        pack(std::vector<int>{}, 10, packkit::next_fit{}, {.group_size = 3}).empty());
}

BOOST_AUTO_TEST_CASE(groups_do_not_mix) {
    const std::vector<int> lengths = {5, 5, 5, 5, 5};
    BOOST_TEST((nested(pack(lengths, 10, packkit::first_fit{}, {.group_size = 3})) ==
                bins{{0, 1}, {2}, {3, 4}}));
}

BOOST_AUTO_TEST_CASE(bin_size_limits_items) {
    const std::vector<int> lengths = {1, 1, 1, 1, 1};
    BOOST_TEST((nested(pack(lengths, 10, packkit::first_fit{}, {.bin_size = 2})) ==
                bins{{0, 1}, {2, 3}, {4}}));
}

BOOST_AUTO_TEST_CASE(capacity_may_be_the_largest_there_is) {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    const std::vector<std::int64_t> lengths = {most, most - 1, 1, most / 2, most / 2};
    BOOST_TEST((nested(pack(lengths, most)) == bins{{0}, {1, 2}, {3, 4}}));
    BOOST_TEST((nested(pack(lengths, most, packkit::best_fit_decreasing{})) ==
                bins{{0}, {1, 2}, {3, 4}}));
    BOOST_TEST(
        (nested(pack(lengths, most, packkit::next_fit{})) == bins{{0}, {1, 2}, {3, 4}}));
    BOOST_TEST((nested(pack(lengths, most, packkit::worst_fit_decreasing{})) ==
                bins{{0}, {1, 2}, {3, 4}}));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(refuses_what_cannot_be_packed, Policy, policies) {
    using packkit::invalid_argument;
    std::vector<int> lengths(20, 100);
    lengths[17] = 5000;
    expect::message_of<invalid_argument>([&] { (void)pack(lengths, 4096, Policy{}); },
                                         "item 17 has length 5000, capacity is 4096");
    lengths[3] = -2;
    expect::message_of<invalid_argument>(
        [&] { (void)pack(lengths, 4096, Policy{}); },
        "item 3 has length -2, lengths must be positive");
    lengths[2] = 0;
    expect::message_of<invalid_argument>([&] { (void)pack(lengths, 4096, Policy{}); },
                                         "item 2 has length 0, lengths must be positive");
    for (const std::int64_t capacity : {0, -1}) {
        expect::message_of<invalid_argument>(
            [&] { (void)pack(lengths, capacity, Policy{}); },
            "capacity is " + std::to_string(capacity), "must be positive");
    }
    expect::message_of<invalid_argument>(
        [&] { (void)pack(std::vector<std::uint64_t>{1, 1ULL << 63}, 4096, Policy{}); },
        "item 1 has length 9223372036854775808");
}

BOOST_AUTO_TEST_CASE(names_are_those_of_the_programs) {
    BOOST_TEST(packkit::first_fit::name == "first_fit");
    BOOST_TEST(packkit::first_fit_decreasing::name == "first_fit_decreasing");
    BOOST_TEST(packkit::best_fit::name == "best_fit");
    BOOST_TEST(packkit::best_fit_decreasing::name == "best_fit_decreasing");
    BOOST_TEST(packkit::next_fit::name == "next_fit");
    BOOST_TEST(packkit::worst_fit_decreasing::name == "worst_fit_decreasing");
}

namespace {

// A policy of a user's own: each sample alone.
struct one_a_bin {
    static constexpr std::string_view name = "one_a_bin";
    int* calls;
    void operator()(std::span<const std::int64_t> lengths, packkit::bin_limits,
                    std::uint32_t first, packkit::bin_list<>& out) const {
        ++*calls;
        for (std::uint32_t i = 0; i < lengths.size(); ++i)
            out.append({first + i});
    }
};

}  // namespace

BOOST_AUTO_TEST_CASE(takes_a_policy_of_a_users_own) {
    int calls = 0;
    const std::vector<int> lengths = {5, 5, 5};
    const auto packed = pack(lengths, 10, one_a_bin{&calls}, {.group_size = 2});
    BOOST_TEST((nested(packed) == bins{{0}, {1}, {2}}));
    BOOST_TEST(calls == 2);
}

BOOST_AUTO_TEST_CASE(sequential_packer_packs_a_stream_as_next_fit_does) {
    std::mt19937_64 random(11);
    for (int round = 0; round < 300; ++round) {
        const std::vector<std::int64_t> lengths = random_lengths(random, 100);
        const std::size_t bin_size = random() % 4;
        packkit::sequential_packer packer({.capacity = 100, .bin_size = bin_size});
        bins streamed;
        for (std::size_t i = 0; i < lengths.size(); ++i) {
            if (packer.add(lengths[i])) streamed.emplace_back();
            streamed.back().push_back(static_cast<std::uint32_t>(i));
            BOOST_REQUIRE(packer.bin_items() == streamed.back().size());
        }
        BOOST_REQUIRE(
            (streamed == textbook::pack(lengths, 100, rule::next, false, bin_size)));
        BOOST_REQUIRE(packer.bins() == streamed.size());
        BOOST_REQUIRE(packer.items() == lengths.size());
    }
}

BOOST_AUTO_TEST_CASE(sequential_packer_is_unchanged_by_what_it_refuses) {
    using packkit::invalid_argument;
    packkit::sequential_packer packer({.capacity = 10});
    BOOST_TEST(packer.add(6));
    expect::message_of<invalid_argument>([&] { packer.add(11); },
                                         "item 1 has length 11, capacity is 10");
    expect::message_of<invalid_argument>([&] { packer.add(0); }, "item 1 has length 0");
    BOOST_TEST(packer.load() == 6);
    BOOST_TEST(!packer.add(4));
    BOOST_TEST(packer.bins() == 1u);
    BOOST_CHECK_THROW(packkit::sequential_packer({.capacity = 0}), invalid_argument);
}

BOOST_AUTO_TEST_CASE(first_fit_tree_finds_the_lowest_bin_with_room) {
    packkit::first_fit_tree tree;
    BOOST_TEST(tree.find(1) == tree.size());
    std::vector<std::int64_t> residual;
    std::mt19937_64 random(3);
    for (int step = 0; step < 3000; ++step) {
        const auto value = static_cast<std::int64_t>(random() % 50);
        if (residual.empty() || random() % 3 == 0) {
            tree.open(value);
            residual.push_back(value);
        } else {
            const std::size_t bin = random() % residual.size();
            tree.set(bin, value);
            residual[bin] = value;
        }
        const auto wanted = static_cast<std::int64_t>(1 + random() % 50);
        const auto found = std::ranges::find_if(
            residual, [wanted](std::int64_t r) { return r >= wanted; });
        BOOST_REQUIRE(tree.find(wanted) ==
                      static_cast<std::size_t>(found - residual.begin()));
    }
}

BOOST_AUTO_TEST_SUITE_END()
