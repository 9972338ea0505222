// SPDX-License-Identifier: Apache-2.0
#include <packkit/packing/next_k_fit.hpp>
#include <packkit/packing/pack.hpp>

#include <array>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"
#include "textbook.hpp"

BOOST_AUTO_TEST_SUITE(next_k_fit_test)

namespace {

using packkit::pack;
using packkit::window_fit;
using packkit::window_fit_packer;
using textbook::bins;
using textbook::nested;

static_assert(packkit::packing_policy<window_fit>);
static_assert(pack(std::array{5, 7, 5, 2, 4, 2, 5, 1, 6}, 10, window_fit{2}).size() == 5);

// The oldest of the last k bins with room, by looking at each.
bins obvious(const std::vector<std::int64_t>& lengths, std::int64_t capacity,
             std::size_t k, std::size_t bin_size) {
    bins out;
    std::vector<std::int64_t> room;
    for (std::uint32_t i = 0; i < lengths.size(); ++i) {
        std::size_t b = out.size() > k ? out.size() - k : 0;
        while (b < out.size() &&
               (room[b] < lengths[i] || (bin_size != 0 && out[b].size() == bin_size))) {
            ++b;
        }
        if (b == out.size()) {
            out.emplace_back();
            room.push_back(capacity);
        }
        out[b].push_back(i);
        room[b] -= lengths[i];
    }
    return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(equals_the_obvious_window) {
    std::mt19937_64 random(11);
    for (int round = 0; round < 5000; ++round) {
        const std::int64_t capacity = 1 + static_cast<std::int64_t>(random() % 60);
        std::vector<std::int64_t> lengths(random() % 150);
        for (auto& length : lengths) {
            length = 1 + static_cast<std::int64_t>(random() %
                                                   static_cast<std::uint64_t>(capacity));
        }
        const std::size_t k = 1 + random() % 20;
        const std::size_t bin_size = random() % 4;
        BOOST_REQUIRE(nested(pack(lengths, capacity, window_fit{.open_bins = k},
                                  {.bin_size = bin_size})) ==
                      obvious(lengths, capacity, k, bin_size));
    }
}

BOOST_AUTO_TEST_CASE(one_open_bin_is_next_fit_and_all_are_first_fit) {
    std::mt19937_64 random(12);
    std::vector<int> lengths(4000);
    for (auto& length : lengths)
        length = 1 + static_cast<int>(random() % 1000);
    const packkit::pack_limits limits{.group_size = 1500, .bin_size = 3};
    BOOST_TEST((pack(lengths, 1000, window_fit{1}, limits) ==
                pack(lengths, 1000, packkit::next_fit{}, limits)));
    for (const std::size_t all : {lengths.size(), std::size_t{1} << 31}) {
        BOOST_TEST((pack(lengths, 1000, window_fit{all}, limits) ==
                    pack(lengths, 1000, packkit::first_fit{}, limits)));
    }
}

BOOST_AUTO_TEST_CASE(the_oldest_bin_with_room_is_taken_and_the_oldest_closed) {
    // With three open bins the 1s go to bin 0 while it is open; the fourth bin closes it.
    const std::vector<int> lengths = {8, 9, 9, 1, 9, 1, 1};
    BOOST_TEST(
        (nested(pack(lengths, 10, window_fit{3})) == bins{{0, 3}, {1, 5}, {2, 6}, {4}}));
}

BOOST_AUTO_TEST_CASE(a_packer_says_which_bins_are_open) {
    window_fit_packer packer({.capacity = 10, .bin_size = 2}, 2);
    BOOST_TEST(packer.bins() == 0u);
    BOOST_TEST(packer.first_open() == 0u);
    BOOST_TEST(packer.add(6) == 0u);
    BOOST_TEST(packer.add(7) == 1u);
    BOOST_TEST(packer.first_open() == 0u);
    BOOST_TEST(packer.add(2) == 0u);  // bin 0 now holds two items, so it is full
    BOOST_TEST(packer.add(3) == 1u);
    BOOST_TEST(packer.add(1) == 2u);
    BOOST_TEST(packer.first_open() == 1u);
    BOOST_TEST(packer.bins() == 3u);
    BOOST_TEST(packer.items() == 5u);
}

BOOST_AUTO_TEST_CASE(a_packer_continues_from_open_bins) {
    const std::array<window_fit_packer::contents, 2> open = {{{6, 1}, {3, 2}}};
    window_fit_packer packer({.capacity = 10, .bin_size = 2}, 2, open);
    BOOST_TEST(packer.bins() == 2u);
    BOOST_TEST(packer.items() == 3u);
    BOOST_TEST(packer.add(4) == 0u);
    BOOST_TEST(packer.add(1) == 2u);  // bin 1 has its two items
    const auto from = [](std::int64_t load, std::size_t items, std::size_t open_bins) {
        const std::array<window_fit_packer::contents, 1> one = {{{load, items}}};
        (void)window_fit_packer({.capacity = 10, .bin_size = 2}, open_bins, one);
    };
    BOOST_CHECK_NO_THROW(from(10, 2, 1));
    expect::message_of<packkit::invalid_argument>([&] { from(11, 2, 1); },
                                                  "open bin 0 holds 11 tokens");
    expect::message_of<packkit::invalid_argument>([&] { from(0, 1, 1); }, "0 tokens");
    expect::message_of<packkit::invalid_argument>([&] { from(5, 0, 1); }, "0 items");
    expect::message_of<packkit::invalid_argument>([&] { from(5, 3, 1); }, "3 items");
    expect::message_of<packkit::invalid_argument>(
        [&] { (void)window_fit_packer({.capacity = 10}, 1, open); },
        "2 open bins in a window of 1");
}

BOOST_AUTO_TEST_CASE(capacity_may_be_the_largest_there_is) {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    const std::vector<std::int64_t> lengths = {most, most - 1, 1, most / 2, most / 2};
    BOOST_TEST((nested(pack(lengths, most, window_fit{2})) == bins{{0}, {1, 2}, {3, 4}}));
}

BOOST_AUTO_TEST_CASE(refuses_no_window_and_lengths_that_do_not_fit) {
    using packkit::invalid_argument;
    expect::message_of<invalid_argument>(
        [] { (void)pack(std::vector{1}, 10, window_fit{0}); }, "window of 0 open bins");
    window_fit_packer packer({.capacity = 10}, 4);
    packer.add(4);
    expect::message_of<invalid_argument>([&] { packer.add(11); },
                                         "item 1 has length 11, capacity is 10");
    expect::message_of<invalid_argument>([&] { packer.add(0); },
                                         "item 1 has length 0, lengths must be positive");
    BOOST_TEST(packer.add(6) == 0u);
    BOOST_TEST(packer.items() == 2u);
    BOOST_CHECK_THROW(window_fit_packer({.capacity = 0}, 1), invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()
