// SPDX-License-Identifier: Apache-2.0
/// @file
/// Attention as it is defined, one document at a time with the full score matrix: the
/// figure that fast kernels are compared with. Differentiable by autograd.
#pragma once

#include <packkit/torch/attention_options.hpp>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <cmath>
#include <limits>
#include <span>
#include <vector>

namespace packkit::lt {

/// q: (total, heads, d); k, v: (total, kv_heads, d); cu_seqlens as in `cu_seqlens.hpp`.
/// Returns (total, heads, d). Vaswani et al. 2017 (arXiv 1706.03762), equation 1, per
/// document.
[[nodiscard]] inline at::Tensor reference_attention(
    const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
    std::span<const std::int32_t> cu_seqlens, const attention_options& options) {
    check_attention_shapes(q, k, v, cu_seqlens.back());
    const double scale =
        options.scale.value_or(1.0 / std::sqrt(static_cast<double>(q.size(2))));
    const std::int64_t groups = q.size(1) / k.size(1);
    std::vector<at::Tensor> documents;
    for (std::size_t i = 0; i + 1 < cu_seqlens.size(); ++i) {
        const auto rows = [&](const at::Tensor& t, std::int64_t repeat) {
            return t.slice(0, cu_seqlens[i], cu_seqlens[i + 1])
                .repeat_interleave(repeat, 1)
                .transpose(0, 1);  // (heads, length, d)
        };
        auto scores = at::matmul(rows(q, 1), rows(k, groups).transpose(1, 2)) * scale;
        if (options.causal) {
            const auto mask = at::ones({scores.size(1), scores.size(2)},
                                       scores.options().dtype(at::kBool))
                                  .triu(1);
            scores = scores.masked_fill(mask, -std::numeric_limits<double>::infinity());
        }
        documents.push_back(
            at::matmul(at::softmax(scores, -1), rows(v, groups)).transpose(0, 1));
    }
    return at::cat(documents, 0);
}

}  // namespace packkit::lt
