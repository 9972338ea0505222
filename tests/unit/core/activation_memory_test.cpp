// SPDX-License-Identifier: Apache-2.0
#include <packkit/estimate/activation_formulas.hpp>
#include <packkit/estimate/activation_memory.hpp>
#include <packkit/estimate/profile/megatron_pytorch.hpp>
#include <packkit/model/presets.hpp>

#include <array>
#include <cstdint>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(activation_memory_test)

namespace {

using namespace packkit;
using enum checkpointing_kind;

constexpr rational gib = std::int64_t{1} << 30;

// Korthikanti et al. 2022, arXiv 2205.05198, figure 1 and table 3: GPT 22B and 175B.
constexpr gpt_run gpt_22b = {.layers = 48,
                             .hidden = 6144,
                             .heads = 64,
                             .sequence = 2048,
                             .micro_batch = 4,
                             .tensor_parallel = 8};
constexpr gpt_run gpt_175b = {.layers = 96,
                              .hidden = 12288,
                              .heads = 96,
                              .sequence = 2048,
                              .micro_batch = 1,
                              .tensor_parallel = 8,
                              .pipeline_parallel = 8,
                              .interleave = 3};

// Parameters and optimizer state at 18 bytes.
static_assert(18 * layer_parameters(gpt_22b) / gib == rational(455625, 10000));
static_assert(18 * layer_parameters(gpt_175b) / gib == rational(455625, 10000));
static_assert(first_stage_activation_bytes(gpt_22b, none, false) / gib ==
              rational(5925, 100));
static_assert(first_stage_activation_bytes(gpt_22b, selective, true) / gib ==
              rational(95625, 10000));
static_assert(first_stage_activation_bytes(gpt_175b, none, false) / gib ==
              rational(6684375, 100000));
static_assert(first_stage_activation_bytes(gpt_175b, selective, true) / gib ==
              rational(123515625, 10000000));

// Equation 1 by hand: s b h = 2 * 1 * 4, a s / h = 2 * 2 / 4 = 1: 8 (34 + 5).
constexpr gpt_run tiny = {
    .layers = 1, .hidden = 4, .heads = 2, .sequence = 2, .micro_batch = 1};
static_assert(layer_activation_bytes(tiny, none, false) == 8 * 39);
static_assert(layer_activation_bytes(tiny, none, true) == 8 * 39);
static_assert(layer_activation_bytes(tiny, selective, false) == 8 * 34);
static_assert(layer_activation_bytes(tiny, full, false) == 16);
// 1F1B holds p micro-batches of L/p layers: as many bytes as without a pipeline.
constexpr gpt_run pipeline = [] {
    gpt_run run = tiny;
    run.layers = 4;
    run.pipeline_parallel = 4;
    return run;
}();
static_assert(first_stage_activation_bytes(pipeline, none, false) == 4 * 8 * 39);

// The widths of a model, by hand: Qwen3 30B A3B has 128 experts, 8 a token, of 768.
constexpr model_shape qwen3 = {.family = model_family::qwen3_moe,
                               .vocab_size = 151936,
                               .hidden_size = 2048,
                               .intermediate_size = 6144,
                               .num_hidden_layers = 48,
                               .num_attention_heads = 32,
                               .num_key_value_heads = 4,
                               .head_dim = 128,
                               .num_experts = 128,
                               .num_experts_per_tok = 8,
                               .moe_intermediate_size = 768};
static_assert(elements_of(activation_width::query, qwen3, true) == 4096);
static_assert(elements_of(activation_width::key_value, qwen3, true) == 512);
static_assert(elements_of(activation_width::normed_query, qwen3, true) == 4096);
static_assert(elements_of(activation_width::normed_key, qwen3, true) == 512);
static_assert(elements_of(activation_width::intermediate, qwen3, true) == 6144);
static_assert(elements_of(activation_width::intermediate, qwen3, false) == 6144);
static_assert(elements_of(activation_width::gate, qwen3, true) == 6144);
static_assert(elements_of(activation_width::experts, qwen3, true) == 128);
static_assert(elements_of(activation_width::experts, qwen3, false) == 0);
static_assert(elements_of(activation_width::routed_hidden, qwen3, true) == 16384);
static_assert(elements_of(activation_width::post_norm, qwen3, true) == 0);

constexpr model_shape gpt(std::int64_t layers, std::int64_t hidden, std::int64_t heads) {
    return {.family = model_family::gpt2,
            .vocab_size = 51200,
            .hidden_size = hidden,
            .intermediate_size = 4 * hidden,
            .num_hidden_layers = layers,
            .num_attention_heads = heads,
            .num_key_value_heads = heads,
            .head_dim = hidden / heads,
            .tie_word_embeddings = true,
            .max_position_embeddings = 2048};
}
static_assert(elements_of(activation_width::gate, gpt(2, 64, 4), false) == 0);
static_assert(elements_of(activation_width::rotary, gpt(2, 64, 4), false) == 0);

}  // namespace

