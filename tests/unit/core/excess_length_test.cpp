// SPDX-License-Identifier: Apache-2.0
#include <packkit/lengths/excess_length.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(excess_length_test)

using packkit::apply_excess_length;
using packkit::excess_length_strategy;
using packkit::fitted_lengths;

namespace {

const std::vector<int> lengths = {4, 25, 0, 10, 11};

}  // namespace

BOOST_AUTO_TEST_CASE(drop_leaves_out_and_lists) {
    const auto fitted = apply_excess_length(lengths, 10, excess_length_strategy::drop);
    BOOST_TEST((fitted == fitted_lengths{.lengths = {4, 10},
                                         .sample = {0, 3},
                                         .offset = {0, 0},
                                         .dropped = {1, 4},
                                         .dropped_tokens = 36,
                                         .cut_tokens = 0,
                                         .empty = {2}}));
}

BOOST_AUTO_TEST_CASE(truncate_cuts_and_counts) {
    const auto fitted =
        apply_excess_length(lengths, 10, excess_length_strategy::truncate);
    BOOST_TEST((fitted == fitted_lengths{.lengths = {4, 10, 10, 10},
                                         .sample = {0, 1, 3, 4},
                                         .offset = {0, 0, 0, 0},
                                         .dropped = {},
                                         .dropped_tokens = 0,
                                         .cut_tokens = 16,
                                         .empty = {2}}));
}

BOOST_AUTO_TEST_CASE(split_keeps_every_token) {
    const auto fitted = apply_excess_length(lengths, 10, excess_length_strategy::split);
    BOOST_TEST((fitted == fitted_lengths{.lengths = {4, 10, 10, 5, 10, 10, 1},
                                         .sample = {0, 1, 1, 1, 3, 4, 4},
                                         .offset = {0, 0, 10, 20, 0, 0, 10},
                                         .dropped = {},
                                         .dropped_tokens = 0,
                                         .cut_tokens = 0,
                                         .empty = {2}}));
}

BOOST_AUTO_TEST_CASE(raise_refuses_the_first) {
    expect::message_of<packkit::invalid_argument>(
        [] { (void)apply_excess_length(lengths, 10, excess_length_strategy::raise); },
        "item 1 has length 25, capacity is 10", "raise");
    const auto fitted = apply_excess_length(lengths, 25, excess_length_strategy::raise);
    BOOST_TEST(fitted.lengths.size() == 4u);
    BOOST_TEST(fitted.empty.size() == 1u);
}

BOOST_AUTO_TEST_CASE(negative_lengths_are_refused_by_every_strategy) {
    for (const auto strategy :
         {excess_length_strategy::drop, excess_length_strategy::truncate,
          excess_length_strategy::split, excess_length_strategy::raise}) {
        expect::message_of<packkit::invalid_argument>(
            [strategy] { (void)apply_excess_length(std::vector{1, -3}, 10, strategy); },
            "item 1 has length -3");
    }
    expect::message_of<packkit::invalid_argument>(
        [] { (void)apply_excess_length(lengths, 0, excess_length_strategy::drop); },
        "capacity is 0");
}

BOOST_AUTO_TEST_CASE(names_go_both_ways) {
    using packkit::parse_excess_length_strategy;
    for (const std::string name : {"drop", "truncate", "split", "raise"}) {
        BOOST_TEST(to_string(parse_excess_length_strategy(name)) == name);
    }
    expect::message_of<packkit::invalid_argument>(
        [] { (void)parse_excess_length_strategy("Drop"); }, "'Drop'",
        "drop, truncate, split or raise");
}

BOOST_AUTO_TEST_SUITE_END()
