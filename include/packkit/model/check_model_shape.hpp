// SPDX-License-Identifier: Apache-2.0
/// @file
/// Whether a model's sizes and switches fit each other and its family.
#pragma once

#include <packkit/error.hpp>
#include <packkit/model/model_shape.hpp>
#include <packkit/model/model_traits.hpp>

#include <cstdint>
#include <string_view>
#include <utility>

namespace packkit {
namespace detail {

using named_size = std::pair<const char*, std::int64_t>;

constexpr void check_sizes(const model_shape& model) {
    for (const auto& [name, value] :
         {named_size{"vocab_size", model.vocab_size},
          named_size{"hidden_size", model.hidden_size},
          named_size{"intermediate_size", model.intermediate_size},
          named_size{"num_hidden_layers", model.num_hidden_layers},
          named_size{"num_attention_heads", model.num_attention_heads},
          named_size{"num_key_value_heads", model.num_key_value_heads},
          named_size{"head_dim", model.head_dim},
          named_size{"decoder_sparse_step", model.decoder_sparse_step}}) {
        if (value < 1) {
            throw_invalid_argument(name, " is ", value, ", expected a whole number >= 1");
        }
    }
    for (const auto& [name, value] :
         {named_size{"max_position_embeddings", model.max_position_embeddings},
          named_size{"sliding_window", model.sliding_window},
          named_size{"full_attention_interval", model.full_attention_interval},
          named_size{"first_sliding_layer", model.first_sliding_layer},
          named_size{"num_experts", model.num_experts},
          named_size{"num_experts_per_tok", model.num_experts_per_tok},
          named_size{"moe_intermediate_size", model.moe_intermediate_size}}) {
        if (value < 0) {
            throw_invalid_argument(name, " is ", value, ", expected a whole number >= 0");
        }
    }
    // Beyond this, products of sizes may not fit 64 bits; counted generously.
    const auto real = [](std::int64_t size) { return static_cast<long double>(size); };
    const long double heads =
        real(model.num_attention_heads) + real(model.num_key_value_heads);
    const long double block =
        2.0L * heads * real(model.head_dim) + 3.0L * real(model.intermediate_size) +
        (3.0L * real(expert_size(model)) + 1.0L) * real(model.num_experts);
    const long double all =
        (real(model.num_hidden_layers) * block + 2.0L * real(model.vocab_size) +
         real(model.max_position_embeddings)) *
        real(model.hidden_size);
    if (all > 1e15L) {
        throw_invalid_argument(
            "hidden_size ", model.hidden_size,
            " with the other sizes makes a model of more than 1,000,000,000,000,000 "
            "parameters");
    }
}

constexpr void check_heads(const model_shape& model, const model_traits& traits) {
    if (model.num_attention_heads % model.num_key_value_heads != 0) {
        throw_invalid_argument("num_key_value_heads ", model.num_key_value_heads,
                               " does not divide num_attention_heads ",
                               model.num_attention_heads);
    }
    const std::string_view family = to_string(model.family);
    const std::int64_t width = model.num_attention_heads * model.head_dim;
    if (traits.fused_qkv && width != model.hidden_size) {
        throw_invalid_argument("head_dim ", model.head_dim, " times num_attention_heads ",
                               model.num_attention_heads, " is ", width, ", for ", family,
                               " it must be hidden_size ", model.hidden_size);
    }
    if (traits.fused_qkv && model.family != model_family::mpt &&
        model.num_key_value_heads != model.num_attention_heads) {
        throw_invalid_argument("num_key_value_heads is ", model.num_key_value_heads,
                               ", for ", family, " it must be num_attention_heads ",
                               model.num_attention_heads);
    }
    if (traits.positions != position_kind::rotary) return;
    const bool is_part =
        model.partial_rotary_factor > 0.0 && model.partial_rotary_factor <= 1.0;
    if (!is_part) {
        throw_invalid_argument("partial_rotary_factor is ", model.partial_rotary_factor,
                               ", expected a number > 0 and <= 1");
    }
    const auto turned = static_cast<std::int64_t>(static_cast<double>(model.head_dim) *
                                                  model.partial_rotary_factor);
    if (turned % 2 != 0 || turned == 0) {
        if (turned != model.head_dim) {
            throw_invalid_argument("head_dim ", model.head_dim,
                                   " times partial_rotary_factor ",
                                   model.partial_rotary_factor, " turns ", turned,
                                   " features; rotary embedding turns pairs of features");
        }
        throw_invalid_argument("head_dim ", model.head_dim,
                               " is odd; rotary embedding turns pairs of features");
    }
}

constexpr void check_family_switches(const model_shape& model,
                                     const model_traits& traits) {
    using enum model_family;
    const std::string_view family = to_string(model.family);
    const bool fixed_biases =
        model.family == mistral || model.family == mixtral || model.family == qwen2;
    if (model.attention_bias && fixed_biases) {
        throw_invalid_argument("attention_bias is true, ", family, " has no such switch");
    }
    if (model.mlp_bias && model.family != llama &&
        !(traits.norm == norm_kind::layer_norm)) {
        throw_invalid_argument("mlp_bias is true, ", family, " has no such switch");
    }
    if (model.norm_bias && traits.norm != norm_kind::layer_norm) {
        throw_invalid_argument("norm_bias is true, the norms of ", family,
                               " have no biases");
    }
    if (model.alibi && model.family != mpt) {
        throw_invalid_argument("alibi is true, ", family, " has no such switch");
    }
    if (traits.positions == position_kind::learned && model.max_position_embeddings < 1) {
        throw_invalid_argument("max_position_embeddings is ",
                               model.max_position_embeddings, ", ", family,
                               " needs the rows of its table of positions");
    }
}

constexpr void check_experts(const model_shape& model, const model_traits& traits) {
    const std::string_view family = to_string(model.family);
    if (!traits.experts && model.num_experts > 0) {
        throw_invalid_argument("num_experts is ", model.num_experts, ", ", family,
                               " has no experts");
    }
    if (traits.experts && model.num_experts < 1) {
        throw_invalid_argument("num_experts is ", model.num_experts, ", ", family,
                               " needs a whole number >= 1");
    }
    if (traits.experts && (model.num_experts_per_tok < 1 ||
                           model.num_experts_per_tok > model.num_experts)) {
        throw_invalid_argument("num_experts_per_tok is ", model.num_experts_per_tok,
                               ", expected 1 to num_experts ", model.num_experts);
    }
}

}  // namespace detail

/// Checks that the sizes are positive, fit each other and fit the family.
/// @throws invalid_argument naming the first field that does not, with its value and the
/// one it does not fit
constexpr void check_model_shape(const model_shape& model) {
    const model_traits traits = traits_of(model);
    detail::check_sizes(model);
    detail::check_heads(model, traits);
    detail::check_family_switches(model, traits);
    detail::check_experts(model, traits);
}

}  // namespace packkit