// The list of tensors and the published closed form are two ways to the same bytes.
BOOST_AUTO_TEST_CASE(megatrons_list_adds_up_to_the_papers_formulas) {
    int cases = 0;
    for (const auto& [layers, hidden, heads] :
         {std::array<std::int64_t, 3>{48, 6144, 64}, {96, 12288, 96}, {3, 256, 8}}) {
        const model_shape model = gpt(layers, hidden, heads);
        const activation_sums sums(model, megatron_activations);
        for (const std::int64_t tp : {1, 2, 8}) {
            for (const bool sequence_parallel : {false, true}) {
                for (const auto checkpointing : {none, selective, full}) {
                    for (const std::int64_t micro : {1, 4}) {
                        training_setup setup;
                        setup.mesh = {.tp = tp};
                        setup.sequence_len = 2048;
                        setup.micro_batch_size = micro;
                        setup.sequence_parallel = sequence_parallel;
                        const std::int64_t bytes =
                            sums.kept.at(static_cast<std::size_t>(checkpointing))
                                .bytes(setup, setup.micro_tokens());
                        rational formula =
                            layer_activation_bytes({.hidden = hidden,
                                                    .heads = heads,
                                                    .sequence = 2048,
                                                    .micro_batch = micro,
                                                    .tensor_parallel = tp},
                                                   checkpointing, sequence_parallel);
                        // The table counts a full checkpoint whole on every rank; with
                        // sequence parallelism the input is already cut.
                        if (checkpointing == full && sequence_parallel) formula /= tp;
                        BOOST_TEST_CONTEXT("hidden " << hidden << ", tp " << tp << ", "
                                                     << to_string(checkpointing)
                                                     << (sequence_parallel ? ", sp" : ""))
                        BOOST_TEST((formula * layers == bytes));
                        ++cases;
                    }
                }
            }
        }
    }
    BOOST_TEST(cases == 108);
}

// Llama 3 8B by hand, bf16, a token of one layer: block input, attention input, second
// norm's input and feed-forward input 4 x 4096, q and attention output 2 x 4096, k and v
// 2 x 1024, four of 14336; log-sum-exp of 32 heads and two statistics in float32.
BOOST_AUTO_TEST_CASE(llama_by_hand) {
    const model_shape model = find_model("llama-3-8b")->shape;
    const activation_sums sums(model, pytorch_activations);
    training_setup setup;
    setup.sequence_len = 8192;
    const std::int64_t layer = 2 * (6 * 4096 + 2 * 1024 + 4 * 14336) + 4 * (32 + 2);
    BOOST_TEST(sums.kept[0].bytes(setup, 1) == 32 * layer);
    // Selective: without norms' outputs and statistics, silu(gate) and the product.
    const std::int64_t dropped = 2 * (2 * 4096 + 2 * 14336) + 4 * 2;
    BOOST_TEST(sums.kept[1].bytes(setup, 1) == 32 * (layer - dropped));
    BOOST_TEST(sums.kept[2].bytes(setup, 1) == 32 * 2 * 4096);
    // At work: gradients of 3 x 14336 and 2 x 4096, and what was recomputed.
    const std::int64_t gradients = 2 * (3 * 14336 + 2 * 4096);
    BOOST_TEST(sums.working[0].bytes(setup, 1) == gradients);
    BOOST_TEST(sums.working[1].bytes(setup, 1) == gradients + dropped);
    BOOST_TEST(sums.working[2].bytes(setup, 1) == gradients + layer - 2 * 4096);
    BOOST_TEST(sums.row.bytes(setup, 1) == 3 * 8 + 2 * 2 * 128);
    BOOST_TEST(sums.loss.bytes(setup, 1) == 128256 * (2 + 3 * 4));
    // float32 doubles what is computed with, float64 all that is no index.
    setup.precision = precision_kind::fp32;
    BOOST_TEST(sums.loss.bytes(setup, 1) == 128256 * (4 + 3 * 4));
    setup.precision = precision_kind::fp64;
    BOOST_TEST(sums.loss.bytes(setup, 1) == 128256 * (8 + 3 * 8));
    BOOST_TEST(sums.row.bytes(setup, 1) == 3 * 8 + 8 * 2 * 128);
}

