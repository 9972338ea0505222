// SPDX-License-Identifier: Apache-2.0
// What the planner says of the plans that it found: warnings, suggestions, cost.
#include <packkit/model/presets.hpp>
#include <packkit/planner.hpp>

#include <cstdint>
#include <set>
#include <string>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"
#include "planner_cases.hpp"

BOOST_AUTO_TEST_SUITE(planner_results_test)

using namespace planner_cases;

BOOST_AUTO_TEST_CASE(warnings_of_one_estimate) {
    const auto text = [](const plan_estimate& plan) {
        std::string all;
        for (const auto& warning : plan.warnings)
            all += warning + "\n";
        return all;
    };
    auto shape = packkit::find_model("llama-3-8b")->shape;
    shape.vocab_size = 128257;
    const model_layout layout(shape);
    training_setup setup;
    setup.sequence_len = 8192;
    setup.mesh = {1, 8, 1, 16};
    const auto work = packkit::full_rows(8192);
    const auto plan = packkit::estimate(layout, setup, gpu("h100-80gb"), work);
    BOOST_TEST(
        contains(text(plan),
                 "vocabulary 128257 over tp 16 is uneven: shards of 8017, the last "
                 "of 8002"));
    BOOST_TEST(contains(text(plan),
                        "tp 16 does not divide 8 key-value heads: ranks share them"));
    BOOST_TEST(contains(text(plan), "tp 16 crosses 2 nodes"));

    setup.mesh = {8, 1, 1, 1};
    setup.sharding = sharding_kind::ddp;
    BOOST_TEST(contains(text(packkit::estimate(layout, setup, gpu("h100-80gb"), work)),
                        "does not fit: needs "));
    setup.mesh = {1, 64, 1, 1};
    setup.sharding = sharding_kind::fsdp;
    setup.checkpointing = checkpointing_kind::full;
    BOOST_TEST(text(packkit::estimate(layout, setup, gpu("h100-80gb"), work)) == "");

    workload few = packkit::packed_rows(some_counts(8192), 8192);
    setup.gradient_accumulation_steps = 1000;
    BOOST_TEST(contains(text(packkit::estimate(layout, setup, gpu("h100-80gb"), few)),
                        "a step takes 64,000 rows, an epoch has "));
}

// ---- Nothing fits

BOOST_AUTO_TEST_CASE(suggestions_are_plans_that_fit) {
    const auto layout = model("llama-3-70b");
    const device& on = gpu("h100-80gb");
    auto options = options_for(8, 8192);
    const auto work = packkit::full_rows(8192);
    const auto suggestions = packkit::suggest(layout, on, options, work);
    BOOST_TEST(!suggestions.empty());
    std::int64_t gpus = 0;
    bool offloads = false;
    for (const auto& suggestion : suggestions) {
        BOOST_TEST_CONTEXT(suggestion.text) {
            BOOST_TEST(suggestion.plan.fits);
            const auto rows = suggestion.plan.setup.sequence_len;
            const auto again =
                packkit::estimate(layout, suggestion.plan.setup, on,
                                  packkit::full_rows(rows), options.estimates);
            BOOST_TEST(again.fits);
            BOOST_TEST(again.tokens_per_second_per_gpu ==
                       suggestion.plan.tokens_per_second_per_gpu);
            BOOST_TEST(contains(suggestion.text, packkit::detail::fixed(
                                                     again.tokens_per_second_per_gpu, 0) +
                                                     " tokens/s/GPU"));
            offloads = offloads || suggestion.plan.setup.offload_optimizer;
            if (contains(suggestion.text, "the fewest that fit"))
                gpus = suggestion.plan.setup.mesh.world_size();
        }
    }
    BOOST_TEST(offloads);
    // The fewest: whole nodes below it have no plan.
    BOOST_TEST(gpus > 8);
    for (options.gpus = 8; options.gpus < gpus; options.gpus += 8)
        BOOST_TEST(packkit::search(layout, on, options, work).plans.empty());
    BOOST_TEST(!packkit::search(layout, on, options, work).plans.empty());
    BOOST_TEST(packkit::suggest(layout, on, options, work).empty());
}

