// SPDX-License-Identifier: Apache-2.0
// What distributed plans are made of: few samples, any integers, wrong options.
#include <packkit/estimate/flops.hpp>
#include <packkit/lengths/length_counts.hpp>
#include <packkit/lengths/samples_by_length.hpp>
#include <packkit/packing/best_fit_decreasing.hpp>
#include <packkit/sampling/distributed_plan.hpp>
#include <packkit/sampling/plan_reader.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "distributed_plan_cases.hpp"
#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(distributed_plan_inputs_test)

using namespace distributed_plan_cases;
using packkit::distributed_plan;
using packkit::invalid_argument;
using packkit::make_distributed_plan;

// --- edges
// ----------------------------------------------------------------------------------
BOOST_AUTO_TEST_CASE(few_samples_leave_rows_empty) {
    const std::vector<int> lengths = {4, 4, 4};
    const auto plan = make_distributed_plan(lengths, 8, {.global_batch = 8}, some_cost);
    BOOST_TEST(plan.size() == 8u);
    BOOST_TEST(plan.steps_per_epoch() == 1u);
    for (const std::size_t ranks : {1U, 3U, 8U, 9U}) {
        plan_reader reader(plan, ranks);
        BOOST_TEST((rows_of_step(reader, {0, 0}) == rows{{0}, {1}, {2}}));
    }
    const auto none =
        make_distributed_plan(std::vector<int>{}, 8, {.global_batch = 4}, some_cost);
    BOOST_TEST(none.steps_per_epoch() == 0u);
    BOOST_TEST(rank_idle(none, 0, 4) == 0.0);
    expect::message_of<invalid_argument>([&] { (void)none.window_at({0, 0}); },
                                         "step is 0, an epoch has 0");
}

BOOST_AUTO_TEST_CASE(any_integers_and_any_policy_make_a_plan) {
    const std::vector<std::uint16_t> small = {3, 9, 4, 7};
    const std::vector<std::int64_t> wide(small.begin(), small.end());
    BOOST_TEST(make_distributed_plan(small, 10, {}, some_cost).hash() ==
               make_distributed_plan(wide, 10, {}, some_cost).hash());
    const auto lengths = skewed_lengths(500, 64, 3);
    const std::span<const std::int32_t> all(lengths);
    const auto counts = packkit::count_lengths(all, 64);
    const distributed_plan<> best_fit(
        counts, packkit::plan_best_fit_decreasing(counts, 64),
        packkit::samples_by_length(all, counts), {.global_batch = 4}, some_cost);
    plan_reader reader(best_fit, 4);
    std::vector<std::uint32_t> read;
    for (std::size_t step = 0; step < best_fit.steps_per_epoch(); ++step) {
        const auto batch = reader.samples_of_step({0, step});
        read.insert(read.end(), batch.begin(), batch.end());
    }
    std::sort(read.begin(), read.end());
    BOOST_TEST((read == all_samples(lengths.size())));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_planned_is_refused) {
    const std::vector<int> lengths = {4, 9};
    const auto plan = [&](std::int64_t capacity,
                          packkit::distributed_plan_options options,
                          attention_cost cost = some_cost) {
        return make_distributed_plan(lengths, capacity, options, cost);
    };
    expect::message_of<invalid_argument>([&] { (void)plan(8, {}); },
                                         "item 1 has length 9");
    expect::message_of<invalid_argument>([&] { (void)plan(0, {}); }, "capacity is 0");
    expect::message_of<invalid_argument>([&] { (void)plan(1LL << 32, {}); },
                                         "4294967296");
    expect::message_of<invalid_argument>([&] { (void)plan(9, {.global_batch = 0}); },
                                         "global batch of 0");
    expect::message_of<invalid_argument>([&] { (void)plan(9, {.window = 0}); },
                                         "window of 0");
    expect::message_of<invalid_argument>([&] { (void)plan(9, {}, {1LL << 60, 1}); },
                                         "exceeds 64 bits");
    expect::message_of<invalid_argument>([&] { (void)plan(9, {}, {-1, 1}); }, "-1");
    const auto good = plan(9, {});
    BOOST_CHECK_THROW((plan_reader(good, 0)), invalid_argument);
    expect::message_of<invalid_argument>([&] { (void)good.samples_of(2, 0); },
                                         "bin 2 of a plan of 2");
    plan_reader reader(good, 1);
    expect::message_of<invalid_argument>([&] { (void)reader.row({0, 2}, 0, 0); },
                                         "step is 2, an epoch has 2");
    expect::message_of<invalid_argument>([&] { (void)reader.row({0, 0}, 0, 1); },
                                         "rank 1");
}

BOOST_AUTO_TEST_SUITE_END()