BOOST_AUTO_TEST_CASE(tensor_parallelism_cuts_what_it_cuts) {
    const model_shape model = find_model("llama-3-8b")->shape;
    const activation_sums sums(model, pytorch_activations);
    training_setup setup;
    setup.sequence_len = 1024;
    setup.mesh = {.tp = 4};
    const std::int64_t whole = 2 * 4 * 4096 + 4 * 2;
    const std::int64_t cut = 2 * (2 * 4096 + 2 * 1024 + 4 * 14336) + 4 * 32;
    BOOST_TEST(sums.kept[0].bytes(setup, 8) == 32 * 8 * (whole + cut / 4));
    setup.sequence_parallel = true;
    BOOST_TEST(sums.kept[0].bytes(setup, 8) == 32 * 8 * (whole + cut) / 4);
    // Rounded up where a part is not whole.
    setup.mesh = {.tp = 3};
    BOOST_TEST(sums.kept[2].bytes(setup, 1) == (32 * 2 * 4096 + 2) / 3);
}

// A layer with experts keeps the tokens that it sent, and the widths of the experts that
// a token visited: of Mixtral's 8 experts 2 with 14336.
BOOST_AUTO_TEST_CASE(experts_of_a_token_count_not_all) {
    const model_shape mixtral = find_model("mixtral-8x7b")->shape;
    const activation_sums sums(mixtral, pytorch_activations);
    training_setup setup;
    setup.sequence_len = 4096;
    const std::int64_t layer = 2 * (6 * 4096 + 2 * 1024 + 4 * 2 * 14336) + 4 * (32 + 2) +
                               4 * 2 * 8 + 2 * 2 * 2 * 4096;
    BOOST_TEST(sums.kept[0].bytes(setup, 1) == 32 * layer);
    // Every second layer sparse: half of each.
    model_shape mixed = qwen3;
    mixed.decoder_sparse_step = 2;
    model_shape dense = qwen3;
    dense.decoder_sparse_step = 96;  // no layer is the 96th
    const auto kept = [&](const model_shape& model) {
        return activation_sums(model, pytorch_activations).kept[0].bytes(setup, 7);
    };
    BOOST_TEST(2 * kept(mixed) == kept(qwen3) + kept(dense));
    BOOST_TEST(kept(qwen3) > kept(dense));
}

BOOST_AUTO_TEST_CASE(a_profile_is_any_list) {
    static constexpr activation_tensor list[] = {
        {"everything twice", activation_width::hidden, activation_element::accumulation,
         activation_cut::never, none, 2},
        {"mask", activation_width::one, activation_element::mask, activation_cut::never,
         full},
    };
    const activation_profile profile{.name = "mine", .block = list};
    const activation_sums sums(gpt(5, 64, 4), profile);
    training_setup setup;
    setup.sequence_len = 16;
    BOOST_TEST(sums.kept[0].bytes(setup, 3) == 5 * 3 * (2 * 64 * 4 + 1));
    BOOST_TEST(sums.kept[2].bytes(setup, 3) == 5 * 3);
    BOOST_TEST(sums.working[2].bytes(setup, 3) == 3 * 2 * 64 * 4);
    BOOST_TEST(sums.loss.bytes(setup, 3) == 0);
}

BOOST_AUTO_TEST_CASE(bad_values_are_refused) {
    expect::message_of<invalid_argument>(
        [] { return elements_of(static_cast<activation_width>(99), qwen3, false); },
        "activation_width", "99");
    expect::message_of<invalid_argument>(
        [] {
            const activation_sums sums(qwen3, pytorch_activations);
            training_setup setup;
            setup.sequence_len = 1;
            return sums.loss.bytes(setup, std::int64_t{1} << 45);
        },
        "bytes of activations exceed");
    expect::message_of<invalid_argument>(
        [] {
            gpt_run run;
            run.tensor_parallel = 0;
            return layer_activation_bytes(run, none, false);
        },
        "/ 0");
}

BOOST_AUTO_TEST_SUITE_END()
