// SPDX-License-Identifier: Apache-2.0
// Families, their parameters and the published models. That names and shapes are those of
// Transformers is tests/golden/model_shapes_test.cpp.
#include <packkit/model/check_model_shape.hpp>
#include <packkit/model/layout.hpp>
#include <packkit/model/model_traits.hpp>
#include <packkit/model/parameters.hpp>
#include <packkit/model/presets.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(model_shape_test)

using namespace packkit;

namespace {

constexpr model_shape small = {.vocab_size = 100,
                               .hidden_size = 32,
                               .intermediate_size = 48,
                               .num_hidden_layers = 2,
                               .num_attention_heads = 4,
                               .num_key_value_heads = 2,
                               .head_dim = 8};

constexpr model_shape small_gpt2 = {.family = model_family::gpt2,
                                    .vocab_size = 100,
                                    .hidden_size = 32,
                                    .intermediate_size = 128,
                                    .num_hidden_layers = 2,
                                    .num_attention_heads = 4,
                                    .num_key_value_heads = 4,
                                    .head_dim = 8,
                                    .tie_word_embeddings = true,
                                    .max_position_embeddings = 64};

constexpr model_shape small_mixtral = {.family = model_family::mixtral,
                                       .vocab_size = 100,
                                       .hidden_size = 32,
                                       .intermediate_size = 48,
                                       .num_hidden_layers = 2,
                                       .num_attention_heads = 4,
                                       .num_key_value_heads = 2,
                                       .head_dim = 8,
                                       .num_experts = 4,
                                       .num_experts_per_tok = 2};

static_assert((check_model_shape(small), true));
static_assert((check_model_shape(small_gpt2), true));
static_assert((check_model_shape(small_mixtral), true));
static_assert([] {
    for (const named_model& model : named_models())
        check_model_shape(model.shape);
    return true;
}());
static_assert(find_model("llama-3-8b")->shape.num_key_value_heads == 8);
static_assert(find_model("llama-3-9b") == nullptr);
static_assert(to_string(model_family::gemma3) == "gemma3_text");
static_assert(to_string(model_family::mpt) == "mpt");

model_shape shape_of(std::string_view name) {
    const named_model* const model = find_model(name);
    BOOST_REQUIRE_MESSAGE(model != nullptr, name);
    return model->shape;
}

/// "NAME EXTENT EXTENT" and how it is cut, filled and decayed: "rows", "normal", "decay".
std::vector<std::string> listed(const unit_shape& unit) {
    constexpr std::array<std::string_view, 3> cuts = {"replicated", "rows", "columns"};
    constexpr std::array<std::string_view, 3> inits = {"normal", "ones", "zeros"};
    std::vector<std::string> lines;
    for (const parameter_shape& parameter : unit.parameters) {
        std::string line = parameter.name;
        for (const std::int64_t extent : parameter.shape)
            line += " " + std::to_string(extent);
        line += " ";
        line += cuts.at(static_cast<std::size_t>(parameter.cut));
        line += " ";
        line += inits.at(static_cast<std::size_t>(parameter.init));
        lines.push_back(line + (parameter.weight_decay ? " decay" : ""));
    }
    return lines;
}

void check_listed(const unit_shape& unit, const std::vector<std::string>& expected) {
    const std::vector<std::string> found = listed(unit);
    BOOST_TEST(found == expected, boost::test_tools::per_element());
}

/// Sets one field of a copy and expects the message.
template <class Field, class Value>
void refused(model_shape model, Field model_shape::* field, Value value,
             const std::string& message) {
    model.*field = value;
    try {
        check_model_shape(model);
        BOOST_ERROR("accepted: " << message);
    } catch (const invalid_argument& error) { BOOST_TEST(error.what() == message); }
    BOOST_CHECK_THROW((void)unit_shapes(model), invalid_argument);
    BOOST_CHECK_THROW((void)parameter_count(model), invalid_argument);
}

}  // namespace

