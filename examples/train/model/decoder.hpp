// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Decoders of the Llama kind as functions of (parameters, hidden states): each reads
/// like one process, whatever the mesh: between `enter_parallel` and `leave_parallel`
/// each rank works with its part of heads, features or vocabulary. What a family does
/// differently is in its traits (packkit::traits_of); parameters come in the order of
/// packkit::block_shape.
///
/// T tokens of a packed row, C hidden_size, H heads, K key/value heads, D head_dim, V
/// vocabulary, E experts.

#include "model/rotary.hpp"

#include <packkit/mesh/attention_heads.hpp>
#include <packkit/model/model_shape.hpp>
#include <packkit/model/model_traits.hpp>
#include <packkit/torch/memory/memory_counter.hpp>
#include <packkit/torch/ops/dropout.hpp>
#include <packkit/torch/ops/gated_activation.hpp>
#include <packkit/torch/ops/linear_cross_entropy.hpp>
#include <packkit/torch/ops/rms_norm.hpp>
#include <packkit/torch/ops/varlen_attention.hpp>
#include <packkit/torch/parallel/activation_checkpoint.hpp>
#include <packkit/torch/parallel/context_parallel.hpp>
#include <packkit/torch/parallel/tensor_parallel.hpp>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace packkit::train {

using parameter_list = std::vector<at::Tensor>;

/// Dropout of what a layer adds to the residual stream (Vaswani et al. 2017, arXiv
/// 1706.03762, section 5.4), the same elements on every mesh.
struct residual_dropout {
    double p = 0;
    std::uint64_t seed = 0;
    std::uint32_t step = 0;
    at::Tensor tokens;  ///< (rows of the residual stream here): `dropout_mask`

    [[nodiscard]] at::Tensor operator()(const at::Tensor& added, std::int64_t layer,
                                        const char* part) const {
        if (p == 0) return added;
        const auto name = "model.layers." + std::to_string(layer) + part;
        return lt::dropout(added, p, lt::dropout_key::of(seed, name, step), tokens);
    }
};

/// What a micro-batch brings to every block, on the device.
struct row_context {
    at::Tensor input_ids;                       ///< (T), int64
    at::Tensor targets;                         ///< (T), int64, −100 without a target
    rotary_table rotary;                        ///< of layers that see all tokens before
    rotary_table local_rotary;                  ///< of layers with a window
    lt::document_layout layout;                 ///< document boundaries
    std::optional<lt::context_layout> context;  ///< where ranks share the row
    lt::tensor_parallel tp{};                   ///< ranks that share the work on this row
    residual_dropout dropout{};

    /// What all ranks of tp see of x, (rows here, C), as (T, C).
    [[nodiscard]] at::Tensor enter(const at::Tensor& x) const {
        return lt::enter_parallel(tp, x, input_ids.size(0));
    }

    /// Attention of the row's tokens to those before them in their documents. q: (T, H,
    /// D); k, v: (T, K, D).
    [[nodiscard]] at::Tensor attend(const at::Tensor& q, const at::Tensor& k,
                                    const at::Tensor& v,
                                    const lt::attention_options& attention) const {
        if (context) return lt::context_attention(q, k, v, *context, attention);
        return lt::varlen_attention(q, k, v, layout, attention);
    }
};

/// A unit's parameters, one after the other.
class parameter_reader {
public:
    explicit parameter_reader(const parameter_list& list) : list_(list) {}

    const at::Tensor& next() { return list_.at(at_++); }

    /// A linear layer: weight (out, in), and a bias if the model has one. x: (T, in).
    /// Under tp these are this rank's outputs.
    at::Tensor linear(const at::Tensor& x, bool with_bias) {
        const auto& weight = next();
        if (!with_bias) return lt::column_parallel_linear(x, weight);
        return lt::column_parallel_linear(x, weight, next());
    }

