// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A Llama decoder as functions of (parameters, hidden states): each reads like one
/// process, whatever the mesh. Parameter order is that of packkit::block_shape.
///
/// T tokens of a packed row, C hidden_size, H heads, K key/value heads, D head_dim, V
/// vocabulary.

#include <packkit/model_shape.hpp>
#include <packkit/torch/cross_entropy.hpp>
#include <packkit/torch/memory_counter.hpp>
#include <packkit/torch/rms_norm.hpp>
#include <packkit/torch/varlen_attention.hpp>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <cmath>
#include <vector>

namespace packkit::train {

using parameter_list = std::vector<at::Tensor>;

/// What a micro-batch brings to every block, on the device.
struct row_context {
    at::Tensor input_ids;        ///< (T), int64
    at::Tensor targets;          ///< (T), int64, −100 without a target
    at::Tensor cos, sin;         ///< (T, 1, D), compute dtype
    lt::document_layout layout;  ///< document boundaries
};

/// Rotary tables (Su et al. 2021, arXiv 2104.09864) of the given positions, each
/// frequency twice as in Transformers; angles in float32, as the published weights were
/// trained, or in float64 for a float64 model.
/// \param positions (T), int64
/// \return cos and sin, (T, 1, D)
inline std::pair<at::Tensor, at::Tensor> rotary_tables(const model_shape& model,
                                                       const at::Tensor& positions,
                                                       at::ScalarType dtype) {
    const auto precision = dtype == at::kDouble ? at::kDouble : at::kFloat;
    const auto exponents =
        at::arange(0, model.head_dim, 2, positions.options().dtype(precision)) /
        static_cast<double>(model.head_dim);
    const auto frequencies = at::pow(model.rope_theta, exponents).reciprocal();
    const auto angles = positions.to(precision).unsqueeze(1) * frequencies.unsqueeze(0);
    const auto twice = at::cat({angles, angles}, 1).unsqueeze(1);
    return {twice.cos().to(dtype), twice.sin().to(dtype)};
}

/// Turns pairs (x[i], x[i + D/2]) by the position's angle. x: (T, H, D).
inline at::Tensor rotate(const at::Tensor& x, const row_context& row) {
    const auto halves = x.chunk(2, -1);
    return x * row.cos + at::cat({-halves[1], halves[0]}, -1) * row.sin;
}

inline at::Tensor norm(const model_shape& model, const at::Tensor& x,
                       const at::Tensor& weight) {
    return lt::rms_norm(x, weight, model.rms_norm_eps);
}

/// Grouped-query attention inside each document. x: (T, C).
inline at::Tensor attention(const model_shape& model, const at::Tensor& wq,
                            const at::Tensor& wk, const at::Tensor& wv,
                            const at::Tensor& wo, const at::Tensor& x,
                            const row_context& row) {
    const auto heads = [&](const at::Tensor& weight) {
        return at::linear(x, weight).view({x.size(0), -1, model.head_dim});
    };
    const auto q = rotate(heads(wq), row);  // (T, H, D)
    const auto k = rotate(heads(wk), row);  // (T, K, D)
    const auto v = heads(wv);               // (T, K, D)
    const auto mixed = lt::varlen_attention(q, k, v, row.layout, {.causal = true});
    return at::linear(mixed.reshape({x.size(0), -1}), wo);
}

/// SwiGLU (Shazeer 2020, arXiv 2002.05202). x: (T, C).
inline at::Tensor feed_forward(const at::Tensor& gate, const at::Tensor& up,
                               const at::Tensor& down, const at::Tensor& x) {
    return at::linear(at::silu(at::linear(x, gate)) * at::linear(x, up), down);
}

/// One block: (T, C) → (T, C).
inline at::Tensor block(const model_shape& model, const parameter_list& p,
                        const at::Tensor& x, const row_context& row) {
    const auto h =
        x + attention(model, p[1], p[2], p[3], p[4], norm(model, x, p[0]), row);
    return h + feed_forward(p[6], p[7], p[8], norm(model, h, p[5]));
}

/// Final norm and head: (T, C) → (T, V).
inline at::Tensor head(const model_shape& model, const at::Tensor& norm_weight,
                       const at::Tensor& head_weight, const at::Tensor& x) {
    const auto last = norm(model, x, norm_weight);
    const lt::memory_scope scope(lt::memory_use::logits);
    return at::linear(last, head_weight);
}

}  // namespace packkit::train