BOOST_AUTO_TEST_CASE(published_counts) {
    struct published {
        std::string_view name;
        std::int64_t parameters;
    };
    // What the models' pages on Hugging Face, or the papers' tables, print.
    constexpr std::array<published, 37> models = {{
        {"llama-2-7b", 6738415616},
        {"llama-2-13b", 13015864320},
        {"llama-2-70b", 68976648192},
        {"llama-3-8b", 8030261248},
        {"llama-3-70b", 70553706496},
        {"llama-3.1-405b", 405853388800},
        {"llama-3.2-1b", 1235814400},
        {"llama-3.2-3b", 3212749824},
        {"tinyllama-1.1b", 1100048384},
        {"smollm2-135m", 134515008},
        {"smollm2-1.7b", 1711376384},
        {"mistral-7b", 7241732096},
        {"mistral-7b-v0.3", 7248023552},
        {"mixtral-8x7b", 46702792704},
        {"qwen2-0.5b", 494032768},
        {"qwen2-1.5b", 1543714304},
        {"qwen2-7b", 7615616512},
        {"qwen2-72b", 72706203648},
        {"qwen2.5-14b", 14770033664},
        {"qwen2.5-32b", 32763876352},
        {"qwen3-0.6b", 596049920},
        {"qwen3-8b", 8190735360},
        {"qwen3-14b", 14768307200},
        {"qwen3-32b", 32762123264},
        {"qwen3-30b-a3b", 30532122624},
        {"qwen3-235b-a22b", 235093634560},
        {"gemma-2b", 2506172416},
        {"gemma-7b", 8537680896},
        {"gemma-2-2b", 2614341888},
        {"gemma-2-9b", 9241705984},
        {"gemma-2-27b", 27227128320},
        {"gemma-3-1b", 999885952},
        {"gpt2", 124439808},
        {"gpt2-xl", 1557611200},
        {"gpt-neox-20b", 20554567680},
        {"pythia-6.9b", 6857302016},
        {"mpt-7b-alibi", 6649286656},
    }};
    for (const published& model : models) {
        BOOST_TEST(parameter_count(shape_of(model.name)) == model.parameters, model.name);
    }
}

BOOST_AUTO_TEST_CASE(counts_of_llm_foundry) {
    struct published {
        std::string_view name;
        std::int64_t sequence_len;
        std::int64_t parameters;
    };
    // scripts/train/benchmarking/README.md of LLM Foundry, column num_params: the table
    // of positions grows with the sequence.
    constexpr std::array<published, 13> models = {{{"mpt-125m", 2048, 125311488},
                                                   {"mpt-125m", 65536, 174070272},
                                                   {"mpt-350m", 2048, 355985408},
                                                   {"mpt-760m", 2048, 760470528},
                                                   {"mpt-1b", 2048, 1315950592},
                                                   {"mpt-3b", 2048, 2651837440},
                                                   {"mpt-7b", 2048, 6658859008},
                                                   {"mpt-7b", 512, 6652567552},
                                                   {"mpt-13b", 2048, 12853954560},
                                                   {"mpt-13b", 32768, 13011240960},
                                                   {"mpt-30b", 2048, 29975214080},
                                                   {"mpt-30b", 8192, 30019254272},
                                                   {"mpt-70b", 2048, 64862437376}}};
    for (const published& model : models) {
        model_shape shape = shape_of(model.name);
        shape.max_position_embeddings = model.sequence_len;
        BOOST_TEST(parameter_count(shape) == model.parameters,
                   model.name << " at " << model.sequence_len);
    }
}

