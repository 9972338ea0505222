// SPDX-License-Identifier: Apache-2.0
#include <packkit/sampler.hpp>

#include <cstdint>
#include <optional>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"
#include "textbook.hpp"

using packkit::batch_sampler;
using packkit::cursor;
using packkit::equalize_bins;
using packkit::invalid_argument;
using packkit::last_batch;
using textbook::bins;
using textbook::nested;

namespace {

packkit::bin_list<> list_of(const bins& wanted) {
    packkit::bin_list<> list;
    for (const auto& bin : wanted)
        list.append(bin);
    return list;
}

}  // namespace

BOOST_AUTO_TEST_CASE(bins_are_dealt_in_order_without_shuffling) {
    const batch_sampler sampler(10, {.ranks = 2, .micro_steps = 2, .shuffle = false});
    BOOST_TEST(sampler.slots_per_step() == 4u);
    BOOST_TEST(sampler.steps_per_epoch() == 3u);
    BOOST_TEST(*sampler.bin(0, 0, 0) == 0u);
    BOOST_TEST(*sampler.bin(0, 0, 1) == 1u);
    BOOST_TEST(*sampler.bin(0, 1, 0) == 2u);
    BOOST_TEST(*sampler.bin(1, 0, 0) == 4u);
    BOOST_TEST(*sampler.bin(2, 0, 1) == 9u);
    BOOST_TEST(!sampler.bin(2, 1, 0).has_value());
    BOOST_TEST(!sampler.bin(2, 1, 1).has_value());
    using slots = std::vector<std::optional<std::size_t>>;
    BOOST_TEST((sampler.bins_of_step(2) == slots{8, 9, std::nullopt, std::nullopt}));
}

BOOST_AUTO_TEST_CASE(the_last_batch_is_kept_or_dropped) {
    for (const std::size_t count : {0U, 1U, 3U, 4U, 5U, 8U}) {
        const batch_sampler keep(count, {.ranks = 4, .last = last_batch::keep});
        const batch_sampler drop(count, {.ranks = 4, .last = last_batch::drop});
        BOOST_TEST(keep.steps_per_epoch() == (count + 3) / 4);
        BOOST_TEST(drop.steps_per_epoch() == count / 4);
    }
}

BOOST_AUTO_TEST_CASE(epochs_have_orders_of_their_own) {
    const auto order = [](const batch_sampler& sampler) {
        std::vector<std::size_t> all;
        for (std::size_t s = 0; s < sampler.steps_per_epoch(); ++s) {
            all.push_back(*sampler.bin(s, 0, 0));
        }
        return all;
    };
    batch_sampler sampler(100, {.seed = 5});
    const auto first = order(sampler);
    sampler.set_epoch(1);
    BOOST_TEST(sampler.epoch() == 1u);
    BOOST_TEST((order(sampler) != first));
    sampler.set_epoch(0);
    BOOST_TEST((order(sampler) == first));
    BOOST_TEST((order(batch_sampler(100, {.seed = 5})) == first));
    BOOST_TEST((order(batch_sampler(100, {.seed = 6})) != first));
}

BOOST_AUTO_TEST_CASE(what_is_out_of_range_is_refused) {
    const batch_sampler sampler(10, {.ranks = 2, .micro_steps = 2});
    expect::message_of<invalid_argument>([&] { (void)sampler.bin(3, 0, 0); },
                                         "step is 3, there are 3");
    expect::message_of<invalid_argument>([&] { (void)sampler.bin(0, 2, 0); },
                                         "micro-step is 2, there are 2");
    expect::message_of<invalid_argument>([&] { (void)sampler.bin(0, 0, 2); },
                                         "rank is 2, there are 2");
    expect::message_of<invalid_argument>([&] { (void)sampler.bins_of_step(7); },
                                         "step is 7, there are 3");
    expect::message_of<invalid_argument>([] { batch_sampler(1, {.ranks = 0}); },
                                         "0 ranks");
    expect::message_of<invalid_argument>([] { batch_sampler(1, {.micro_steps = 0}); },
                                         "0 micro-steps");
}

BOOST_AUTO_TEST_CASE(cursors_count_steps) {
    cursor at;
    for (std::uint64_t step = 0; step < 20; ++step) {
        BOOST_TEST(at.global_step(7) == step);
        BOOST_TEST((cursor::from_global_step(step, 7) == at));
        BOOST_TEST((at == cursor{step / 7, step % 7}));
        at = at.advance(7);
    }
    BOOST_TEST((cursor{0, 6} < cursor{1, 0}));
    BOOST_CHECK_THROW((void)at.advance(0), invalid_argument);
}

BOOST_AUTO_TEST_CASE(equalizing_splits_the_heaviest_bin_in_the_middle) {
    const std::vector<int> lengths = {4, 3, 3, 9, 1, 2, 2, 2};
    const auto packed = list_of({{0, 1, 2}, {3}, {4, 5, 6, 7}});
    BOOST_TEST((equalize_bins(packed, lengths, 3) == packed));
    // 10 tokens are most; 4 | 3 + 3 is closer to the middle than 4 + 3 | 3... both are 2
    // off and 4 off, so the cut is after the 4.
    BOOST_TEST((nested(equalize_bins(packed, lengths, 4)) ==
                bins{{0}, {3}, {4, 5, 6, 7}, {1, 2}}));
    // Then 1 + 2 + 2 + 2 = 7 in half: 3 | 4.
    BOOST_TEST((nested(equalize_bins(packed, lengths, 5)) ==
                bins{{0}, {3}, {4, 5}, {1, 2}, {6, 7}}));
}

BOOST_AUTO_TEST_CASE(equalizing_adds_empty_bins_only_when_items_run_out) {
    const std::vector<int> lengths = {5, 5, 5};
    BOOST_TEST((nested(equalize_bins(list_of({{0, 1}, {2}}), lengths, 4)) ==
                bins{{0}, {2}, {1}, {}}));
    BOOST_TEST(equalize_bins(packkit::bin_list<>{}, lengths, 4).empty());
}

BOOST_AUTO_TEST_CASE(equalizing_refuses_what_it_cannot_do) {
    expect::message_of<invalid_argument>(
        [] { (void)equalize_bins(list_of({{0}}), std::vector{1}, 0); }, "multiple of 0");
    expect::message_of<invalid_argument>(
        [] { (void)equalize_bins(list_of({{0}, {3}}), std::vector{1, 1}, 4); },
        "bin 1 holds item 3, but there are 2 lengths");
}
