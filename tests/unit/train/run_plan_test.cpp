// SPDX-License-Identifier: Apache-2.0
/// @file
/// The plan of a run: what follows from configuration, inputs and mesh.

#include "plan/run_plan.hpp"

#include "common/errors.hpp"

#include <packkit/model/parameters.hpp>
#include <packkit/utility/random.hpp>

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <numeric>
#include <vector>

BOOST_AUTO_TEST_SUITE(run_plan_test)

using namespace packkit;
using namespace packkit::train;

namespace {

/// A small Llama, and samples of 2 to 40 tokens.
run_inputs make_inputs(std::size_t samples, std::uint64_t seed = 5) {
    run_inputs inputs;
    inputs.shape.vocab_size = 43;
    inputs.shape.hidden_size = 32;
    inputs.shape.intermediate_size = 20;
    inputs.shape.num_hidden_layers = 2;
    inputs.shape.num_attention_heads = 8;
    inputs.shape.num_key_value_heads = 2;
    inputs.shape.head_dim = 4;
    inputs.shape.max_position_embeddings = 64;
    for (std::size_t i = 0; i < samples; ++i) {
        std::vector<std::int32_t> tokens(2 + random_below(39, seed, i));
        std::iota(tokens.begin(), tokens.end(), static_cast<std::int32_t>(i % 3));
        inputs.samples.append(tokens);
    }
    inputs.content_hash = inputs.samples.content_hash();
    return inputs;
}

train_config settings() {
    train_config config;
    config.sequence_len = 64;
    config.sample_packing = true;
    config.micro_batch_size = 1;
    config.gradient_accumulation_steps = 4;
    config.num_epochs = 2;
    config.learning_rate = 0.5;
    return config;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_model_is_counted_once) {
    const auto config = settings();
    const auto inputs = make_inputs(100);
    const auto plan = make_run_plan(config, inputs, {.dp_shard = 2});
    // Embedding and head; a block's norms, attention and feed-forward; the last norm.
    const std::int64_t block = 2 * 32 + 2 * 32 * 32 + 2 * 8 * 32 + 3 * 32 * 20;
    const std::int64_t parameters = 2 * 43 * 32 + 2 * block + 32;
    BOOST_TEST(plan.layout.parameters() == parameters);
    // 6 N a token and 12 L h for each pair of them: documents of 3 and 5 tokens.
    BOOST_TEST(plan.flops.of_documents(8, 9 + 25) ==
               6.0 * static_cast<double>(parameters) * 8 + 12.0 * 2 * 32 * 34);
    BOOST_TEST((plan.mesh() == mesh_shape{.dp_shard = 2}));
    BOOST_TEST((plan.setup.sharding == sharding_kind::fsdp));
    BOOST_TEST(plan.setup.sequence_len == 64);
    // A rank holds half of the parameters, as float32.
    BOOST_TEST(plan.predicted.memory.bytes.parameters >= 2 * parameters);
    BOOST_TEST(plan.predicted.memory.bytes.parameters < 2 * parameters + 4096);
    BOOST_TEST(plan.predicted.rows.samples == 100);
}

BOOST_AUTO_TEST_CASE(the_schedule_spans_the_steps_of_the_data) {
    auto config = settings();
    const auto inputs = make_inputs(100);
    config.warmup_ratio = 0.1;
    const auto plan = make_run_plan(config, inputs, {});
    const auto total = 2 * plan.data->steps_per_epoch();
    BOOST_TEST(plan.data->total_steps() == total);
    BOOST_TEST(plan.schedule.total_steps == total);
    // Rounded down as Axolotl does, and two steps where that is one.
    const auto warmup = total / 10 == 1 ? 2 : total / 10;
    BOOST_TEST(plan.schedule.warmup_steps == warmup);
    BOOST_TEST(plan.schedule.peak == 0.5);
    config.warmup_ratio.reset();
    config.warmup_steps = 3;
    for (const auto shape :
         {decay_shape::constant, decay_shape::linear, decay_shape::cosine}) {
        config.lr_scheduler = shape;
        const auto schedule = make_run_plan(config, inputs, {}).schedule;
        BOOST_TEST((schedule.shape == shape));
        BOOST_TEST(schedule.warmup_steps == 3);
    }
}

BOOST_AUTO_TEST_CASE(warmup_is_three_percent_of_the_steps_unless_it_is_set) {
    auto config = settings();
    const std::vector<std::pair<std::int64_t, std::int64_t>> usual = {
        {1, 0}, {33, 0}, {34, 2}, {66, 2}, {67, 2}, {100, 3}, {3333, 99}, {10000, 100}};
    for (const auto& [total, warmup] : usual) {
        BOOST_TEST_CONTEXT(total << " steps") {
            BOOST_TEST(schedule_of(config, total).warmup_steps == warmup);
        }
    }
    config.warmup_steps = 0;
    BOOST_TEST(schedule_of(config, 1000).warmup_steps == 0);
    config.warmup_steps = 1;
    BOOST_TEST(schedule_of(config, 1000).warmup_steps == 1);
    config.warmup_steps.reset();
    config.warmup_ratio = 0.29;
    BOOST_TEST(schedule_of(config, 99).warmup_steps == 28);
    config.warmup_ratio = 0.0;
    BOOST_TEST(schedule_of(config, 99).warmup_steps == 0);
}

BOOST_AUTO_TEST_CASE(the_lowest_rate_follows_the_key_of_the_schedule) {
    auto config = settings();
    config.warmup_steps = 0;
    const auto last = [&] {
        return schedule_of(config, 1000)(999) / config.learning_rate;
    };
    BOOST_TEST(last() < 1e-5);
    config.cosine_min_lr_ratio = 0.25;
    BOOST_TEST(last() >= 0.25);
    BOOST_TEST(last() < 0.25001);
    config.cosine_constant_lr_ratio = 0.5;
    BOOST_TEST(schedule_of(config, 1000)(500) == 0.25 * config.learning_rate);
    config.lr_scheduler = decay_shape::cosine_with_min_lr;
    config.lr_scheduler_kwargs.min_lr = config.learning_rate / 8;
    BOOST_TEST(last() >= 0.125);
    BOOST_TEST(last() < 0.12501);
}

BOOST_AUTO_TEST_CASE(rules_of_parameters_are_those_of_the_configuration) {
    auto config = settings();
    const auto shape = make_inputs(1).shape;
    const auto rules = [&] { return parameter_rules_of(config, shape); };
    const auto count = [&](auto wanted) {
        const auto made = rules();
        std::int64_t found = 0;
        for (const auto& unit : made.of_units) {
            for (const auto& rule : unit)
                found += wanted(rule) ? 1 : 0;
        }
        return found;
    };
    BOOST_TEST(rules().group_rates.empty());
    BOOST_TEST(count([](const auto& rule) { return rule.frozen; }) == 0);
    const auto decayed = count([](const auto& rule) { return rule.weight_decay; });
    config.lr_groups = {{"attention", {"q_proj", "k_proj"}, 0.25}, {"v", {"v_proj"}, 2}};
    config.embedding_lr = 0.125;
    BOOST_TEST(rules().group_rates == (std::vector{0.125, 0.25, 2.0}),
               boost::test_tools::per_element());
    BOOST_TEST(count([](const auto& rule) { return rule.rate_group == 2; }) ==
               2 * shape.num_hidden_layers);
    const auto embeddings = shape.tie_word_embeddings ? 1 : 2;
    BOOST_TEST(count([](const auto& rule) { return rule.rate_group == 1; }) ==
               embeddings);
    BOOST_TEST(count([](const auto& rule) { return rule.weight_decay; }) ==
               decayed - embeddings);
    config.embedding_lr_scale = 3;
    BOOST_TEST(rules().group_rates.front() == 3 * config.learning_rate);
    config.unfrozen_parameters = {"model.layers.0+.self_attn.[qk]_proj"};
    BOOST_TEST(count([](const auto& rule) { return !rule.frozen; }) == 2);
    // A dot is a dot, and patterns begin with the name.
    for (const auto* const nothing : {"modelxlayers", "layers", "lm_hea.$"}) {
        config.unfrozen_parameters = {nothing};
        BOOST_CHECK_THROW(rules(), app::input_error);
    }
    config.unfrozen_parameters.clear();
    config.lr_groups = {{"nothing", {"x_proj"}, 1}};
    BOOST_CHECK_THROW(rules(), app::input_error);
}

BOOST_AUTO_TEST_CASE(the_identity_is_that_of_the_global_batch) {
    auto config = settings();
    const auto inputs = make_inputs(100);
    const auto alone = make_run_plan(config, inputs, {}).identity;
    BOOST_TEST((make_run_plan(config, inputs, {}).identity == alone));
    BOOST_TEST((make_run_plan(config, inputs, {.cp = 2, .tp = 2}).identity == alone));
    config.gradient_accumulation_steps = 2;
    BOOST_TEST((make_run_plan(config, inputs, {.dp_shard = 2}).identity == alone));
    BOOST_TEST((make_run_plan(config, inputs, {.dp_replicate = 2}).identity == alone));
    BOOST_TEST((make_run_plan(config, inputs, {}).identity != alone));
    config = settings();
    config.seed += 1;
    BOOST_TEST((make_run_plan(config, inputs, {}).identity != alone));
    // What is chosen anew in every step may change, and is on record.
    config = settings();
    config.learning_rate = 0.25;
    config.save_steps.steps = 3;
    const auto changed = make_run_plan(config, inputs, {}).identity;
    BOOST_TEST((changed.fixed == alone.fixed));
    BOOST_TEST((changed.changeable != alone.changeable));
    BOOST_TEST(changed.changeable.at("learning_rate") == "0.25");
    for (const char* const key : {"shuffle_data",
                                  "curriculum_sampling",
                                  "sample_packing",
                                  "sample_packing_sequentially",
                                  "sample_packing_group_size",
                                  "sample_packing_bin_size",
                                  "sample_packing_balance",
                                  "pad_to_sequence_len",
                                  "dataloader_drop_last",
                                  "multipack_real_batches",
                                  "seed",
                                  "optimizer_rule",
                                  "adam_beta1",
                                  "adam_beta2",
                                  "adam_epsilon",
                                  "max_grad_norm",
                                  "reduction",
                                  "residual_dropout",
                                  "torch_dtype",
                                  "bf16",
                                  "sequence_len"})
        BOOST_TEST(alone.fixed.contains(key), key);
    for (const char* const key : {"train_on_inputs", "excess_length_strategy"})
        BOOST_TEST(alone.data.contains(key), key);
    // Other tokens of the same lengths.
    auto other = make_inputs(100);
    other.samples.append(std::vector<std::int32_t>{1, 2});
    auto same_lengths = make_inputs(100);
    same_lengths.samples.append(std::vector<std::int32_t>{2, 1});
    other.content_hash = other.samples.content_hash();
    same_lengths.content_hash = same_lengths.samples.content_hash();
    config = settings();
    BOOST_TEST((make_run_plan(config, other, {}).identity !=
                make_run_plan(config, same_lengths, {}).identity));
}

BOOST_AUTO_TEST_CASE(bytes_of_a_step_follow_its_rows) {
    const auto config = settings();
    const auto inputs = make_inputs(200);
    const auto plan = make_run_plan(config, inputs, {.cp = 2, .tp = 2});
    const auto& first = plan.predicted.communication;
    BOOST_TEST((plan.communication_in_step(0) == first));
    BOOST_TEST(first.cp.total() > 0);
    BOOST_TEST(first.tp.total() > 0);
    bool differs = false;
    for (std::int64_t step = 1; step < plan.data->steps_per_epoch(); ++step) {
        const auto sent = plan.communication_in_step(step);
        BOOST_TEST((sent.dp_shard == first.dp_shard));
        BOOST_TEST((sent.world == first.world));
        differs = differs || sent.cp.total() != first.cp.total();
    }
    BOOST_TEST(differs);
    // A copy is the same plan.
    const auto copy = plan;
    BOOST_TEST((copy.communication_in_step(1) == plan.communication_in_step(1)));
}

BOOST_AUTO_TEST_CASE(without_samples_there_is_no_plan) {
    const auto config = settings();
    const auto inputs = make_inputs(0);
    BOOST_CHECK_THROW(make_run_plan(config, inputs, {}), app::input_error);
}

BOOST_AUTO_TEST_SUITE_END()