BOOST_AUTO_TEST_CASE(counts_of_megatron) {
    // Korthikanti et al. 2022, arXiv 2205.05198, table 3 and appendix A counts
    // P = 12 L h^2 (1 + 13 / (12 h) + (V + s) / (12 L h)), as Narayanan et al. 2021,
    // arXiv 2104.04473, equation 2, does: all but the final norm's 2 h.
    for (const std::string_view name : {"gpt-22b", "gpt-175b", "gpt-530b", "gpt-1t"}) {
        const model_shape model = shape_of(name);
        const std::int64_t h = model.hidden_size;
        const std::int64_t layers = model.num_hidden_layers;
        const std::int64_t formula =
            12 * layers * h * h + 13 * layers * h + (51200 + 2048) * h;
        BOOST_TEST(parameter_count(model) == formula + 2 * h, name);
    }
}

BOOST_AUTO_TEST_CASE(active_parameters) {
    // "uses only 13B active parameters" (arXiv 2401.04088), 39B (Mixtral 8x22B), 3.3B
    // and 22B (arXiv 2505.09388); exact by hand for Mixtral 8x7B: six of eight experts of
    // 3 * 4096 * 14336 rest in each of 32 layers.
    BOOST_TEST(active_parameter_count(shape_of("mixtral-8x7b")) ==
               46702792704 - 32 * 6 * (3LL * 4096 * 14336));
    const auto rounded = [](std::string_view name, std::int64_t unit) {
        return (active_parameter_count(shape_of(name)) + unit / 2) / unit;
    };
    BOOST_TEST(rounded("mixtral-8x7b", 1000000000) == 13);
    BOOST_TEST(rounded("mixtral-8x22b", 1000000000) == 39);
    BOOST_TEST(active_parameter_count(shape_of("qwen3-30b-a3b")) / 100000000 == 33);
    BOOST_TEST(rounded("qwen3-235b-a22b", 1000000000) == 22);
    BOOST_TEST(active_parameter_count(shape_of("llama-3-8b")) == 8030261248);
    // Every second layer is sparse: one of three.
    model_shape model = small_mixtral;
    model.num_hidden_layers = 3;
    model.decoder_sparse_step = 2;
    BOOST_TEST(sparse_layers(model) == 1);
    BOOST_TEST(!is_sparse_layer(model, 0));
    BOOST_TEST(is_sparse_layer(model, 1));
    BOOST_TEST(parameter_count(model) - active_parameter_count(model) == 2 * 3 * 32 * 48);
}

BOOST_AUTO_TEST_CASE(named_models_are_found) {
    std::set<std::string_view> names;
    for (const named_model& model : named_models()) {
        BOOST_TEST(names.insert(model.name).second, model.name << " appears twice");
        BOOST_TEST(find_model(model.name) == &model);
        BOOST_TEST(model.context_length == model.shape.max_position_embeddings);
        BOOST_TEST(model.context_length >= 1024);
    }
    BOOST_TEST(names.size() == named_models().size());
    BOOST_TEST(find_model("") == nullptr);
    BOOST_TEST(find_model("LLAMA-3-8B") == nullptr);
    BOOST_TEST(shape_of("llama-3.1-8b").max_position_embeddings == 131072);
    BOOST_TEST(shape_of("mixtral-8x22b").max_position_embeddings == 65536);
}

BOOST_AUTO_TEST_CASE(a_block_of_llama) {
    check_listed(block_shape(small, 1),
                 {"model.layers.1.input_layernorm.weight 32 replicated ones",
                  "model.layers.1.self_attn.q_proj.weight 32 32 rows normal decay",
                  "model.layers.1.self_attn.k_proj.weight 16 32 rows normal decay",
                  "model.layers.1.self_attn.v_proj.weight 16 32 rows normal decay",
                  "model.layers.1.self_attn.o_proj.weight 32 32 columns normal decay",
                  "model.layers.1.post_attention_layernorm.weight 32 replicated ones",
                  "model.layers.1.mlp.gate_proj.weight 48 32 rows normal decay",
                  "model.layers.1.mlp.up_proj.weight 48 32 rows normal decay",
                  "model.layers.1.mlp.down_proj.weight 32 48 columns normal decay"});
    BOOST_TEST(block_shape(small, 1).name == "model.layers.1");
}

