// SPDX-License-Identifier: Apache-2.0
#include <packkit/estimate/step_time.hpp>
#include <packkit/model/model_traits.hpp>
#include <packkit/model/presets.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"
#include "published/published_rows.hpp"

BOOST_AUTO_TEST_SUITE(step_time_test)

namespace {

using packkit::checkpointing_kind;
using packkit::device;
using packkit::estimate_step_time;
using packkit::find_device;
using packkit::invalid_argument;
using packkit::mesh_dimension;
using packkit::model_layout;
using packkit::model_shape;
using packkit::sharding_kind;
using packkit::step_seconds;
using packkit::time_assumptions;
using packkit::training_setup;
using packkit::workload;

const auto exactly = boost::test_tools::tolerance(1e-9);

model_layout named(std::string_view name) {
    return model_layout(packkit::find_model(name)->shape);
}

step_seconds estimate(const model_layout& layout, const training_setup& setup,
                      const device& on, const workload& work,
                      const time_assumptions& assumed = {}) {
    return estimate_step_time(layout, setup, on, work,
                              packkit::estimate_communication(layout, setup, work),
                              assumed);
}

/// One layer of one head, figures small enough for a sheet of paper.
model_shape tiny() {
    return {.vocab_size = 10,
            .hidden_size = 4,
            .intermediate_size = 8,
            .num_hidden_layers = 1,
            .num_attention_heads = 1,
            .num_key_value_heads = 1,
            .head_dim = 4};
}

device simple() {
    device on = *find_device("a100-80gb");
    on.name = "simple";
    on.peak_flops_bf16 = on.peak_flops_fp32 = 1000;
    on.memory_bandwidth = 1e9;
    on.efficiency = 0.5;
    on.attention_efficiency = 0.25;
    return on;
}

training_setup one_gpu(std::int64_t sequence_len) {
    training_setup setup;
    setup.sequence_len = sequence_len;
    return setup;
}

}  // namespace

BOOST_AUTO_TEST_CASE(phases_by_hand) {
    // Block: 4 x 4 x 4 (q, k, v, o) + 3 x 4 x 8 = 160, norms 8; head 40; final norm 4.
    // Products as the conventions count them: N - V h = 160 + 8 + 4 + 40 = 212.
    const model_layout layout(tiny());
    BOOST_TEST(layout.parameters() == 252);
    const auto seconds = estimate(layout, one_gpu(6), simple(), packkit::full_rows(6));
    const double linear = 2.0 * 212 * 6 / 500;
    // Scores and values: 4 x width 4 x keys 3 x tokens 6, at 250 FLOP/s.
    const double attention = 4.0 * 4 * 3 * 6 / 250;
    BOOST_TEST(seconds.forward == linear + attention, boost::test_tools::tolerance(1e-5));
    BOOST_TEST(seconds.backward == 2 * linear + 2.5 * attention,
               boost::test_tools::tolerance(1e-5));
    BOOST_TEST(seconds.attention == 3.5 * attention, exactly);
    BOOST_TEST(seconds.recomputation == 0);
    BOOST_TEST(seconds.communication == 0);
    BOOST_TEST(seconds.exposed_communication == 0);
    BOOST_TEST(seconds.step == seconds.compute, exactly);
    BOOST_TEST(seconds.compute == seconds.forward + seconds.backward + seconds.optimizer,
               exactly);
    // 36 bytes a parameter: AdamW 28, the norm's and zeroing's 4 each.
    BOOST_TEST(seconds.optimizer == 252 * 36 / 1e9, exactly);
}

