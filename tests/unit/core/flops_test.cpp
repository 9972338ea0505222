// SPDX-License-Identifier: Apache-2.0
#include <packkit/estimate/flops.hpp>
#include <packkit/model/document_cost.hpp>
#include <packkit/model/presets.hpp>

#include <cmath>
#include <limits>
#include <utility>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(flops_test)

namespace {

using packkit::checkpointing_kind;
using packkit::flop_convention;
using packkit::invalid_argument;
using packkit::model_layout;
using packkit::model_shape;

constexpr double a100 = 312e12;
constexpr double h100 = 989.5e12;

model_layout named(std::string_view name) {
    return model_layout(packkit::find_model(name)->shape);
}

double percent(double share) {
    return std::round(share * 1000) / 10;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_law_by_hand) {
    // Llama-3 8B: N 8,030,261,248, V h = 128,256 x 4,096, L h = 32 x 4,096.
    const model_layout llama = named("llama-3-8b");
    const auto a = packkit::token_flops_of(llama, flop_convention::A);
    BOOST_TEST(a.linear == 6 * 8030261248);
    BOOST_TEST(a.attention == 12 * 131072);
    const auto b = packkit::token_flops_of(llama, flop_convention::B);
    BOOST_TEST(b.linear == 6 * (8030261248 - 525336576));
    BOOST_TEST(b.attention == 12 * 131072);
    const auto c = packkit::token_flops_of(llama, flop_convention::C);
    BOOST_TEST(c.linear == b.linear);
    BOOST_TEST(c.attention == 6 * 131072);
    BOOST_TEST(packkit::flops_per_token(llama, flop_convention::A, 8192) ==
               48181567488.0 + 12884901888.0);
    // Documents of 3 and 5 tokens.
    BOOST_TEST(a.of_documents(8, 34) == 8 * 48181567488.0 + 34 * 1572864.0);
}

BOOST_AUTO_TEST_CASE(published_utilizations) {
    // torchtitan, docs/performance.md of 2024: its MFU on A100 is convention A.
    const auto utilization = [](const char* model, flop_convention convention, double s,
                                double rate, double peak) {
        return percent(packkit::mfu(packkit::flops_per_token(named(model), convention, s),
                                    rate, peak));
    };
    using enum flop_convention;
    BOOST_TEST(utilization("llama-3-8b", A, 8192, 2904, a100) == 56.8);
    BOOST_TEST(utilization("llama-3-8b", A, 8192, 2973, a100) == 58.2);
    BOOST_TEST(utilization("llama-2-13b", A, 4096, 2162, a100) == 61.1);
    BOOST_TEST(utilization("llama-2-13b", A, 4096, 1914, a100) == 54.1);
    BOOST_TEST(utilization("llama-2-70b", A, 4096, 355, a100) == 50.8);
    BOOST_TEST(utilization("llama-2-70b", A, 4096, 353, a100) == 50.5);
    // torchtitan, arXiv 2410.06511: convention B on H100, "33 % to 39 %".
    BOOST_TEST(utilization("llama-3.1-8b", B, 8192, 5762, h100) == 33.7);
    BOOST_TEST(utilization("llama-3.1-8b", B, 8192, 6667, h100) == 39.0);
}

BOOST_AUTO_TEST_CASE(nothing_exceeds_the_peak) {
    const model_layout llama = named("llama-3-70b");
    // 6 N alone: 312e12 / (6 x 70,553,706,496).
    const double limit = packkit::tokens_per_second_limit(
        a100, packkit::flops_per_token(llama, flop_convention::A, 0));
    BOOST_TEST(std::floor(limit) == 737);
    // With attention over 2,048 tokens it is less, by every convention.
    for (const auto convention :
         {flop_convention::A, flop_convention::B, flop_convention::C}) {
        BOOST_TEST(packkit::tokens_per_second_limit(
                       a100, packkit::flops_per_token(llama, convention, 2048)) < limit);
    }
    BOOST_TEST(percent(packkit::required_mfu(llama, 1800, a100)) == 244.2);
    BOOST_TEST(packkit::required_mfu(llama, limit, a100) == 1.0,
               boost::test_tools::tolerance(1e-12));
    BOOST_TEST(packkit::tokens_per_second_at(0.5, a100, 1e12) == 156.0);
}

BOOST_AUTO_TEST_CASE(documents_attend_to_themselves) {
    // A row of 8,192 tokens in documents of 4,096, 2,048, 2,048: 3,072 = Σl²/Σl.
    const double length = (4096.0 * 4096 + 2 * 2048.0 * 2048) / 8192;
    BOOST_TEST(length == 3072.0);
    const model_layout llama = named("llama-3-8b");
    using enum flop_convention;
    BOOST_TEST(packkit::flops_per_token(llama, A, length) ==
               6 * 8030261248.0 + 12 * 131072.0 * 3072);
    BOOST_TEST(packkit::flops_per_token(llama, A, 0) == 6 * 8030261248.0);
}

BOOST_AUTO_TEST_CASE(a_tied_table_is_multiplied_by) {
    const model_layout tied = named("llama-3.2-1b");
    BOOST_TEST(tied.shape().tie_word_embeddings);
    BOOST_TEST(packkit::token_flops_of(tied, flop_convention::B).linear ==
               6 * tied.parameters());
    BOOST_TEST(packkit::token_flops_of(tied, flop_convention::A).linear ==
               6 * tied.parameters());
}

BOOST_AUTO_TEST_CASE(a_table_of_positions_is_looked_up) {
    // GPT-2: 124,439,808 parameters, 1,024 positions of 768.
    const model_layout gpt2 = named("gpt2");
    BOOST_TEST(gpt2.parameters() == 124439808);
    BOOST_TEST(packkit::token_flops_of(gpt2, flop_convention::A).linear == 6 * 124439808);
    BOOST_TEST(packkit::token_flops_of(gpt2, flop_convention::B).linear ==
               6 * (124439808 - 1024 * 768));
}

BOOST_AUTO_TEST_CASE(heads_may_be_wider_than_the_model) {
    // Qwen3-32B: 64 heads of 128 in a model of 5,120.
    const model_layout wide = named("qwen3-32b");
    BOOST_TEST(wide.shape().hidden_size == 5120);
    BOOST_TEST(packkit::token_flops_of(wide, flop_convention::A).attention ==
               12 * 64 * 8192);
}

BOOST_AUTO_TEST_CASE(a_token_uses_some_experts) {
    // Mixtral 8x7B: 46,702,792,704 parameters, 12,879,925,248 active (arXiv 2401.04088:
    // "47B", "13B").
    const model_layout mixtral = named("mixtral-8x7b");
    BOOST_TEST(mixtral.parameters() == 46702792704);
    BOOST_TEST(packkit::active_parameters(mixtral) == 12879925248);
    BOOST_TEST(packkit::token_flops_of(mixtral, flop_convention::A).linear ==
               6 * 12879925248);
}

BOOST_AUTO_TEST_CASE(active_parameters_of_every_model) {
    for (const packkit::named_model& model : packkit::named_models()) {
        const model_layout layout(model.shape);
        BOOST_TEST(packkit::active_parameters(layout) ==
                       packkit::active_parameter_count(model.shape),
                   model.name);
    }
}

BOOST_AUTO_TEST_CASE(the_law_that_balances_rows_is_the_same) {
    using packkit::attention_extent;
    for (const packkit::named_model& model : packkit::named_models()) {
        const model_layout layout(model.shape);
        for (const auto& [extent, convention] :
             {std::pair{attention_extent::causal, flop_convention::C},
              std::pair{attention_extent::full, flop_convention::B}}) {
            const auto cost = packkit::training_flops(model.shape, extent);
            const auto law = packkit::token_flops_of(layout, convention);
            BOOST_TEST(cost.linear == law.linear, model.name);
            BOOST_TEST(cost.quadratic == law.attention, model.name);
        }
    }
}

BOOST_AUTO_TEST_CASE(backward_is_twice_forward) {
    const model_layout llama = named("llama-2-7b");
    const auto phases =
        packkit::phases_per_token(llama, flop_convention::B, 4096, {0.5, 1.0});
    const double linear = 2.0 * (6738415616 - 131072000);
    const double attention = 4.0 * 131072 * 4096;
    BOOST_TEST(phases.forward == linear + attention);
    BOOST_TEST(phases.backward == 2 * (linear + attention));
    BOOST_TEST(phases.recomputed == 0.5 * linear + attention);
    BOOST_TEST(phases.model() ==
               packkit::flops_per_token(llama, flop_convention::B, 4096));
    BOOST_TEST(phases.hardware() == phases.model() + phases.recomputed);
}

BOOST_AUTO_TEST_CASE(hardware_utilization) {
    const model_layout llama = named("llama-2-13b");
    const double model = packkit::mfu(
        packkit::flops_per_token(llama, flop_convention::A, 4096), 2000, a100);
    const auto executed = [&](checkpointing_kind kind) {
        return packkit::hfu(llama, flop_convention::A, 4096, kind, 2000, a100);
    };
    BOOST_TEST(executed(checkpointing_kind::none) == model);
    BOOST_TEST(executed(checkpointing_kind::full) == model * 4 / 3,
               boost::test_tools::tolerance(1e-12));
    // One forward of attention: a third of 12 L h s.
    BOOST_TEST(executed(checkpointing_kind::selective) ==
                   model + 4.0 * 40 * 5120 * 4096 * 2000 / a100,
               boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(megatrons_table_counts_attention_thrice) {
    // Korthikanti et al. 2022, table 5: MFU and HFU of 22B and 175B are 41.5 and 43.7,
    // 51.4 and 52.8 %. Its hardware FLOPs, 72 B L s h² (1 + s/3h + V/12hL), hold all of
    // attention's once more and not its forward alone.
    const auto ratio = [](std::int64_t layers, std::int64_t hidden, std::int64_t heads) {
        model_shape shape{.family = packkit::model_family::gpt2,
                          .vocab_size = 51200,
                          .hidden_size = hidden,
                          .intermediate_size = 4 * hidden,
                          .num_hidden_layers = layers,
                          .num_attention_heads = heads,
                          .num_key_value_heads = heads,
                          .head_dim = hidden / heads,
                          .tie_word_embeddings = true,
                          .max_position_embeddings = 2048};
        const auto phases = packkit::phases_per_token(model_layout(shape),
                                                      flop_convention::B, 2048, {0, 3});
        return phases.hardware() / phases.model();
    };
    BOOST_TEST(ratio(48, 6144, 64) == 43.7 / 41.5, boost::test_tools::tolerance(0.003));
    BOOST_TEST(ratio(96, 12288, 96) == 52.8 / 51.4, boost::test_tools::tolerance(0.003));
}

BOOST_AUTO_TEST_CASE(bad_input) {
    const model_layout llama = named("llama-2-7b");
    const auto a = flop_convention::A;
    expect::message_of<invalid_argument>(
        [&] { (void)packkit::flops_per_token(llama, a, -1); }, "attention_length is -1");
    expect::message_of<invalid_argument>(
        [&] {
            (void)packkit::flops_per_token(llama, a,
                                           std::numeric_limits<double>::quiet_NaN());
        },
        "attention_length is nan");
    expect::message_of<invalid_argument>([&] { (void)packkit::mfu(0, 100, a100); },
                                         "flops_per_token is 0");
    expect::message_of<invalid_argument>([&] { (void)packkit::mfu(1e9, -5, a100); },
                                         "tokens_per_second_per_gpu is -5");
    expect::message_of<invalid_argument>([&] { (void)packkit::mfu(1e9, 5, 0); },
                                         "peak_flops is 0");
    expect::message_of<invalid_argument>(
        [&] {
            (void)packkit::tokens_per_second_limit(
                std::numeric_limits<double>::infinity(), 1);
        },
        "peak_flops is inf");
    expect::message_of<invalid_argument>(
        [&] { (void)packkit::tokens_per_second_at(-0.1, a100, 1e9); }, "mfu is -0.1");
    expect::message_of<invalid_argument>(
        [&] { (void)packkit::phases_per_token(llama, a, -2, {}); },
        "attention_length is -2");
}

BOOST_AUTO_TEST_SUITE_END()