BOOST_AUTO_TEST_CASE(a_block_of_gpt2_is_stored_the_other_way_round) {
    check_listed(block_shape(small_gpt2, 0),
                 {"transformer.h.0.ln_1.weight 32 replicated ones",
                  "transformer.h.0.ln_1.bias 32 replicated zeros",
                  "transformer.h.0.attn.c_attn.weight 32 96 columns normal decay",
                  "transformer.h.0.attn.c_attn.bias 96 rows zeros",
                  "transformer.h.0.attn.c_proj.weight 32 32 rows normal decay",
                  "transformer.h.0.attn.c_proj.bias 32 replicated zeros",
                  "transformer.h.0.ln_2.weight 32 replicated ones",
                  "transformer.h.0.ln_2.bias 32 replicated zeros",
                  "transformer.h.0.mlp.c_fc.weight 32 128 columns normal decay",
                  "transformer.h.0.mlp.c_fc.bias 128 rows zeros",
                  "transformer.h.0.mlp.c_proj.weight 128 32 rows normal decay",
                  "transformer.h.0.mlp.c_proj.bias 32 replicated zeros"});
}

BOOST_AUTO_TEST_CASE(norms_of_gemma_start_at_zero) {
    model_shape model = small;
    model.family = model_family::gemma3;
    model.tie_word_embeddings = true;
    check_listed(
        block_shape(model, 0),
        {"model.layers.0.input_layernorm.weight 32 replicated zeros",
         "model.layers.0.self_attn.q_proj.weight 32 32 rows normal decay",
         "model.layers.0.self_attn.k_proj.weight 16 32 rows normal decay",
         "model.layers.0.self_attn.v_proj.weight 16 32 rows normal decay",
         "model.layers.0.self_attn.q_norm.weight 8 replicated zeros",
         "model.layers.0.self_attn.k_norm.weight 8 replicated zeros",
         "model.layers.0.self_attn.o_proj.weight 32 32 columns normal decay",
         "model.layers.0.post_attention_layernorm.weight 32 replicated zeros",
         "model.layers.0.pre_feedforward_layernorm.weight 32 replicated zeros",
         "model.layers.0.mlp.gate_proj.weight 48 32 rows normal decay",
         "model.layers.0.mlp.up_proj.weight 48 32 rows normal decay",
         "model.layers.0.mlp.down_proj.weight 32 48 columns normal decay",
         "model.layers.0.post_feedforward_layernorm.weight 32 replicated zeros"});
}

BOOST_AUTO_TEST_CASE(experts_are_cut_like_dense_layers_and_the_router_is_not) {
    const unit_shape block = block_shape(small_mixtral, 0);
    const std::string moe = "model.layers.0.block_sparse_moe.";
    const auto lines = listed(block);
    BOOST_TEST(lines.size() == 6 + 1 + 4 * 3);
    BOOST_TEST(lines[6] == moe + "gate.weight 4 32 replicated normal decay");
    BOOST_TEST(lines[7] == moe + "experts.0.w1.weight 48 32 rows normal decay");
    BOOST_TEST(lines[8] == moe + "experts.0.w3.weight 48 32 rows normal decay");
    BOOST_TEST(lines[9] == moe + "experts.0.w2.weight 32 48 columns normal decay");
}

BOOST_AUTO_TEST_CASE(outer_units) {
    auto units = unit_shapes(small);
    BOOST_TEST(units.size() == 4U);
    check_listed(units.front(), {"model.embed_tokens.weight 100 32 rows normal decay"});
    check_listed(units.back(), {"model.norm.weight 32 replicated ones",
                                "lm_head.weight 100 32 rows normal decay"});
    BOOST_TEST(units.back().name == "lm_head");
    units = unit_shapes(small_gpt2);
    BOOST_TEST(units.size() == 3U);
    check_listed(units.front(), {"transformer.wte.weight 100 32 rows normal decay",
                                 "transformer.wpe.weight 64 32 replicated normal decay",
                                 "transformer.ln_f.weight 32 replicated ones",
                                 "transformer.ln_f.bias 32 replicated zeros"});
    model_shape untied = small_gpt2;
    untied.tie_word_embeddings = false;
    units = unit_shapes(untied);
    check_listed(units.front(), {"transformer.wte.weight 100 32 rows normal decay",
                                 "transformer.wpe.weight 64 32 replicated normal decay"});
    check_listed(units.back(), {"transformer.ln_f.weight 32 replicated ones",
                                "transformer.ln_f.bias 32 replicated zeros",
                                "lm_head.weight 100 32 rows normal decay"});
}