BOOST_AUTO_TEST_CASE(checkpointing_computes_blocks_again) {
    const model_layout layout(tiny());
    training_setup setup = one_gpu(6);
    const auto none = estimate(layout, setup, simple(), packkit::full_rows(6));
    setup.checkpointing = checkpointing_kind::full;
    const auto full = estimate(layout, setup, simple(), packkit::full_rows(6));
    // All of forward but the head.
    BOOST_TEST(full.recomputation == none.forward - 2.0 * 40 * 6 / 500,
               boost::test_tools::tolerance(1e-4));
    BOOST_TEST(full.step == none.step + full.recomputation, exactly);
    setup.checkpointing = checkpointing_kind::selective;
    const auto selective = estimate(layout, setup, simple(), packkit::full_rows(6));
    BOOST_TEST(selective.recomputation > 0);
    BOOST_TEST(selective.recomputation < full.recomputation / 100);
    time_assumptions half;
    half.recomputed = packkit::recomputation{0.5, 1.0};
    const auto said = estimate(layout, setup, simple(), packkit::full_rows(6), half);
    BOOST_TEST(said.recomputation == 0.5 * 2.0 * 172 * 6 / 500 + 4.0 * 4 * 3 * 6 / 250,
               boost::test_tools::tolerance(1e-4));
}

BOOST_AUTO_TEST_CASE(few_rows_wait_for_the_weights) {
    const model_layout llama = named("llama-3-8b");
    const device& on = *find_device("h100-80gb");
    // One token a step: its products take as long as reading 7.5e9 weights of 2 bytes.
    const auto one = estimate(llama, one_gpu(1), on, packkit::full_rows(1));
    BOOST_TEST(one.forward == 2 * (8030261248.0 - 525336576.0) / 3350e9,
               boost::test_tools::tolerance(0.01));
    const auto two = estimate(llama, one_gpu(2), on, packkit::full_rows(2));
    BOOST_TEST(two.forward == one.forward, boost::test_tools::tolerance(0.01));
}

BOOST_AUTO_TEST_CASE(attention_follows_the_documents) {
    const model_layout llama = named("llama-3-8b");
    const device& on = *find_device("h100-80gb");
    workload work = packkit::full_rows(8192);
    const auto whole = estimate(llama, one_gpu(8192), on, work);
    // The same tokens in 8 documents a row: an eighth of the pairs.
    work.squared_per_row /= 8;
    work.computed_squared_per_row /= 8;
    const auto packed = estimate(llama, one_gpu(8192), on, work);
    BOOST_TEST(packed.attention == whole.attention / 8, exactly);
    BOOST_TEST(packed.step == whole.step - whole.attention * 7 / 8, exactly);
}

BOOST_AUTO_TEST_CASE(windows_bound_the_keys) {
    using packkit::detail::keys_of_all_layers;
    using packkit::detail::keys_per_token;
    BOOST_TEST(keys_per_token(1000, 0) == 500);
    BOOST_TEST(keys_per_token(1000, 1000) == 500);
    // Against a count over positions: token i sees min(i, w) before it and half itself.
    const std::int64_t length = 1000;
    const std::int64_t window = 300;
    double seen = 0;
    for (std::int64_t i = 0; i < length; ++i)
        seen += std::min(static_cast<double>(i) + 0.5, static_cast<double>(window));
    BOOST_TEST(keys_per_token(length, window) == seen / length,
               boost::test_tools::tolerance(1e-3));
    // Gemma 3: every sixth layer sees all; by the layers one by one.
    for (const packkit::named_model& model : packkit::named_models()) {
        double keys = 0;
        for (std::int64_t l = 0; l < model.shape.num_hidden_layers; ++l)
            keys += keys_per_token(9000, packkit::attention_window(model.shape, l));
        BOOST_TEST(keys_of_all_layers(model.shape, 9000) == keys, exactly);
    }
}

BOOST_AUTO_TEST_CASE(the_fullest_rank_is_waited_for) {
    const model_layout llama = named("llama-3-8b");
    const device& on = *find_device("h100-80gb");
    training_setup setup = one_gpu(4096);
    setup.mesh.dp_shard = 8;
    workload work = packkit::full_rows(4096);
    const auto even = estimate(llama, setup, on, work);
    work.dp_imbalance = 1.2;
    work.cp_imbalance = 1.1;
    const auto uneven = estimate(llama, setup, on, work);
    BOOST_TEST(uneven.forward == even.forward * 1.32, exactly);
    BOOST_TEST(uneven.backward == even.backward * 1.32, exactly);
    BOOST_TEST(uneven.imbalance == (even.forward + even.backward) * 0.32, exactly);
    BOOST_TEST(even.imbalance == 0);
    BOOST_TEST(uneven.optimizer == even.optimizer, exactly);
}

