// SPDX-License-Identifier: Apache-2.0
/// @file
/// A decoder's parameters by name and shape: one list that the planner sums, the trainer
/// allocates from and the checkpoint lays files out by.
///
/// Names are those of the files of Hugging Face Transformers, so that a saved folder
/// opens there.
#pragma once

#include <packkit/mesh/tensor_slice.hpp>
#include <packkit/model/check_model_shape.hpp>
#include <packkit/model/model_shape.hpp>
#include <packkit/model/model_traits.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace packkit {

/// How a parameter is filled when training starts from nothing.
enum class initializer : std::uint8_t { normal, ones, zeros };

/// One parameter of a model.
struct parameter_shape {
    std::string name;
    std::vector<std::int64_t> shape;
    tensor_cut cut = tensor_cut::replicated;
    initializer init = initializer::normal;
    /// Whether weight decay applies: to matrices and embeddings, not to norms and biases.
    bool weight_decay = true;
    /// Whether each tp rank uses it for a part of the work only, as norms of heads and
    /// routers of experts are: then its gradients there are parts of a sum.
    bool shares_work = false;

    [[nodiscard]] std::int64_t elements() const {
        std::int64_t count = 1;
        for (const std::int64_t extent : shape)
            count *= extent;
        return count;
    }
};

/// Parameters that are gathered, used and freed together: the embedding, one block, or
/// the final norm with the head.
struct unit_shape {
    std::string name;
    std::vector<parameter_shape> parameters;

    [[nodiscard]] std::int64_t elements() const {
        std::int64_t count = 0;
        for (const parameter_shape& parameter : parameters)
            count += parameter.elements();
        return count;
    }
};

namespace detail {

/// What Transformers calls the parts of a model. Parts of a block are named inside it;
/// an empty name is a part that the family does not have.
struct part_names {
    std::string_view embedding = "model.embed_tokens";
    std::string_view positions = "";
    std::string_view layers = "model.layers";
    std::string_view final_norm = "model.norm";
    std::string_view head = "lm_head";

    std::string_view attention_norm = "input_layernorm";
    std::string_view qkv = "";
    std::string_view q = "self_attn.q_proj";
    std::string_view k = "self_attn.k_proj";
    std::string_view v = "self_attn.v_proj";
    std::string_view output = "self_attn.o_proj";
    std::string_view attention_post_norm = "";

    std::string_view feed_forward_norm = "post_attention_layernorm";
    std::string_view gate = "mlp.gate_proj";
    std::string_view up = "mlp.up_proj";
    std::string_view down = "mlp.down_proj";
    std::string_view feed_forward_post_norm = "";

    std::string_view router = "mlp.gate";
    std::string_view experts = "mlp.experts";
    std::string_view expert_gate = "gate_proj";
    std::string_view expert_up = "up_proj";
    std::string_view expert_down = "down_proj";
};

[[nodiscard]] constexpr part_names part_names_of(model_family family) {
    switch (family) {
        case model_family::llama:
        case model_family::mistral:
        case model_family::qwen2:
        case model_family::qwen3:
        case model_family::qwen3_moe:
        case model_family::gemma:
            return {};
        case model_family::mixtral:
            return {.router = "block_sparse_moe.gate",
                    .experts = "block_sparse_moe.experts",
                    .expert_gate = "w1",
                    .expert_up = "w3",
                    .expert_down = "w2"};
        case model_family::gemma2:
        case model_family::gemma3:
            return {.attention_post_norm = "post_attention_layernorm",
                    .feed_forward_norm = "pre_feedforward_layernorm",
                    .feed_forward_post_norm = "post_feedforward_layernorm"};
        case model_family::gpt2:
            return {.embedding = "transformer.wte",
                    .positions = "transformer.wpe",
                    .layers = "transformer.h",
                    .final_norm = "transformer.ln_f",
                    .attention_norm = "ln_1",
                    .qkv = "attn.c_attn",
                    .output = "attn.c_proj",
                    .feed_forward_norm = "ln_2",
                    .up = "mlp.c_fc",
                    .down = "mlp.c_proj"};
        case model_family::gpt_neox:
            return {.embedding = "gpt_neox.embed_in",
                    .layers = "gpt_neox.layers",
                    .final_norm = "gpt_neox.final_layer_norm",
                    .head = "embed_out",
                    .qkv = "attention.query_key_value",
                    .output = "attention.dense",
                    .up = "mlp.dense_h_to_4h",
                    .down = "mlp.dense_4h_to_h"};
        case model_family::mpt:
            return {.embedding = "transformer.wte",
                    .positions = "transformer.wpe",
                    .layers = "transformer.blocks",
                    .final_norm = "transformer.norm_f",
                    .attention_norm = "norm_1",
                    .qkv = "attn.Wqkv",
                    .output = "attn.out_proj",
                    .feed_forward_norm = "norm_2",
                    .up = "ffn.up_proj",
                    .down = "ffn.down_proj"};
    }
    throw_invalid_argument("model_family has no value ", static_cast<int>(family));
}

/// Appends a model's parameters to a unit, each kind of layer with what belongs to it.
class unit_builder {
public:
    /// @param prefix of the names of what is added: "model.layers.3."
    unit_builder(const model_shape& model, unit_shape& unit, std::string prefix = {})
        : hidden_(model.hidden_size),
          traits_(traits_of(model)),
          unit_(unit),
          prefix_(std::move(prefix)) {}