BOOST_AUTO_TEST_CASE(mpt_as_llm_foundry_trains_it) {
    // llmfoundry/models/mpt/modeling_mpt.py: wte, wpe, norm_f; blocks of norm_1, attn
    // (Wqkv, out_proj), norm_2, ffn (up_proj, down_proj); biases unless no_bias.
    model_shape model = small_gpt2;
    model.family = model_family::mpt;
    model.attention_bias = model.mlp_bias = model.norm_bias = true;
    const auto units = unit_shapes(model);
    check_listed(units.front(), {"transformer.wte.weight 100 32 rows normal decay",
                                 "transformer.wpe.weight 64 32 replicated normal decay",
                                 "transformer.norm_f.weight 32 replicated ones",
                                 "transformer.norm_f.bias 32 replicated zeros"});
    check_listed(units[1],
                 {"transformer.blocks.0.norm_1.weight 32 replicated ones",
                  "transformer.blocks.0.norm_1.bias 32 replicated zeros",
                  "transformer.blocks.0.attn.Wqkv.weight 96 32 rows normal decay",
                  "transformer.blocks.0.attn.Wqkv.bias 96 rows zeros",
                  "transformer.blocks.0.attn.out_proj.weight 32 32 columns normal decay",
                  "transformer.blocks.0.attn.out_proj.bias 32 replicated zeros",
                  "transformer.blocks.0.norm_2.weight 32 replicated ones",
                  "transformer.blocks.0.norm_2.bias 32 replicated zeros",
                  "transformer.blocks.0.ffn.up_proj.weight 128 32 rows normal decay",
                  "transformer.blocks.0.ffn.up_proj.bias 128 rows zeros",
                  "transformer.blocks.0.ffn.down_proj.weight 32 128 columns normal decay",
                  "transformer.blocks.0.ffn.down_proj.bias 32 replicated zeros"});
    model.alibi = true;
    model.num_key_value_heads = 1;
    BOOST_TEST(unit_shapes(model).front().parameters.size() == 3U);
    BOOST_TEST(unit_shapes(model)[1].parameters[2].shape.front() == 32 + 2 * 8);
}

BOOST_AUTO_TEST_CASE(windows_by_layer) {
    const model_shape gemma2 = shape_of("gemma-2-9b");
    BOOST_TEST(attention_window(gemma2, 0) == 4096);
    BOOST_TEST(attention_window(gemma2, 1) == 0);
    const model_shape gemma3 = shape_of("gemma-3-27b");
    std::int64_t full = 0;
    for (std::int64_t layer = 0; layer < gemma3.num_hidden_layers; ++layer)
        full += attention_window(gemma3, layer) == 0 ? 1 : 0;
    BOOST_TEST(full == 10);  // layers 5, 11, ..., 59 of 62
    BOOST_TEST(attention_window(gemma3, 5) == 0);
    BOOST_TEST(attention_window(shape_of("mistral-7b"), 31) == 4096);
    BOOST_TEST(attention_window(shape_of("llama-3-8b"), 0) == 0);
    model_shape late = shape_of("mistral-7b");
    late.first_sliding_layer = 30;
    BOOST_TEST(attention_window(late, 29) == 0);
    BOOST_TEST(attention_window(late, 30) == 4096);
}