BOOST_AUTO_TEST_CASE(links_that_groups_cross) {
    using enum mesh_dimension;
    const device& on = *find_device("h100-80gb");
    time_assumptions nominal;
    nominal.link_efficiency = 1;
    const auto rate = [&](packkit::mesh_shape mesh,
                          std::initializer_list<mesh_dimension> group) {
        training_setup setup;
        setup.mesh = mesh;
        return packkit::detail::link_of(setup, on, nominal, group).bytes_per_second / 1e9;
    };
    BOOST_TEST(rate({1, 8, 1, 1}, {dp_shard, cp}) == 450, exactly);
    // 8 ranks of each of 4 nodes: 8 cards of 50.
    BOOST_TEST(rate({1, 32, 1, 1}, {dp_shard, cp}) == 400, exactly);
    // tp fills a node: one rank of each node, one card.
    BOOST_TEST(rate({1, 4, 1, 8}, {dp_shard, cp}) == 50, exactly);
    BOOST_TEST(rate({1, 4, 1, 8}, {tp}) == 450, exactly);
    // HSDP: shards inside, replicas between nodes.
    BOOST_TEST(rate({4, 8, 1, 1}, {dp_shard, cp}) == 450, exactly);
    BOOST_TEST(rate({4, 8, 1, 1}, {dp_replicate}) == 50, exactly);
    // tp of two nodes.
    BOOST_TEST(rate({1, 1, 1, 16}, {tp}) == 400, exactly);
}

BOOST_AUTO_TEST_CASE(latency_of_hops) {
    device on = *find_device("h100-80gb");
    on.collective_latency_seconds = 1;
    on.network_latency_seconds = 100;
    const auto hops = [&](packkit::mesh_shape mesh) {
        training_setup setup;
        setup.mesh = mesh;
        return packkit::detail::link_of(setup, on, {}, {mesh_dimension::dp_shard})
            .seconds_per_collective;
    };
    BOOST_TEST(hops({1, 1, 1, 1}) == 0);
    BOOST_TEST(hops({1, 8, 1, 1}) == 7);
    BOOST_TEST(hops({1, 32, 1, 1}) == 307);
}

BOOST_AUTO_TEST_CASE(what_compute_hides) {
    using packkit::detail::exposed;
    BOOST_TEST(exposed(0, 10, 0.1, 0) == 0);
    // A tenth has nothing beside it; the rest is hidden.
    BOOST_TEST(exposed(10, 20, 0.1, 0) == 1, exactly);
    BOOST_TEST(exposed(10, 20, 0.1, 5) == 1 + 5 * 0.9, exactly);
    // 9 beside 4 of compute.
    BOOST_TEST(exposed(10, 4, 0.1, 0) == 1 + 5, exactly);
    BOOST_TEST(exposed(10, 0, 0.1, 5) == 10, exactly);
}

BOOST_AUTO_TEST_CASE(tensor_parallel_sums_are_exposed) {
    const model_layout llama = named("llama-3-8b");
    const device& on = *find_device("h100-80gb");
    training_setup setup = one_gpu(8192);
    setup.mesh.tp = 8;
    const workload work = packkit::full_rows(8192);
    const auto sent = packkit::estimate_communication(llama, setup, work);
    const auto seconds = estimate_step_time(llama, setup, on, work, sent);
    const double sums =
        static_cast<double>(sent.tp.total()) / 360e9 +
        static_cast<double>(sent.tp.collectives) * 7 * on.collective_latency_seconds;
    const double reports =
        static_cast<double>(sent.world.total()) / 360e9 +
        static_cast<double>(sent.world.collectives) * 7 * on.collective_latency_seconds;
    BOOST_TEST(seconds.exposed_communication == sums + reports, exactly);
    BOOST_TEST(seconds.communication == sums + reports, exactly);
    // Products are an eighth.
    const auto alone = estimate(llama, one_gpu(8192), on, work);
    BOOST_TEST(seconds.attention == alone.attention / 8, exactly);
}