BOOST_AUTO_TEST_CASE(suggestions_lift_what_was_asked_for) {
    const auto layout = model("llama-3-8b");
    auto options = options_for(8, 8192);
    options.checkpointings = {checkpointing_kind::none};
    options.shardings = {sharding_kind::ddp};
    options.micro_batch_sizes = {4};
    options.fixed.tp = 1;
    options.fixed.cp = 1;
    const auto work = packkit::full_rows(8192);
    for (const auto& suggestion :
         packkit::suggest(layout, gpu("h100-80gb"), options, work)) {
        BOOST_TEST(suggestion.plan.fits);
    }
    options.shardings = {sharding_kind::ddp, sharding_kind::fsdp};
    options.micro_batch_sizes = {2};
    std::set<std::string> first;
    for (const auto& suggestion :
         packkit::suggest(layout, gpu("h100-80gb"), options, work)) {
        first.insert(suggestion.text.substr(0, suggestion.text.find_first_of(",:")));
    }
    for (const char* text : {"leave the sizes of the mesh open", "micro-batch 1",
                             "full checkpointing", "rows of 4096 tokens"}) {
        BOOST_TEST(first.count(text) == 1U, text);
    }
}

// ---- Steps, hours, money

BOOST_AUTO_TEST_CASE(what_a_run_costs) {
    workload work = packkit::full_rows(4096);
    work.rows_per_epoch = 10'000'000;
    packkit::plan_figures plan;
    plan.setup.mesh = {1, 32, 1, 1};
    plan.setup.micro_batch_size = 3;
    plan.setup.gradient_accumulation_steps = 2;
    plan.seconds.step = 0.5;
    BOOST_TEST(work.steps_per_epoch(plan.setup.global_rows(), true) == 52083);
    const auto cost = packkit::cost_of_run(plan, work, 3, 2.5);
    BOOST_TEST(cost.steps_per_epoch == 52084);  // the last one smaller
    BOOST_TEST(cost.steps == 3 * 52084);
    BOOST_TEST(cost.hours == 3 * 52084 * 0.5 / 3600);
    BOOST_TEST(cost.gpu_hours == cost.hours * 32);
    BOOST_TEST(cost.price == cost.gpu_hours * 2.5);
    plan.seconds.step = 0.8;
    BOOST_TEST(packkit::cost_of_run(plan, work, 1).hours == 11.574,
               boost::test_tools::tolerance(1e-4));
    expect::message_of<invalid_argument>(
        [&] { (void)packkit::cost_of_run(plan, work, -1); }, "a run of -1 epochs");
}

BOOST_AUTO_TEST_CASE(packed_rows_against_padded_ones) {
    const auto layout = model("llama-3-8b");
    const auto cost = packkit::training_flops(layout.shape());
    const auto counts = some_counts(8192);
    const workload packed = packkit::packed_rows(counts, 8192, {.cost = cost});
    const workload padded = packkit::padded_rows(counts, 8192, {.cost = cost});
    training_setup setup;
    setup.mesh = {1, 8, 1, 1};
    setup.sequence_len = 8192;
    setup.checkpointing = checkpointing_kind::full;
    const auto both =
        packkit::compare_rows(layout, setup, gpu("h100-80gb"), packed, padded, 2, 3.0);
    // Hours follow the number of rows and what a row costs: a padded one more, because
    // its padding attends to itself.
    const double rows = padded.rows_per_epoch / packed.rows_per_epoch;
    const double row = padded.rows.mean() / packed.rows.mean();
    BOOST_TEST(row > 1.0);
    BOOST_TEST(both.times_slower() > rows);
    BOOST_TEST(both.times_slower() == rows * row, boost::test_tools::tolerance(0.05));
    BOOST_TEST(both.times_slower() > 5.0);
    BOOST_TEST(both.price_saved() == both.hours_saved() * 8 * 3.0,
               boost::test_tools::tolerance(1e-12));
    // Both runs train on the same samples: tokens of a run by either clock.
    const auto trained = [](const plan_estimate& plan, const packkit::run_cost& run) {
        return plan.tokens_per_second_per_gpu * 8 * run.hours * 3600;
    };
    BOOST_TEST(trained(both.packed, both.packed_cost) ==
                   2.0 * static_cast<double>(packed.tokens),
               boost::test_tools::tolerance(0.01));
    BOOST_TEST(trained(both.padded, both.padded_cost) ==
                   2.0 * static_cast<double>(packed.tokens),
               boost::test_tools::tolerance(0.01));
}

BOOST_AUTO_TEST_SUITE_END()
