// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Decoders of the Llama kind as functions of (parameters, hidden states): each reads
/// like one process, whatever the mesh. What a family does differently is in its traits
/// (packkit::traits_of); parameters come in the order of packkit::block_shape.
///
/// T tokens of a packed row, C hidden_size, H heads, K key/value heads, D head_dim, V
/// vocabulary, E experts.

#include "rotary.hpp"

#include <packkit/model_shape.hpp>
#include <packkit/torch/cross_entropy.hpp>
#include <packkit/torch/gated_activation.hpp>
#include <packkit/torch/memory_counter.hpp>
#include <packkit/torch/rms_norm.hpp>
#include <packkit/torch/varlen_attention.hpp>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <cmath>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace packkit::train {

using parameter_list = std::vector<at::Tensor>;

/// What a micro-batch brings to every block, on the device.
struct row_context {
    at::Tensor input_ids;        ///< (T), int64
    at::Tensor targets;          ///< (T), int64, −100 without a target
    rotary_table rotary;         ///< of layers that see all tokens before
    rotary_table local_rotary;   ///< of layers with a window
    lt::document_layout layout;  ///< document boundaries
};

/// A unit's parameters, one after the other.
class parameter_reader {
public:
    explicit parameter_reader(const parameter_list& list) : list_(list) {}

    const at::Tensor& next() { return list_.at(at_++); }

    /// A linear layer: weight (out, in), and a bias if the model has one. x: (T, in).
    at::Tensor linear(const at::Tensor& x, bool with_bias) {
        const auto& weight = next();
        if (!with_bias) return at::linear(x, weight);
        return at::linear(x, weight, next());
    }

private:
    const parameter_list& list_;
    std::size_t at_ = 0;
};

/// RMSNorm over the last dimension; Gemma stores what the weight differs from one.
inline at::Tensor norm(const model_shape& model, const at::Tensor& x,
                       const at::Tensor& weight) {
    return lt::rms_norm(x, weight, model.rms_norm_eps,
                        traits_of(model).norm_from_one ? 1.0 : 0.0);
}

/// x + added, and its norm.
inline std::pair<at::Tensor, at::Tensor> add_norm(const model_shape& model,
                                                  const at::Tensor& x,
                                                  const at::Tensor& added,
                                                  const at::Tensor& weight) {
    return lt::add_rms_norm(x, added, weight, model.rms_norm_eps,
                            traits_of(model).norm_from_one ? 1.0 : 0.0);
}

/// cap · tanh(x / cap) (Gemma 2, arXiv 2408.00118); x where cap is 0.
inline at::Tensor soft_capped(const at::Tensor& x, double cap) {
    return cap > 0 ? at::tanh(x / cap) * cap : x;
}

/// Gemma's embeddings are multiplied by √C, in their own dtype. (T, C).
inline at::Tensor embed(const model_shape& model, const at::Tensor& table,
                        const row_context& row) {
    const auto x = at::embedding(table, row.input_ids);
    if (!traits_of(model).norm_from_one) return x;
    return x *
           at::full({}, std::sqrt(static_cast<double>(model.hidden_size)), x.options());
}

/// Grouped-query attention inside each document. x: (T, C).
inline at::Tensor attention(const model_shape& model, std::int64_t layer,
                            parameter_reader& p, const at::Tensor& x,
                            const row_context& row) {
    const auto traits = traits_of(model);
    const auto heads = [&] {
        return p.linear(x, traits.qkv_bias).view({x.size(0), -1, model.head_dim});
    };
    auto q = heads();        // (T, H, D)
    auto k = heads();        // (T, K, D)
    const auto v = heads();  // (T, K, D)
    if (traits.qk_norm) {
        q = norm(model, q, p.next());
        k = norm(model, k, p.next());
    }
    const std::int64_t window = attention_window(model, layer);
    const auto& rotary = window > 0 ? row.local_rotary : row.rotary;
    lt::attention_options options{.causal = true, .window = window};
    options.softcap = model.attn_logit_softcapping;
    if (model.query_pre_attn_scalar > 0)
        options.scale = 1.0 / std::sqrt(model.query_pre_attn_scalar);
    const auto mixed = lt::varlen_attention(rotate(q, rotary), rotate(k, rotary), v,
                                            row.layout, options);
    return p.linear(mixed.reshape({x.size(0), -1}), traits.output_bias);
}

/// Gated feed-forward: SwiGLU and its kin (Shazeer 2020, arXiv 2002.05202). x: (T, C).
inline at::Tensor feed_forward(const model_shape& model, parameter_reader& p,
                               const at::Tensor& x, bool with_bias = false) {
    const auto gate = p.linear(x, with_bias);
    const auto up = p.linear(x, with_bias);
    return p.linear(lt::gated_activation(model.activation, gate, up), with_bias);
}

/// Experts (Shazeer et al. 2017, arXiv 1701.06538; Jiang et al. 2024, arXiv 2401.04088):
/// each token goes to the num_experts_per_tok with the largest router scores, and their
/// results are weighted by the softmax of those. x: (T, C).
inline at::Tensor experts(const model_shape& model, parameter_reader& p,
                          const at::Tensor& x) {
    const auto precision = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const auto scores = p.linear(x, false);                  // (T, E)
    const auto shares = at::softmax(scores, -1, precision);  // (T, E)
    auto [weights, chosen] = shares.topk(model.num_experts_per_tok, -1);
    if (model.norm_topk_prob) weights = weights / weights.sum(-1, /*keepdim=*/true);
    weights = weights.to(x.scalar_type());
    auto mixed = at::zeros_like(x);
    for (std::int64_t expert = 0; expert < model.num_experts; ++expert) {
        // Tokens of this expert, and in which of their choices it is.
        const auto places = (chosen == expert).nonzero();
        const auto tokens = places.select(1, 0);
        const auto result = feed_forward(model, p, x.index_select(0, tokens));
        const auto weight = weights.index({tokens, places.select(1, 1)}).unsqueeze(1);
        mixed = mixed.index_add(0, tokens, result * weight);
    }
    return mixed;
}

/// One block: (T, C) → (T, C).
inline at::Tensor block(const model_shape& model, std::int64_t layer,
                        const parameter_list& list, const at::Tensor& x,
                        const row_context& row) {
    const auto traits = traits_of(model);
    parameter_reader p(list);
    auto mixed = norm(model, x, p.next());
    mixed = attention(model, layer, p, mixed, row);
    if (traits.post_norms) mixed = norm(model, mixed, p.next());
    auto [h, fed] = add_norm(model, x, mixed, p.next());
    fed = is_sparse_layer(model, layer) ? experts(model, p, fed)
                                        : feed_forward(model, p, fed, traits.mlp_bias);
    if (traits.post_norms) fed = norm(model, fed, p.next());
    return h + fed;
}

/// Final norm and head: (T, C) → (T, V).
inline at::Tensor head(const model_shape& model, const at::Tensor& norm_weight,
                       const at::Tensor& head_weight, const at::Tensor& x) {
    const auto last = norm(model, x, norm_weight);
    const lt::memory_scope scope(lt::memory_use::logits);
    return soft_capped(at::linear(last, head_weight), model.final_logit_softcapping);
}

}  // namespace packkit::train