BOOST_AUTO_TEST_CASE(a_group_of_one_sends_nothing) {
    const model_layout llama = named("llama-2-7b");
    for (const auto sharding : {sharding_kind::ddp, sharding_kind::zero1,
                                sharding_kind::zero2, sharding_kind::fsdp}) {
        training_setup setup = one_gpu(4096);
        setup.sharding = sharding;
        const auto seconds =
            estimate(llama, setup, *find_device("a100-80gb"), packkit::full_rows(4096));
        BOOST_TEST(seconds.communication == 0);
        BOOST_TEST(seconds.exposed_communication == 0);
    }
}

BOOST_AUTO_TEST_CASE(accumulation_saves_the_all_reduce) {
    // DDP reduces once a step, FSDP gathers for each micro-batch: on a slow network DDP's
    // tokens become cheaper with accumulation.
    const model_layout model = named("llama-3.2-1b");
    device on = *find_device("a100-80gb");
    on.network_bytes_per_second = 1e9;
    const auto per_micro_batch = [&](sharding_kind sharding, std::int64_t accumulation) {
        training_setup setup = one_gpu(2048);
        setup.mesh.dp_replicate = sharding == sharding_kind::ddp ? 64 : 1;
        setup.mesh.dp_shard = sharding == sharding_kind::ddp ? 1 : 64;
        setup.sharding = sharding;
        setup.gradient_accumulation_steps = accumulation;
        return estimate(model, setup, on, packkit::full_rows(2048)).step /
               static_cast<double>(accumulation);
    };
    BOOST_TEST(per_micro_batch(sharding_kind::ddp, 16) <
               0.5 * per_micro_batch(sharding_kind::ddp, 1));
    BOOST_TEST(per_micro_batch(sharding_kind::fsdp, 16) >
               0.9 * per_micro_batch(sharding_kind::fsdp, 1));
}

BOOST_AUTO_TEST_CASE(an_offloaded_optimizer_moves_over_the_bus) {
    const model_layout llama = named("llama-3-8b");
    const device& on = *find_device("h100-80gb");
    training_setup setup = one_gpu(8192);
    setup.mesh.dp_shard = 8;
    const workload work = packkit::full_rows(8192);
    const auto here = estimate(llama, setup, on, work);
    setup.offload_optimizer = true;
    const auto there = estimate(llama, setup, on, work);
    const double held = 8030261248.0 / 8;
    BOOST_TEST(here.optimizer == held * 36 / 3350e9, exactly);
    BOOST_TEST(there.optimizer == held * (36 + 8) / 64e9, exactly);
    BOOST_TEST(there.step == here.step + there.optimizer - here.optimizer, exactly);
}

BOOST_AUTO_TEST_CASE(fixed_seconds_are_added) {
    const model_layout llama = named("llama-3-8b");
    time_assumptions assumed;
    assumed.fixed_seconds = 2.5;
    const auto seconds = estimate(llama, one_gpu(8192), *find_device("h100-80gb"),
                                  packkit::full_rows(8192), assumed);
    BOOST_TEST(seconds.fixed == 2.5);
    BOOST_TEST(seconds.step == seconds.compute + 2.5, exactly);
}

BOOST_AUTO_TEST_CASE(a_measured_machine_follows_its_law) {
    const model_layout llama = named("llama-3-8b");
    training_setup setup = one_gpu(8192);
    setup.mesh = {1, 4, 1, 2};
    setup.gradient_accumulation_steps = 3;
    device on = *find_device("cpu");
    on.measured = packkit::measured_machine{2e11, 1e-9, 1e-4, 0.25};
    const workload work = packkit::full_rows(8192);
    const auto sent = packkit::estimate_communication(llama, setup, work);
    const auto seconds = estimate_step_time(llama, setup, on, work, sent);
    const double flops = (6 * 8030261248.0 + 12 * 131072.0 * 8192) * 8192 * 3 / 2;
    const double network = static_cast<double>(sent.total().total()) * 1e-9 +
                           static_cast<double>(sent.total().collectives) * 1e-4;
    BOOST_TEST(seconds.compute == flops / 2e11, exactly);
    BOOST_TEST(seconds.forward + seconds.backward == seconds.compute, exactly);
    BOOST_TEST(seconds.exposed_communication == network, exactly);
    BOOST_TEST(seconds.step == flops / 2e11 + network + 0.25, exactly);
}