    /// The same where tp cuts the inputs: the sum over its ranks.
    at::Tensor linear_out(const lt::tensor_parallel& tp, const at::Tensor& x,
                          bool with_bias) {
        const auto& weight = next();
        if (!with_bias) return lt::row_parallel_linear(tp, x, weight);
        return lt::row_parallel_linear(tp, x, weight, next());
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

/// Gemma's embeddings are multiplied by √C, in their own dtype. (T, C), under sequence
/// parallelism this rank's rows of it.
inline at::Tensor embed(const model_shape& model, const at::Tensor& table,
                        const row_context& row) {
    const auto x = lt::vocabulary_parallel_embedding(
        row.tp, table, shard_of(model.vocab_size, row.tp.size(), row.tp.rank()),
        row.input_ids, model.pad_token_id);
    if (!traits_of(model).norm_from_one) return x;
    return x *
           at::full({}, std::sqrt(static_cast<double>(model.hidden_size)), x.options());
}

/// Keys and values (T, K, D) of this rank's query heads, from the features (T, …) that
/// its rows of their weights make. Where tp does not divide the heads, ranks exchange
/// features, and the gradient of a head that several ranks attend to is summed over them.
inline std::pair<at::Tensor, at::Tensor> key_value_heads(const model_shape& model,
                                                         const lt::tensor_parallel& tp,
                                                         const at::Tensor& keys,
                                                         const at::Tensor& values) {
    const auto heads = [&](const at::Tensor& x) {
        return x.view({x.size(0), -1, model.head_dim});
    };
    if (model.num_key_value_heads % tp.size() == 0) return {heads(keys), heads(values)};
    const auto all = lt::gather_features(tp, at::stack({keys, values}),
                                         model.num_key_value_heads * model.head_dim);
    const auto mine =
        at::tensor(key_value_heads_of(model.num_attention_heads,
                                      model.num_key_value_heads, tp.size(), tp.rank()),
                   keys.options().dtype(at::kLong));
    return {heads(all[0]).index_select(1, mine), heads(all[1]).index_select(1, mine)};
}

/// Grouped-query attention inside each document. x: (T, C).
inline at::Tensor attention(const model_shape& model, std::int64_t layer,
                            parameter_reader& p, const at::Tensor& x,
                            const row_context& row) {
    const auto traits = traits_of(model);
    const auto whole = row.enter(x);
    const auto features = [&] { return p.linear(whole, traits.qkv_bias); };
    auto q = features().view({whole.size(0), -1, model.head_dim});  // (T, H, D)
    const auto keys = features();
    auto [k, v] = key_value_heads(model, row.tp, keys, features());  // (T, K, D)
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
    const auto mixed = row.attend(rotate(q, rotary), rotate(k, rotary), v, options);
    return p.linear_out(row.tp, mixed.reshape({whole.size(0), -1}), traits.output_bias);
}

/// Gated feed-forward: SwiGLU and its kin (Shazeer 2020, arXiv 2002.05202). x: (T, C) of
/// any tokens; without `tp`, this rank's part of the result.
inline at::Tensor feed_forward(const model_shape& model, parameter_reader& p,
                               const at::Tensor& x, lt::recomputed_tensors& again,
                               bool with_bias = false,
                               const lt::tensor_parallel& tp = {}) {
    const auto gate = p.linear(x, with_bias);
    const auto up = p.linear(x, with_bias);
    const auto opened = [kind = model.activation](const at::Tensor& g,
                                                  const at::Tensor& u) {
        return lt::gated_activation(kind, g, u);
    };
    return p.linear_out(tp, again(opened, gate, up), with_bias);
}

/// Experts (Shazeer et al. 2017, arXiv 1701.06538; Jiang et al. 2024, arXiv 2401.04088):
/// each token goes to the num_experts_per_tok with the largest router scores, and their
/// results are weighted by the softmax of those. Under tp every rank has the scores and a
/// part of each expert; the parts are summed at the end. hidden: (T, C).
inline at::Tensor experts(const model_shape& model, parameter_reader& p,
                          const at::Tensor& hidden, const row_context& row,
                          lt::recomputed_tensors& again) {
    const auto x = row.enter(hidden);
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
        const auto sent = again(
            [](const auto& all, const auto& some) { return all.index_select(0, some); },
            x, tokens);
        const auto result = feed_forward(model, p, sent, again);
        const auto weight = weights.index({tokens, places.select(1, 1)}).unsqueeze(1);
        mixed = mixed.index_add(0, tokens, result * weight);
    }
    return lt::leave_parallel(row.tp, mixed);
}

/// One block: (T, C) → (T, C), under sequence parallelism this rank's rows of both.
/// Selective checkpointing computes again what matrices and attention take in (norms,
/// tokens sent to experts, the gated activation), and keeps what they give.
inline at::Tensor block(const model_shape& model, std::int64_t layer,
                        const parameter_list& list, const at::Tensor& x,
                        const row_context& row, lt::recomputed_tensors& again) {
    const auto traits = traits_of(model);
    const auto normed = [&model](const at::Tensor& y, const at::Tensor& weight) {
        return norm(model, y, weight);
    };
    parameter_reader p(list);
    auto mixed = again(normed, x, p.next());
    mixed = attention(model, layer, p, mixed, row);
    if (traits.post_norms) mixed = norm(model, mixed, p.next());
    mixed = row.dropout(mixed, layer, ".self_attn");
    const auto& weight = p.next();
    auto [h, fed] = add_norm(model, x, mixed, weight);
    again.remember(fed, normed, h, weight);
    fed = is_sparse_layer(model, layer)
              ? experts(model, p, fed, row, again)
              : feed_forward(model, p, row.enter(fed), again, traits.mlp_bias, row.tp);
    if (traits.post_norms) fed = norm(model, fed, p.next());
    return h + row.dropout(fed, layer, ".mlp");
}

/// Final norm and head: (T, C) → (T, V), of V what this rank of tp has.
inline at::Tensor head(const model_shape& model, const at::Tensor& norm_weight,
                       const at::Tensor& head_weight, const at::Tensor& x,
                       const row_context& row) {
    const auto last = row.enter(norm(model, x, norm_weight));
    const lt::memory_scope scope(lt::memory_use::logits);
    return soft_capped(at::linear(last, head_weight), model.final_logit_softcapping);
}

/// Σ cross entropy of the head's logits over the row's targets, which never exist all at
/// once: (T, C) → float64 scalar.
inline at::Tensor head_loss(const model_shape& model, const at::Tensor& norm_weight,
                            const at::Tensor& head_weight, const at::Tensor& x,
                            const row_context& row) {
    const auto tokens = shard_of(model.vocab_size, row.tp.size(), row.tp.rank());
    return lt::linear_cross_entropy_sum(row.enter(norm(model, x, norm_weight)),
                                        head_weight, row.targets,
                                        {.softcap = model.final_logit_softcapping,
                                         .group = row.tp.group,
                                         .first_token = tokens.begin,
                                         .vocab_size = model.vocab_size});
}

}  // namespace packkit::train
