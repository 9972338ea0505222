// SPDX-License-Identifier: Apache-2.0
#include "plan/identity.hpp"

#include "common/numbers.hpp"
#include "config/schema.hpp"

namespace packkit::train {
namespace {

std::string rope_text(const rope_scaling& rope) {
    std::string text(to_string(rope.kind));
    for (const double value : {rope.factor, rope.low_freq_factor, rope.high_freq_factor,
                               static_cast<double>(rope.original_max_position_embeddings),
                               rope.beta_fast, rope.beta_slow, rope.attention_factor}) {
        text += " " + app::shortest(value);
    }
    return text;
}

/// What decides the function of a model besides the sizes of its parameters.
void add_model_function(const model_shape& shape, named_values& identity) {
    const auto real = [&](const char* key, double value) {
        identity.emplace(key, app::shortest(value));
    };
    const auto whole = [&](const char* key, std::int64_t value) {
        identity.emplace(key, std::to_string(value));
    };
    const auto truth = [&](const char* key, bool value) {
        identity.emplace(key, value ? "true" : "false");
    };
    identity.emplace("hidden_act", std::string(to_string(shape.activation)));
    real("rms_norm_eps", shape.rms_norm_eps);
    real("rope_theta", shape.rope_theta);
    real("rope_local_base_freq", shape.rope_local_theta);
    identity.emplace("rope_scaling", rope_text(shape.scaling));
    if (shape.scaling.kind == rope_scaling_kind::yarn)
        whole("max_position_embeddings", shape.max_position_embeddings);
    truth("attention_bias", shape.attention_bias);
    truth("mlp_bias", shape.mlp_bias);
    whole("sliding_window", shape.sliding_window);
    whole("full_attention_interval", shape.full_attention_interval);
    whole("first_sliding_layer", shape.first_sliding_layer);
    real("attn_logit_softcapping", shape.attn_logit_softcapping);
    real("final_logit_softcapping", shape.final_logit_softcapping);
    real("query_pre_attn_scalar", shape.query_pre_attn_scalar);
    whole("num_experts", shape.num_experts);
    whole("num_experts_per_tok", shape.num_experts_per_tok);
    whole("moe_intermediate_size", shape.moe_intermediate_size);
    whole("decoder_sparse_step", shape.decoder_sparse_step);
    truth("norm_topk_prob", shape.norm_topk_prob);
    identity.emplace("pad_token_id",
                     shape.pad_token_id ? std::to_string(*shape.pad_token_id) : "none");
}

}  // namespace

run_identity identity_of(const train_config& config, const run_inputs& inputs,
                         const data_plan& plan, const mesh_shape& mesh) {
    const model_shape& shape = inputs.shape;
    const auto rows = config.micro_batch_size * config.gradient_accumulation_steps *
                      mesh.data_parallel_size();
    run_identity identity;
    identity.fixed = {
        {"model_type", std::string(to_string(shape.family))},
        {"hidden_size", std::to_string(shape.hidden_size)},
        {"vocab_size", std::to_string(shape.vocab_size)},
        {"intermediate_size", std::to_string(shape.intermediate_size)},
        {"num_hidden_layers", std::to_string(shape.num_hidden_layers)},
        {"num_attention_heads", std::to_string(shape.num_attention_heads)},
        {"num_key_value_heads", std::to_string(shape.num_key_value_heads)},
        {"head_dim", std::to_string(shape.head_dim)},
        {"tie_word_embeddings", shape.tie_word_embeddings ? "true" : "false"},
        {"rows of a global batch", std::to_string(rows)},
        {"tokens that fit a row", std::to_string(plan.row_capacity())},
        {data_identity, std::to_string(inputs.content_hash)},
        {"packing plan (hash)", std::to_string(plan.plan().hash())}};
    add_model_function(shape, identity.fixed);
    identity.fixed.emplace("tokenizer (hash)", inputs.tokenizer_hash);
    for (auto& [key, value] : settings_that_affect(config, key_effect::run))
        identity.fixed.emplace(std::move(key), std::move(value));
    // What `bf16: auto` has become on this machine counts, not the word.
    identity.fixed["bf16"] = config.bf16 ? "true" : "false";
    for (auto& [key, value] : settings_that_affect(config, key_effect::change))
        identity.changeable.emplace(std::move(key), std::move(value));
    for (auto& [key, value] : settings_that_affect(config, key_effect::data)) {
        if (!identity.fixed.contains(key))
            identity.data.emplace(std::move(key), std::move(value));
    }
    return identity;
}

}  // namespace packkit::train
