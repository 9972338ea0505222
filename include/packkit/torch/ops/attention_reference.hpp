// SPDX-License-Identifier: Apache-2.0
/// @file
/// Attention as it is defined, one document at a time with the full score matrix: the
/// figure that fast kernels are compared with. Differentiable by autograd.
#pragma once

#include <packkit/torch/ops/attention_options.hpp>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <cmath>
#include <limits>
#include <span>
#include <vector>

namespace packkit::lt {

/// q: (total_q, heads, d); k, v: (total_k, kv_heads, d); boundaries of the documents as
/// in `sequence/cu_seqlens.hpp`. Returns (total_q, heads, d). Vaswani et al. 2017 (arXiv
/// 1706.03762), equation 1, per document.
[[nodiscard]] inline at::Tensor reference_attention(
    const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
    std::span<const std::int32_t> cu_seqlens_q,
    std::span<const std::int32_t> cu_seqlens_k, const attention_options& options) {
    check_attention_shapes(q, k, v, cu_seqlens_q.back(), cu_seqlens_k.back());
    check_attention_options(options);
    const double scale =
        options.scale.value_or(1.0 / std::sqrt(static_cast<double>(q.size(2))));
    const std::int64_t groups = q.size(1) / k.size(1);
    std::vector<at::Tensor> documents;
    for (std::size_t i = 0; i + 1 < cu_seqlens_q.size(); ++i) {
        const auto rows = [i](const at::Tensor& t, std::span<const std::int32_t> bounds,
                              std::int64_t repeat) {
            return t.slice(0, bounds[i], bounds[i + 1])
                .repeat_interleave(repeat, 1)
                .transpose(0, 1);  // (heads, length, d)
        };
        const auto keys = rows(k, cu_seqlens_k, groups);
        auto scores = at::matmul(rows(q, cu_seqlens_q, 1), keys.transpose(1, 2)) * scale;
        if (options.softcap > 0) {
            scores = at::tanh(scores / options.softcap) * options.softcap;
        }
        if (options.causal) {
            // Query row i sees keys (i + shift - window, i + shift].
            const std::int64_t shift = scores.size(2) - scores.size(1);
            auto mask = at::ones({scores.size(1), scores.size(2)},
                                 scores.options().dtype(at::kBool));
            mask =
                options.window > 0
                    ? mask.triu(1 + shift).logical_or_(mask.tril(shift - options.window))
                    : mask.triu(1 + shift);
            scores = scores.masked_fill(mask, -std::numeric_limits<double>::infinity());
        }
        // A query that sees no key gets zeros.
        const auto weights = at::nan_to_num(at::softmax(scores, -1), 0.0);
        documents.push_back(
            at::matmul(weights, rows(v, cu_seqlens_k, groups)).transpose(0, 1));
    }
    return at::cat(documents, 0);
}

/// The same where queries and keys are the same tokens.
[[nodiscard]] inline at::Tensor reference_attention(
    const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
    std::span<const std::int32_t> cu_seqlens, const attention_options& options) {
    return reference_attention(q, k, v, cu_seqlens, cu_seqlens, options);
}

}  // namespace packkit::lt
