// SPDX-License-Identifier: Apache-2.0
/// @file
/// A decoder's parameters by name and shape: one list that the planner sums, the trainer
/// allocates from and the checkpoint lays files out by.
///
/// Names are those of Hugging Face Transformers, so that a saved folder opens there.
#pragma once

#include <packkit/error.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace packkit {

/// How a parameter is filled when training starts from nothing.
enum class initializer : std::uint8_t { normal, ones };

/// How tensor parallelism cuts a parameter (Shoeybi et al. 2019, arXiv 1909.08053, 3).
enum class tensor_cut : std::uint8_t {
    replicated,  ///< every tp rank holds all of it: norms, routers
    rows,        ///< dimension 0: column-parallel layers, embedding and head
    columns,     ///< dimension 1: row-parallel layers
};

/// One parameter of a model.
struct parameter_shape {
    std::string name;
    std::vector<std::int64_t> shape;
    tensor_cut cut = tensor_cut::replicated;
    initializer init = initializer::normal;
    /// Whether weight decay applies: to matrices and embeddings, not to norms.
    bool weight_decay = true;

    [[nodiscard]] std::int64_t elements() const {
        std::int64_t count = 1;
        for (const std::int64_t extent : shape)
            count *= extent;
        return count;
    }
};

/// A Llama-style decoder: pre-norm blocks of rotary grouped-query attention and SwiGLU.
/// (Touvron et al. 2023, arXiv 2302.13971; grouped queries: Ainslie et al. 2023, arXiv
/// 2305.13245.)
struct model_shape {
    std::int64_t vocab_size = 0;
    std::int64_t hidden_size = 0;
    std::int64_t intermediate_size = 0;
    std::int64_t num_hidden_layers = 0;
    std::int64_t num_attention_heads = 0;
    std::int64_t num_key_value_heads = 0;
    std::int64_t head_dim = 0;
    double rms_norm_eps = 1e-6;
    double rope_theta = 10000.0;
    double initializer_range = 0.02;
    bool tie_word_embeddings = false;

    friend bool operator==(const model_shape&, const model_shape&) = default;
};

/// Parameters that are gathered, used and freed together: the embedding, one block, or
/// the final norm with the head.
struct unit_shape {
    std::string name;
    std::vector<parameter_shape> parameters;
};

/// Throws `invalid_argument` naming the first size that is not positive or does not
/// divide.
inline void check_model_shape(const model_shape& model) {
    const std::pair<const char*, std::int64_t> sizes[] = {
        {"vocab_size", model.vocab_size},
        {"hidden_size", model.hidden_size},
        {"intermediate_size", model.intermediate_size},
        {"num_hidden_layers", model.num_hidden_layers},
        {"num_attention_heads", model.num_attention_heads},
        {"num_key_value_heads", model.num_key_value_heads},
        {"head_dim", model.head_dim}};
    for (const auto& [name, value] : sizes) {
        if (value < 1) {
            throw invalid_argument(std::string(name) + " is " + std::to_string(value) +
                                   ", expected a whole number >= 1");
        }
    }
    if (model.num_attention_heads % model.num_key_value_heads != 0) {
        throw invalid_argument("num_key_value_heads " +
                               std::to_string(model.num_key_value_heads) +
                               " does not divide num_attention_heads " +
                               std::to_string(model.num_attention_heads));
    }
    if (model.head_dim % 2 != 0) {
        throw invalid_argument("head_dim " + std::to_string(model.head_dim) +
                               " is odd; rotary embedding turns pairs of features");
    }
}

/// The parameters of block `layer`, in the order in which the block uses them.
[[nodiscard]] inline unit_shape block_shape(const model_shape& model,
                                            std::int64_t layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    const std::int64_t hidden = model.hidden_size;
    const std::int64_t q = model.num_attention_heads * model.head_dim;
    const std::int64_t kv = model.num_key_value_heads * model.head_dim;
    const auto norm = [&](const char* name) {
        return parameter_shape{prefix + name + ".weight",
                               {hidden},
                               tensor_cut::replicated,
                               initializer::ones,
                               false};
    };
    const auto wide = [&](const char* name, std::int64_t out) {
        return parameter_shape{
            prefix + name + ".weight", {out, hidden}, tensor_cut::rows};
    };
    const auto narrow = [&](const char* name, std::int64_t in) {
        return parameter_shape{
            prefix + name + ".weight", {hidden, in}, tensor_cut::columns};
    };
    return {"model.layers." + std::to_string(layer),
            {norm("input_layernorm"), wide("self_attn.q_proj", q),
             wide("self_attn.k_proj", kv), wide("self_attn.v_proj", kv),
             narrow("self_attn.o_proj", q), norm("post_attention_layernorm"),
             wide("mlp.gate_proj", model.intermediate_size),
             wide("mlp.up_proj", model.intermediate_size),
             narrow("mlp.down_proj", model.intermediate_size)}};
}

/// All units in forward order. With tied embeddings the first unit also holds the final
/// norm and there is no head of its own; otherwise norm and head are the last unit.
/// Throws as `check_model_shape`.
[[nodiscard]] inline std::vector<unit_shape> unit_shapes(const model_shape& model) {
    check_model_shape(model);
    const parameter_shape embedding{"model.embed_tokens.weight",
                                    {model.vocab_size, model.hidden_size},
                                    tensor_cut::rows};
    const parameter_shape norm{"model.norm.weight",
                               {model.hidden_size},
                               tensor_cut::replicated,
                               initializer::ones,
                               false};
    const parameter_shape head{
        "lm_head.weight", {model.vocab_size, model.hidden_size}, tensor_cut::rows};
    std::vector<unit_shape> units;
    units.push_back({"model.embed_tokens", {embedding}});
    if (model.tie_word_embeddings) units.front().parameters.push_back(norm);
    for (std::int64_t layer = 0; layer < model.num_hidden_layers; ++layer) {
        units.push_back(block_shape(model, layer));
    }
    if (!model.tie_word_embeddings) units.push_back({"lm_head", {norm, head}});
    return units;
}

/// Number of parameters; a tied embedding counts once.
[[nodiscard]] inline std::int64_t parameter_count(const model_shape& model) {
    std::int64_t count = 0;
    for (const auto& unit : unit_shapes(model)) {
        for (const auto& parameter : unit.parameters)
            count += parameter.elements();
    }
    return count;
}

}  // namespace packkit