    void norm(std::string_view name) { norm(name, hidden_); }
    void norm(std::string_view name, std::int64_t size) {
        add(name, ".weight", {size}, tensor_cut::replicated,
            traits_.norm_from_one ? initializer::zeros : initializer::ones, false);
        if (traits_.norm_bias) bias(name, size, tensor_cut::replicated);
    }

    /// A norm of each head; a tp rank has some of the heads.
    void head_norm(std::string_view name, std::int64_t size) {
        norm(name, size);
        unit_.parameters.back().shares_work = true;
    }

    /// A table with a row of hidden_size for each of `rows`.
    void table(std::string_view name, std::int64_t rows, tensor_cut cut) {
        add(name, ".weight", {rows, hidden_}, cut, initializer::normal, true);
    }

    /// A score of each of `experts`, by which the parts of their results are weighted.
    void router(std::string_view name, std::int64_t experts) {
        table(name, experts, tensor_cut::replicated);
        unit_.parameters.back().shares_work = true;
    }

    /// hidden_size in, `out` out: tp cuts the outputs (column-parallel).
    void widen(std::string_view name, std::int64_t out, bool with_bias) {
        matrix(name, hidden_, out,
               traits_.transposed ? tensor_cut::columns : tensor_cut::rows);
        if (with_bias) bias(name, out, tensor_cut::rows);
    }

    /// `in` in, hidden_size out: tp cuts the inputs (row-parallel).
    void narrow(std::string_view name, std::int64_t in, bool with_bias) {
        matrix(name, in, hidden_,
               traits_.transposed ? tensor_cut::rows : tensor_cut::columns);
        if (with_bias) bias(name, hidden_, tensor_cut::replicated);
    }

private:
    void matrix(std::string_view name, std::int64_t in, std::int64_t out,
                tensor_cut cut) {
        std::vector<std::int64_t> shape = {out, in};
        if (traits_.transposed) std::swap(shape[0], shape[1]);
        add(name, ".weight", std::move(shape), cut, initializer::normal, true);
    }
    void bias(std::string_view name, std::int64_t size, tensor_cut cut) {
        add(name, ".bias", {size}, cut, initializer::zeros, false);
    }
    void add(std::string_view name, std::string_view what,
             std::vector<std::int64_t> shape, tensor_cut cut, initializer init,
             bool weight_decay) {
        unit_.parameters.push_back(
            {message(prefix_, name, what), std::move(shape), cut, init, weight_decay});
    }

