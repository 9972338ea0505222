// SPDX-License-Identifier: Apache-2.0
// Families of models whose config.json is not that of Llama.
#include <common/errors.hpp>
#include <common/model_config.hpp>

#include <packkit/model/model_traits.hpp>
#include <packkit/model/parameters.hpp>
#include <packkit/model/presets.hpp>

#include <boost/test/unit_test.hpp>

#include <nlohmann/json.hpp>

#include "model_config_cases.hpp"

BOOST_AUTO_TEST_SUITE(model_config_families_test)

using namespace model_config_cases;

namespace {

json mpt(const json& more = json::object()) {
    return with({{"model_type", "mpt"},
                 {"vocab_size", 67},
                 {"d_model", 32},
                 {"n_layers", 2},
                 {"n_heads", 4},
                 {"max_seq_len", 64}},
                more);
}

}  // namespace

BOOST_AUTO_TEST_CASE(experts) {
    const json mixtral =
        of_type("mixtral", {{"num_local_experts", 4}, {"num_experts_per_tok", 2}});
    BOOST_TEST(read(mixtral).num_experts == 4);
    BOOST_TEST(packkit::expert_size(read(mixtral)) == 96);
    BOOST_TEST(error_without(mixtral, "num_local_experts") ==
               "config.json:1: num_local_experts: is missing; expected a whole number >= "
               "1");
    BOOST_TEST(
        error_without(mixtral, "num_experts_per_tok") ==
        "config.json:1: num_experts_per_tok: is missing; expected a whole number >= "
        "1");
    BOOST_TEST(error_in(with(mixtral, {{"num_experts_per_tok", 5}})) ==
               "config.json: num_experts_per_tok is 5, expected 1 to num_experts 4");
    const json qwen = of_type(
        "qwen3_moe",
        {{"num_experts", 4}, {"num_experts_per_tok", 2}, {"moe_intermediate_size", 24}});
    BOOST_TEST(packkit::expert_size(read(qwen)) == 24);
    BOOST_TEST(
        error_without(qwen, "moe_intermediate_size") ==
        "config.json:1: moe_intermediate_size: is missing; expected a whole number "
        ">= 1");
    BOOST_TEST(error_in(with(qwen, {{"mlp_only_layers", {0}}})) ==
               "config.json:1: mlp_only_layers: an array is not supported; expected an "
               "empty array");
    BOOST_TEST(error_in(with(qwen, {{"decoder_sparse_step", 0}})) ==
               "config.json:1: decoder_sparse_step: expected a whole number from 1 to "
               "2147483647, found 0");
}

BOOST_AUTO_TEST_CASE(a_language_model_with_vision) {
    const json published = {
        {"model_type", "gemma3"},
        {"text_config",
         {{"hidden_size", 2560},
          {"intermediate_size", 10240},
          {"model_type", "gemma3_text"},
          {"num_hidden_layers", 34},
          {"rope_scaling", {{"factor", 8.0}, {"rope_type", "linear"}}},
          {"sliding_window", 1024}}},
        {"vision_config", {{"hidden_size", 1152}}}};
    BOOST_CHECK(read(published) == packkit::find_model("gemma-3-4b")->shape);
    BOOST_TEST(error_without(published, "text_config") ==
               "config.json:1: text_config: is missing; expected an object");
    json broken = published;
    broken["text_config"]["hidden_size"] = "2560";
    BOOST_TEST(
        error_in(broken) ==
        "config.json:1: text_config.hidden_size: expected a whole number from 1 to "
        "2147483647, found '2560'");
    broken = published;
    broken["text_config"]["model_type"] = "llama";
    BOOST_TEST(
        error_in(broken) ==
        "config.json:1: text_config.model_type: 'llama' is not supported; expected "
        "'gemma3_text'");
    broken = published;
    broken["quantization_config"] = {{"bits", 4}};
    BOOST_TEST(
        error_in(broken) ==
        "config.json:1: text_config.quantization_config: quantized weights are not "
        "supported");
}