BOOST_AUTO_TEST_CASE(layouts_hold_every_parameter) {
    for (const named_model& model : named_models()) {
        const model_layout layout(model.shape);
        BOOST_TEST(layout.parameters() == parameter_count(model.shape), model.name);
        std::int64_t blocks = 0;
        for (const repeated_unit& unit : layout.units())
            blocks += unit.kind == unit_kind::block ? unit.copies : 0;
        BOOST_TEST(blocks == model.shape.num_hidden_layers, model.name);
        BOOST_TEST(layout.units().size() == (model.shape.tie_word_embeddings ? 2U : 3U),
                   model.name);
        BOOST_TEST(elements_per_rank(layout, 1, 1).whole() == layout.parameters());
    }
}

BOOST_AUTO_TEST_CASE(wrong_sizes) {
    using m = model_shape;
    refused(small, &m::vocab_size, 0, "vocab_size is 0, expected a whole number >= 1");
    refused(small, &m::hidden_size, -3,
            "hidden_size is -3, expected a whole number >= 1");
    refused(small, &m::num_hidden_layers, 0,
            "num_hidden_layers is 0, expected a whole number >= 1");
    refused(small, &m::decoder_sparse_step, 0,
            "decoder_sparse_step is 0, expected a whole number >= 1");
    refused(small, &m::sliding_window, -1,
            "sliding_window is -1, expected a whole number >= 0");
    refused(small, &m::num_key_value_heads, 3,
            "num_key_value_heads 3 does not divide num_attention_heads 4");
    refused(small, &m::head_dim, 7,
            "head_dim 7 is odd; rotary embedding turns pairs of features");
    refused(small, &m::partial_rotary_factor, 0.4,
            "head_dim 8 times partial_rotary_factor 0.4 turns 3 features; rotary "
            "embedding turns pairs of features");
    refused(small, &m::partial_rotary_factor, 0.0,
            "partial_rotary_factor is 0, expected a number > 0 and <= 1");
    refused(small, &m::hidden_size, std::int64_t{1} << 50,
            "hidden_size 1125899906842624 with the other sizes makes a model of more "
            "than 1,000,000,000,000,000 parameters");
    refused(small_gpt2, &m::head_dim, 16,
            "head_dim 16 times num_attention_heads 4 is 64, for gpt2 it must be "
            "hidden_size 32");
    refused(small_gpt2, &m::num_key_value_heads, 2,
            "num_key_value_heads is 2, for gpt2 it must be num_attention_heads 4");
    refused(small_gpt2, &m::max_position_embeddings, 0,
            "max_position_embeddings is 0, gpt2 needs the rows of its table of "
            "positions");
}

BOOST_AUTO_TEST_CASE(switches_that_a_family_does_not_have) {
    using m = model_shape;
    model_shape mistral = small;
    mistral.family = model_family::mistral;
    refused(mistral, &m::attention_bias, true,
            "attention_bias is true, mistral has no such switch");
    refused(mistral, &m::mlp_bias, true, "mlp_bias is true, mistral has no such switch");
    refused(small, &m::norm_bias, true,
            "norm_bias is true, the norms of llama have no biases");
    refused(small, &m::alibi, true, "alibi is true, llama has no such switch");
    refused(small, &m::num_experts, 4, "num_experts is 4, llama has no experts");
    refused(small_mixtral, &m::num_experts, 0,
            "num_experts is 0, mixtral needs a whole number >= 1");
    refused(small_mixtral, &m::num_experts_per_tok, 5,
            "num_experts_per_tok is 5, expected 1 to num_experts 4");
    refused(small_mixtral, &m::num_experts_per_tok, 0,
            "num_experts_per_tok is 0, expected 1 to num_experts 4");
    model_shape biased = small;
    biased.attention_bias = biased.mlp_bias = true;
    BOOST_TEST(parameter_count(biased) - parameter_count(small) ==
               2 * (32 + 16 + 16 + 32 + 48 + 48 + 32));
}

BOOST_AUTO_TEST_SUITE_END()