    std::int64_t hidden_;
    model_traits traits_;
    unit_shape& unit_;
    std::string prefix_;
};

/// Norm, attention and the norm after it.
inline void add_attention(const model_shape& model, const part_names& names,
                          unit_builder& block) {
    const model_traits traits = traits_of(model);
    const std::int64_t q = model.num_attention_heads * model.head_dim;
    const std::int64_t kv = model.num_key_value_heads * model.head_dim;
    block.norm(names.attention_norm);
    if (traits.fused_qkv) {
        block.widen(names.qkv, q + 2 * kv, traits.qkv_bias);
    } else {
        block.widen(names.q, q, traits.qkv_bias);
        block.widen(names.k, kv, traits.qkv_bias);
        block.widen(names.v, kv, traits.qkv_bias);
    }
    if (traits.qk_norm) {
        block.head_norm("self_attn.q_norm", model.head_dim);
        block.head_norm("self_attn.k_norm", model.head_dim);
    }
    block.narrow(names.output, q, traits.output_bias);
    if (traits.post_norms) block.norm(names.attention_post_norm);
}

/// Norm, feed-forward or experts, and the norm after them.
inline void add_feed_forward(const model_shape& model, const part_names& names,
                             bool sparse, unit_builder& block) {
    const model_traits traits = traits_of(model);
    block.norm(names.feed_forward_norm);
    if (sparse) {
        block.router(names.router, model.num_experts);
        for (std::int64_t expert = 0; expert < model.num_experts; ++expert) {
            const std::string prefix = message(names.experts, ".", expert, ".");
            const std::int64_t size = expert_size(model);
            block.widen(prefix + std::string(names.expert_gate), size, false);
            block.widen(prefix + std::string(names.expert_up), size, false);
            block.narrow(prefix + std::string(names.expert_down), size, false);
        }
    } else {
        const std::int64_t size = model.intermediate_size;
        if (traits.gated) block.widen(names.gate, size, traits.mlp_bias);
        block.widen(names.up, size, traits.mlp_bias);
        block.narrow(names.down, size, traits.mlp_bias);
    }
    if (traits.post_norms) block.norm(names.feed_forward_post_norm);
}

/// The units before and after the blocks: with tied embeddings one.
inline std::vector<unit_shape> outer_units(const model_shape& model) {
    const part_names names = part_names_of(model.family);
    std::vector<unit_shape> units{{std::string(names.embedding), {}}};
    if (!model.tie_word_embeddings) units.push_back({std::string(names.head), {}});
    unit_builder first(model, units.front());
    first.table(names.embedding, model.vocab_size, tensor_cut::rows);
    if (traits_of(model).positions == position_kind::learned) {
        first.table(names.positions, model.max_position_embeddings,
                    tensor_cut::replicated);
    }
    unit_builder last(model, units.back());
    last.norm(names.final_norm);
    if (!model.tie_word_embeddings)
        last.table(names.head, model.vocab_size, tensor_cut::rows);
    return units;
}

}  // namespace detail

/// The parameters of block `layer`, in the order in which the block uses them.
[[nodiscard]] inline unit_shape block_shape(const model_shape& model,
                                            std::int64_t layer) {
    const detail::part_names names = detail::part_names_of(model.family);
    unit_shape unit{detail::message(names.layers, ".", layer), {}};
    detail::unit_builder block(model, unit, unit.name + ".");
    detail::add_attention(model, names, block);
    detail::add_feed_forward(model, names, is_sparse_layer(model, layer), block);
    return unit;
}

/// All units in forward order. The first unit holds the embedding, and the table of
/// positions if the model has one. With tied embeddings it also holds the final norm and
/// there is no head of its own; otherwise norm and head are the last unit.
/// @throws invalid_argument as `check_model_shape`
[[nodiscard]] inline std::vector<unit_shape> unit_shapes(const model_shape& model) {
    check_model_shape(model);
    std::vector<unit_shape> outer = detail::outer_units(model);
    std::vector<unit_shape> units;
    units.reserve(static_cast<std::size_t>(model.num_hidden_layers) + outer.size());
    units.push_back(std::move(outer.front()));
    for (std::int64_t layer = 0; layer < model.num_hidden_layers; ++layer) {
        units.push_back(block_shape(model, layer));
    }
    if (!model.tie_word_embeddings) units.push_back(std::move(outer.back()));
    return units;
}

/// Number of parameters; a tied embedding counts once. Two blocks are listed at most,
/// whatever the depth.
/// @throws invalid_argument as `check_model_shape`
[[nodiscard]] inline std::int64_t parameter_count(const model_shape& model) {
    check_model_shape(model);
    std::int64_t count = 0;
    for (const unit_shape& unit : detail::outer_units(model))
        count += unit.elements();
    const std::int64_t sparse = sparse_layers(model);
    const std::int64_t dense = model.num_hidden_layers - sparse;
    if (dense > 0) count += dense * block_shape(model, 0).elements();
    if (sparse > 0)
        count += sparse * block_shape(model, model.decoder_sparse_step - 1).elements();
    return count;
}

/// Number of parameters of the experts that a token is not sent to. 0 without experts.
[[nodiscard]] constexpr std::int64_t idle_parameters(const model_shape& model) {
    if (model.num_experts == 0) return 0;
    return sparse_layers(model) * (model.num_experts - model.num_experts_per_tok) * 3 *
           model.hidden_size * expert_size(model);
}

/// Number of parameters that one token uses: of the experts of a layer only
/// num_experts_per_tok. Without experts the same as `parameter_count`.
/// @throws invalid_argument as `check_model_shape`
[[nodiscard]] inline std::int64_t active_parameter_count(const model_shape& model) {
    return parameter_count(model) - idle_parameters(model);
}

}  // namespace packkit
