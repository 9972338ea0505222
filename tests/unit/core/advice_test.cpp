// SPDX-License-Identifier: Apache-2.0
/// @file
/// Advice: each choice with the figures of both sides.

#include "planner_cases.hpp"

#include <cmath>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(advice_test)

using namespace planner_cases;

namespace {

std::string advice_on(const std::vector<packkit::advice>& all,
                      packkit::advice_topic topic) {
    for (const auto& one : all) {
        if (one.topic == topic) return one.text;
    }
    return {};
}

std::string speed_text(const plan_estimate& plan) {
    return packkit::detail::grouped(std::llround(plan.tokens_per_second_per_gpu));
}

/// A search, its advice, and what the advice is checked against: other searches.
struct situation {
    model_layout layout;
    device on;
    search_options options;
    workload work;

    [[nodiscard]] plan_search search() const {
        return packkit::search(layout, on, options, work);
    }
    [[nodiscard]] plan_estimate best() const {
        const auto found = search();
        BOOST_REQUIRE(!found.plans.empty());
        return found.plans.front();
    }
    [[nodiscard]] std::vector<packkit::advice> advice() const {
        return packkit::advise(layout, on, options, work, search());
    }
};

}  // namespace

BOOST_AUTO_TEST_CASE(advice_ddp_where_it_is_faster) {
    situation given{model("llama-3.2-1b"), gpu("h100-80gb"), options_for(8, 2048),
                    packkit::full_rows(2048)};
    given.options.micro_batch_sizes = {1};
    given.options.global_batch_size = 512;
    given.options.reshard_after_forward = {true};
    BOOST_TEST((given.best().setup.sharding == sharding_kind::ddp));
    situation fsdp = given;
    fsdp.options.shardings = {sharding_kind::fsdp};
    fsdp.options.fixed.cp = fsdp.options.fixed.tp = 1;
    const auto text = advice_on(given.advice(), packkit::advice_topic::sharding);
    BOOST_TEST_MESSAGE(text);
    BOOST_TEST(contains(text, "DDP: the model fits one GPU"));
    BOOST_TEST(contains(text, speed_text(given.best()) + " tokens/s/GPU against " +
                                  speed_text(fsdp.best())));
}

BOOST_AUTO_TEST_CASE(advice_fsdp_where_ddp_is_slower_or_does_not_fit) {
    situation given{model("llama-3.2-1b"), gpu("h100-80gb"), options_for(8, 4096),
                    packkit::full_rows(4096)};
    situation ddp = given;
    ddp.options.shardings = {sharding_kind::ddp};
    ddp.options.fixed.cp = ddp.options.fixed.tp = 1;
    auto text = advice_on(given.advice(), packkit::advice_topic::sharding);
    BOOST_TEST_MESSAGE(text);
    BOOST_TEST(contains(text, "FSDP although DDP fits"));
    BOOST_TEST(contains(text, speed_text(given.best()) + " tokens/s/GPU against " +
                                  speed_text(ddp.best())));

    given.layout = model("llama-3-8b");
    training_setup whole;
    whole.mesh = {8, 1, 1, 1};
    whole.sequence_len = 4096;
    whole.sharding = sharding_kind::ddp;
    whole.checkpointing = checkpointing_kind::full;
    const auto needed =
        packkit::estimate(given.layout, whole, given.on, given.work).memory.bytes.total();
    text = advice_on(given.advice(), packkit::advice_topic::sharding);
    BOOST_TEST_MESSAGE(text);
    BOOST_TEST(contains(
        text, "with DDP a GPU needs " + packkit::detail::byte_text(needed) + " of "));
    BOOST_TEST(contains(text, "it needs " + packkit::detail::byte_text(
                                                given.best().memory.bytes.total())));
}

BOOST_AUTO_TEST_CASE(advice_tp_where_the_batch_demands_it) {
    // 4,096 GPUs of one row each are 33.5 M tokens: twice what is allowed.
    situation given{model("llama-3.1-405b"), gpu("h100-80gb"), options_for(4096, 8192),
                    packkit::full_rows(8192)};
    given.options.max_global_tokens = 16 << 20;
    given.options.fixed.cp = 1;
    const auto text =
        advice_on(given.advice(), packkit::advice_topic::tensor_parallelism);
    BOOST_TEST_MESSAGE(text);
    BOOST_TEST(contains(text,
                        "without it its smallest step, 4,096 rows of 8,192 tokens, is "
                        "33,554,432 tokens, above the 16,777,216 allowed"));
    BOOST_TEST(given.best().setup.mesh.tp > 1);
}

BOOST_AUTO_TEST_CASE(advice_where_memory_demands_it) {
    // Rows of 256 Ki tokens: without cp or tp no GPU holds the activations.
    situation given{model("llama-3-8b"), gpu("h100-80gb"), options_for(64, 262144),
                    packkit::full_rows(262144)};
    given.options.fixed.tp = 1;
    const auto text =
        advice_on(given.advice(), packkit::advice_topic::context_parallelism);
    BOOST_TEST_MESSAGE(text);
    BOOST_TEST(contains(text, "without it a GPU needs "));
    BOOST_TEST(contains(text, "even on dp_replicate 1 x dp_shard 64 x cp 1 x tp 1"));
    training_setup least;
    least.mesh = {1, 64, 1, 1};
    least.sequence_len = 262144;
    least.checkpointing = checkpointing_kind::full;
    BOOST_TEST(
        contains(text, packkit::detail::byte_text(
                           packkit::estimate(given.layout, least, given.on, given.work)
                               .memory.bytes.total())));
}