BOOST_AUTO_TEST_CASE(bad_input) {
    training_setup setup = one_gpu(1024);
    setup.mesh.dp_shard = 2;
    const model_layout model = named("llama-3.2-1b");
    const workload work = packkit::full_rows(1024);
    const auto sent = packkit::estimate_communication(model, setup, work);
    setup.gpus_per_node = 0;
    expect::message_of<invalid_argument>(
        [&] {
            (void)estimate_step_time(model, setup, *find_device("a100-80gb"), work, sent);
        },
        "ranks_per_node is 0");
}

// --- published runs
// --------------------------------------------------------------------- One efficiency a
// type of GPU is fitted to few rows. The constants that all types share
// (time_assumptions, and the share that the first FlashAttention reaches) were chosen
// with a view of all rows, mostly of those on A100 with 40 GB.

BOOST_AUTO_TEST_CASE(published_throughput_within_15_percent) {
    const auto rows = published::read_throughput(PACKKIT_PUBLISHED_THROUGHPUT);
    BOOST_TEST(rows.size() == 232u);
    struct score {
        std::vector<const published::throughput_row*> fitted;
        int within = 0;
        int others = 0;
        double efficiency = 0;
    };
    std::map<std::string, score> gpus;
    for (const auto& row : rows) {
        if (published::is_calibration_row(row)) gpus[row.gpu].fitted.push_back(&row);
    }
    std::vector<std::pair<double, std::string>> outside;
    for (auto& [gpu, score] : gpus) {
        // The efficiency at which the geometric mean of the fitted rows is as published.
        double low = 0.1;
        double high = 1;
        for (int i = 0; i < 50; ++i) {
            score.efficiency = (low + high) / 2;
            double sum = 0;
            for (const auto* row : score.fitted) {
                sum += std::log(published::speed_ratio(*row, published::layout_of(*row),
                                                       score.efficiency));
            }
            (sum > 0 ? high : low) = score.efficiency;
        }
        for (const auto& row : rows) {
            if (row.gpu != gpu || published::is_calibration_row(row)) continue;
            const double ratio =
                published::speed_ratio(row, published::layout_of(row), score.efficiency);
            ++score.others;
            if (std::abs(ratio - 1) <= 0.15) {
                ++score.within;
            } else {
                outside.emplace_back(ratio, row.text);
            }
        }
        BOOST_TEST_MESSAGE(gpu << ": efficiency " << score.efficiency << " of "
                               << score.fitted.size() << " rows, " << score.within
                               << " of " << score.others << " others within 15 %");
    }
    std::sort(outside.begin(), outside.end());
    for (const auto& [ratio, text] : outside)
        BOOST_TEST_MESSAGE("  estimated / published " << ratio << ": " << text);
    // As seen; a change that makes one of these worse should know why.
    const auto at_least = [&](const std::string& gpu, std::size_t fitted, int within,
                              int others) {
        BOOST_TEST(gpus[gpu].fitted.size() == fitted, gpu);
        BOOST_TEST(gpus[gpu].within >= within, gpu);
        BOOST_TEST(gpus[gpu].others == others, gpu);
    };
    at_least("a100-40gb", 5, 71, 73);
    at_least("a100-80gb", 1, 68, 72);
    at_least("h100-80gb", 6, 66, 68);
    at_least("h100-96gb", 1, 5, 6);
    // The device table holds these efficiencies, to two digits.
    for (const char* gpu : {"a100-40gb", "a100-80gb", "h100-80gb"}) {
        BOOST_TEST(find_device(gpu)->calibrated);
        BOOST_TEST(std::abs(find_device(gpu)->efficiency - gpus[gpu].efficiency) <= 0.005,
                   gpu << " " << gpus[gpu].efficiency);
    }
}

BOOST_AUTO_TEST_SUITE_END()
