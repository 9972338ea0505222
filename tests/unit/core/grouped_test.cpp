// SPDX-License-Identifier: Apache-2.0
#include <packkit/packing/grouped.hpp>
#include <packkit/packing/next_k_fit.hpp>

#include <array>
#include <cstdint>
#include <limits>
#include <list>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <boost/mpl/list.hpp>
#include <boost/test/unit_test.hpp>

#include "expect.hpp"
#include "textbook.hpp"

BOOST_AUTO_TEST_SUITE(grouped_test)

namespace {

using packkit::pack_grouped;
using textbook::bins;
using textbook::nested;

static_assert(
    pack_grouped(std::array{5, 5, 5, 5}, std::array{1, 0, 1, 0}, 10).bins.size() == 2);

using group_types = boost::mpl::list<std::int8_t, std::uint8_t, short, int, unsigned,
                                     std::int64_t, std::uint64_t>;

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(equals_packing_each_group_alone, Group, group_types) {
    std::mt19937_64 random(21);
    for (int round = 0; round < 300; ++round) {
        std::vector<std::int64_t> lengths(random() % 120);
        std::vector<Group> group_of;
        std::map<Group, std::vector<std::uint32_t>> members;
        for (std::uint32_t i = 0; i < lengths.size(); ++i) {
            lengths[i] = 1 + static_cast<std::int64_t>(random() % 50);
            // Both ends of the type, too.
            const auto step = static_cast<Group>(random() % 3);
            group_of.push_back(static_cast<Group>(
                random() % 2 == 0 ? std::numeric_limits<Group>::max() - step
                                  : std::numeric_limits<Group>::min() + step));
            members[group_of.back()].push_back(i);
        }
        const packkit::pack_limits limits{.group_size = random() % 20,
                                          .bin_size = random() % 4};
        bins wanted;
        std::vector<Group> group_of_bin;
        for (const auto& [group, items] : members) {
            std::vector<std::int64_t> own;
            for (const std::uint32_t item : items)
                own.push_back(lengths[item]);
            for (auto bin : textbook::pack(own, 50, textbook::rule::first, true,
                                           limits.bin_size, limits.group_size)) {
                for (auto& item : bin)
                    item = items[item];
                wanted.push_back(bin);
                group_of_bin.push_back(group);
            }
        }
        const auto packed =
            pack_grouped(lengths, group_of, 50, packkit::first_fit_decreasing{}, limits);
        BOOST_REQUIRE(nested(packed.bins) == wanted);
        BOOST_REQUIRE(packed.groups.size() == members.size());
        BOOST_REQUIRE(packed.first_bin.size() == members.size() + 1);
        for (std::size_t b = 0; b < packed.bins.size(); ++b) {
            BOOST_REQUIRE(packed.group_of(b) == group_of_bin[b]);
        }
    }
}

BOOST_AUTO_TEST_CASE(bins_come_by_group_not_by_first_appearance) {
    const std::vector<int> lengths = {6, 6, 4, 4, 3};
    const std::list<int> sources = {7, -2, 7, -2, 7};
    const auto packed = pack_grouped(lengths, sources, 10, packkit::next_fit{});
    BOOST_TEST((nested(packed.bins) == bins{{1, 3}, {0, 2}, {4}}));
    BOOST_TEST((packed.groups == std::vector{-2, 7}));
    BOOST_TEST((packed.first_bin == std::vector<std::size_t>{0, 1, 3}));
    BOOST_TEST(packed.group_of(0) == -2);
    BOOST_TEST(packed.group_of(2) == 7);
    BOOST_CHECK_THROW((void)packed.group_of(3), packkit::invalid_argument);
}

BOOST_AUTO_TEST_CASE(takes_policies_with_settings_and_projections) {
    struct document {
        std::string text;
    };
    const std::vector<document> documents = {{"aaaaaaaa"}, {"bbbbbbbb"}, {"c"}, {"d"}};
    const int sources[] = {1, 1, 1, 2};
    const auto packed =
        pack_grouped(documents, sources, 9, packkit::window_fit{.open_bins = 2}, {},
                     [](const document& one) { return one.text.size(); });
    BOOST_TEST((nested(packed.bins) == bins{{0, 2}, {1}, {3}}));
}

BOOST_AUTO_TEST_CASE(nothing_has_no_groups) {
    const auto packed = pack_grouped(std::vector<int>{}, std::vector<int>{}, 10);
    BOOST_TEST(packed.bins.empty());
    BOOST_TEST(packed.groups.empty());
    BOOST_TEST((packed.first_bin == std::vector<std::size_t>{0}));
}

BOOST_AUTO_TEST_CASE(errors_name_the_sample_not_its_place_in_the_group) {
    using packkit::invalid_argument;
    const std::vector<int> lengths = {1, 1, 11, 1};
    expect::message_of<invalid_argument>(
        [&] { (void)pack_grouped(lengths, std::vector{1, 1, 2, 1}, 10); },
        "item 2 has length 11");
    expect::message_of<invalid_argument>(
        [&] { (void)pack_grouped(lengths, std::vector{1, 1}, 11); }, "4 lengths",
        "2 groups");
    expect::message_of<invalid_argument>([&] { (void)pack_grouped(lengths, lengths, 0); },
                                         "capacity is 0");
}

BOOST_AUTO_TEST_SUITE_END()