BOOST_AUTO_TEST_CASE(advice_on_nodes) {
    situation given{model("mpt-70b"), gpu("h100-80gb"), options_for(64, 8192),
                    packkit::full_rows(8192)};
    const auto advice = given.advice();
    // 64 heads: tp may cross nodes, and is slower there.
    const auto text = advice_on(advice, packkit::advice_topic::node_boundary);
    BOOST_TEST_MESSAGE(text);
    BOOST_TEST(contains(text, "keep tp inside a node of 8"));
    double inside = 0;
    double beyond = 0;
    for (const auto& plan : given.search().plans) {
        auto& speed = plan.setup.mesh.tp > 8 ? beyond : inside;
        if (plan.setup.mesh.tp > 1)
            speed = std::max(speed, plan.tokens_per_second_per_gpu);
    }
    BOOST_TEST(beyond > 0.0);
    BOOST_TEST(inside > 1.2 * beyond);
    BOOST_TEST(contains(text, packkit::detail::grouped(std::llround(inside))));
    BOOST_TEST(contains(text, packkit::detail::grouped(std::llround(beyond))));

    const auto replicas = advice_on(advice, packkit::advice_topic::replicas);
    BOOST_TEST_MESSAGE(replicas);
    double flat = 0;
    double hybrid = 0;
    for (const auto& plan : given.search().plans) {
        if (plan.setup.sharding != sharding_kind::fsdp) continue;
        if (plan.setup.mesh.dp_replicate == 1)
            flat = std::max(flat, plan.tokens_per_second_per_gpu);
        else if (plan.setup.mesh.dp_shard > 1)
            hybrid = std::max(hybrid, plan.tokens_per_second_per_gpu);
    }
    BOOST_TEST(contains(replicas, hybrid > flat ? "HSDP: shard over" : "no HSDP"));
    BOOST_TEST(contains(replicas, packkit::detail::grouped(std::llround(flat))));
    BOOST_TEST(contains(replicas, packkit::detail::grouped(std::llround(hybrid))));
}

/// Over a slow network shards stay inside the node.
BOOST_AUTO_TEST_CASE(advice_hsdp_over_a_slow_network) {
    situation given{model("llama-3-8b"), gpu("h100-80gb"), options_for(64, 8192),
                    packkit::full_rows(8192)};
    given.on.network_bytes_per_second = 3e9;
    given.options.fixed.tp = given.options.fixed.cp = 1;
    // Shards over all nodes send over the network with each of these micro-batches,
    // replicas once a step.
    given.options.micro_batch_sizes = {1};
    given.options.gradient_accumulation_steps = 8;
    const auto best = given.best();
    BOOST_TEST(best.setup.mesh.dp_shard == 8);
    BOOST_TEST(best.setup.mesh.dp_replicate == 8);
    const auto text = advice_on(given.advice(), packkit::advice_topic::replicas);
    BOOST_TEST_MESSAGE(text);
    BOOST_TEST(contains(text, "HSDP: shard over 8, 8 replicas"));
}

BOOST_AUTO_TEST_CASE(advice_on_accumulation_and_checkpointing) {
    situation given{model("llama-3-8b"), gpu("h100-80gb"), options_for(8, 8192),
                    packkit::full_rows(8192)};
    given.options.global_batch_size = 128;
    given.options.reshard_after_forward = {true};
    given.options.fixed.tp = given.options.fixed.cp = 1;
    const auto best = given.best();
    const auto accumulation = best.setup.gradient_accumulation_steps;
    BOOST_TEST(accumulation > 1);
    const auto advice = given.advice();
    const auto text = advice_on(advice, packkit::advice_topic::accumulation);
    BOOST_TEST_MESSAGE(text);
    BOOST_TEST(
        contains(text, packkit::detail::byte_text(best.communication.dp_shard.total())));
    BOOST_TEST(contains(text, packkit::detail::byte_text(
                                  best.communication.dp_shard.total() / accumulation)));
    const auto checkpointing = advice_on(advice, packkit::advice_topic::checkpointing);
    BOOST_TEST_MESSAGE(checkpointing);
    BOOST_TEST(contains(checkpointing, "checkpointing"));
    BOOST_TEST(contains(checkpointing, speed_text(best)));
}

BOOST_AUTO_TEST_CASE(advice_on_packing) {
    const auto layout = model("llama-3-8b");
    const auto cost = packkit::training_flops(layout.shape());
    const auto counts = some_counts(4096);
    const workload padded = packkit::padded_rows(counts, 4096, {.cost = cost});
    const situation given{layout, gpu("h100-80gb"), options_for(8, 4096),
                          packkit::packed_rows(counts, 4096, {.cost = cost})};
    const auto advice = packkit::advise(given.layout, given.on, given.options, given.work,
                                        given.search(), {&padded, 2, 3.0});
    const auto text = advice_on(advice, packkit::advice_topic::packing);
    BOOST_TEST_MESSAGE(text);
    const auto both =
        packkit::compare_rows(given.layout, given.best().setup, given.on, given.work,
                              padded, 2, 3.0, given.options.estimates);
    BOOST_TEST(contains(text, speed_text(both.packed)));
    BOOST_TEST(contains(text, speed_text(both.padded)));
    BOOST_TEST(contains(text, packkit::detail::leading_digits(both.padded_cost.price)));
    BOOST_TEST(advice_on(given.advice(), packkit::advice_topic::packing) == "");
    const situation nothing{model("llama-3-70b"), gpu("h100-80gb"), options_for(8, 4096),
                            packkit::full_rows(4096)};
    BOOST_TEST(nothing.advice().empty());
}

BOOST_AUTO_TEST_SUITE_END()