BOOST_AUTO_TEST_CASE(gpt2_and_gpt_neox) {
    const json gpt2 = {{"model_type", "gpt2"}, {"vocab_size", 67}, {"n_positions", 64},
                       {"n_embd", 32},         {"n_layer", 2},     {"n_head", 4}};
    BOOST_TEST(read(gpt2).intermediate_size == 128);
    BOOST_TEST(read(gpt2).tie_word_embeddings);
    BOOST_TEST(read(with(gpt2, {{"n_inner", 50}})).intermediate_size == 50);
    BOOST_TEST(error_without(gpt2, "n_positions") ==
               "config.json:1: n_positions: is missing; expected a whole number >= 1");
    BOOST_TEST(error_in(with(gpt2, {{"n_head", 5}})) ==
               "config.json:1: n_head: 5 does not divide n_embd 32");
    BOOST_TEST(
        error_in(with(gpt2, {{"add_cross_attention", true}})) ==
        "config.json:1: add_cross_attention: true is not supported; expected false");
    const json neox = {{"model_type", "gpt_neox"},
                       {"vocab_size", 67},
                       {"hidden_size", 64},
                       {"intermediate_size", 96},
                       {"num_hidden_layers", 2},
                       {"num_attention_heads", 4},
                       {"max_position_embeddings", 64}};
    BOOST_TEST(read(neox).partial_rotary_factor == 0.25);
    BOOST_TEST(read(neox).attention_bias);
    BOOST_TEST(error_in(with(neox, {{"rotary_pct", 0.2}})) ==
               "config.json: head_dim 16 times partial_rotary_factor 0.2 turns 3 "
               "features; rotary embedding turns pairs of features");
    BOOST_TEST(error_in(with(neox, {{"rotary_emb_base", 5}, {"rope_theta", 6}})) ==
               "config.json:1: rotary_emb_base: 5 contradicts rope_theta 6.0 of the same "
               "file");
}

BOOST_AUTO_TEST_CASE(mpt_of_llm_foundry) {
    BOOST_TEST(read(mpt()).alibi);  // as Transformers' class, where the file is silent
    BOOST_TEST(!read(mpt()).norm_bias);
    const model_shape trained =
        read(mpt({{"no_bias", false},
                  {"learned_pos_emb", true},
                  {"expansion_ratio", 2.5},
                  {"attn_config", {{"alibi", false}, {"attn_pdrop", 0.25}}}}));
    BOOST_TEST(!trained.alibi);
    BOOST_TEST(trained.attention_bias);
    BOOST_TEST(trained.mlp_bias);
    BOOST_TEST(trained.norm_bias);
    BOOST_TEST(trained.intermediate_size == 80);
    BOOST_TEST(trained.attention_dropout == 0.25);
    const auto kv_heads = [](const json& attention) {
        return read(mpt({{"attn_config", attention}})).num_key_value_heads;
    };
    BOOST_TEST(kv_heads({{"attn_type", "multihead_attention"}}) == 4);
    BOOST_TEST(kv_heads({{"attn_type", "multiquery_attention"}}) == 1);
    BOOST_TEST(kv_heads({{"attn_type", "grouped_query_attention"}, {"kv_n_heads", 2}}) ==
               2);
    BOOST_TEST(
        error_in(mpt({{"attn_config", {{"attn_type", "linear"}}}})) ==
        "config.json:1: attn_config.attn_type: 'linear' is not supported; expected "
        "'multihead_attention'");
    BOOST_TEST(error_in(mpt({{"attn_config", {{"qk_ln", true}}}})) ==
               "config.json:1: attn_config.qk_ln: true is not supported; expected false");
    BOOST_TEST(error_in(mpt({{"attn_config", {{"alibi", false}, {"rope", true}}}})) ==
               "config.json:1: attn_config.rope: true is not supported; expected false");
    BOOST_TEST(error_in(mpt(
                   {{"learned_pos_emb", false}, {"attn_config", {{"alibi", false}}}})) ==
               "config.json:1: learned_pos_emb: false is not supported; expected true");
    BOOST_TEST(error_in(mpt({{"norm_type", "rmsnorm"}})) ==
               "config.json:1: norm_type: 'rmsnorm' is not supported; expected "
               "'low_precision_layernorm'");
    BOOST_TEST(
        error_in(mpt({{"expansion_ratio", 2.7}})) ==
        "config.json:1: expansion_ratio: 2.7 times d_model 32 is not a whole number "
        "from 1 to 2147483647");
    BOOST_TEST(error_in(mpt({{"d_model", 2147483644}, {"n_heads", 1}})) ==
               "config.json:1: expansion_ratio: 4.0 times d_model 2147483644 is not a "
               "whole number from 1 to 2147483647");
}

BOOST_AUTO_TEST_SUITE_END()
