// SPDX-License-Identifier: Apache-2.0
/// @file
/// What follows from a model's family and switches: which weights it has, and what
/// each layer is.
#pragma once

#include <packkit/model/model_shape.hpp>

#include <cstdint>

namespace packkit {

enum class norm_kind : std::uint8_t { rms_norm, layer_norm };
enum class position_kind : std::uint8_t { rotary, learned, alibi };

/// What the layers of a model are made of.
struct model_traits {
    norm_kind norm = norm_kind::rms_norm;
    bool norm_bias = false;
    /// The weight of a norm is stored as what it differs from one: it starts at zero.
    bool norm_from_one = false;
    bool post_norms = false;  ///< also norms after attention and feed-forward
    bool qk_norm = false;     ///< a norm of head_dim on queries and on keys
    position_kind positions = position_kind::rotary;
    bool fused_qkv = false;  ///< queries, keys and values are one matrix
    bool qkv_bias = false;
    bool output_bias = false;
    bool gated = true;  ///< gate and up, multiplied; otherwise up alone
    bool mlp_bias = false;
    bool transposed = false;  ///< matrices are stored (in, out)
    bool experts = false;     ///< some layers have experts

    friend constexpr bool operator==(const model_traits&, const model_traits&) = default;
};

/// The traits of a model: what its family always has and what its switches add.
[[nodiscard]] constexpr model_traits traits_of(const model_shape& model) {
    using enum model_family;
    model_traits traits{.norm_bias = model.norm_bias,
                        .qkv_bias = model.attention_bias,
                        .output_bias = model.attention_bias,
                        .mlp_bias = model.mlp_bias};
    switch (model.family) {
        case llama:
        case mistral:
            break;
        case qwen2:
            traits.qkv_bias = true;
            break;
        case qwen3:
            traits.qk_norm = true;
            break;
        case qwen3_moe:
            traits.qk_norm = true;
            traits.experts = true;
            break;
        case mixtral:
            traits.experts = true;
            break;
        case gemma3:
            traits.qk_norm = true;
            [[fallthrough]];
        case gemma2:
            traits.post_norms = true;
            [[fallthrough]];
        case gemma:
            traits.norm_from_one = true;
            break;
        case gpt2:
            traits.positions = position_kind::learned;
            traits.transposed = true;
            traits.qkv_bias = traits.output_bias = true;
            [[fallthrough]];
        case gpt_neox:
            traits.norm_bias = traits.mlp_bias = true;
            [[fallthrough]];
        case mpt:
            traits.norm = norm_kind::layer_norm;
            traits.fused_qkv = true;
            traits.gated = false;
            break;
    }
    if (model.family == mpt) {
        traits.positions = model.alibi ? position_kind::alibi : position_kind::learned;
    }
    return traits;
}

/// Whether layer `layer` (from 0) has experts.
[[nodiscard]] constexpr bool is_sparse_layer(const model_shape& model,
                                             std::int64_t layer) {
    return model.num_experts > 0 && (layer + 1) % model.decoder_sparse_step == 0;
}

/// Layers with experts. Precondition: as `check_model_shape`.
[[nodiscard]] constexpr std::int64_t sparse_layers(const model_shape& model) {
    return model.num_experts > 0 ? model.num_hidden_layers / model.decoder_sparse_step
                                 : 0;
}

/// The width of one expert.
[[nodiscard]] constexpr std::int64_t expert_size(const model_shape& model) {
    return model.moe_intermediate_size > 0 ? model.moe_intermediate_size
                                           : model.intermediate_size;
}

/// How many of the last tokens layer `layer` (from 0) sees; 0: all before it.
[[nodiscard]] constexpr std::int64_t attention_window(const model_shape& model,
                                                      std::int64_t layer) {
    const bool full = layer < model.first_sliding_layer ||
                      (model.full_attention_interval > 0 &&
                       (layer + 1) % model.full_attention_interval == 0);
    return full ? 0 : model.sliding_window;
}

}  // namespace packkit
