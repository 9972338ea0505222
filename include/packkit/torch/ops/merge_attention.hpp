// SPDX-License-Identifier: Apache-2.0
/// @file
/// Attentions of the same queries over different keys, merged into one by their
/// log-sum-exp.
#pragma once

#include <packkit/error.hpp>
#include <packkit/torch/ops/varlen_attention.hpp>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <limits>

namespace packkit::lt {

/// The attention over the keys of both, which share none: softmax's numerators and sums
/// add up (Rabe & Staats 2021, arXiv 2112.05682, section 2; Liu et al. 2023, Ring
/// Attention, arXiv 2310.01889).
///
/// out: (total_q, heads, head_dim), of a dtype no narrower than the lse's, for each
/// merging rounds; lse: (heads, total_q). A query that sees no key in either has zeros
/// and an lse of −inf. Differentiable where every query sees a key.
/// @throws invalid_argument when shapes disagree
[[nodiscard]] inline attention_with_lse merge_attention(const attention_with_lse& a,
                                                        const attention_with_lse& b) {
    if (a.out.sizes() != b.out.sizes() || a.lse.sizes() != b.lse.sizes() ||
        a.out.dim() != 3 || a.lse.dim() != 2 || a.lse.size(0) != a.out.size(1) ||
        a.lse.size(1) != a.out.size(0)) {
        throw invalid_argument(
            "merge_attention: expected out (total_q, heads, head_dim) and lse (heads, "
            "total_q), equal for both parts");
    }
    // The larger exponent is taken out; where there is none, any number will do.
    const auto top = at::maximum(a.lse, b.lse).detach();
    const auto base =
        top.masked_fill(top == -std::numeric_limits<double>::infinity(), 0.0);
    const auto of_a = at::exp(a.lse - base);
    const auto of_b = at::exp(b.lse - base);
    const auto sum = of_a + of_b;
    const auto divisor = sum.masked_fill(sum == 0.0, 1.0);
    const auto share = [&](const at::Tensor& part) {
        return (part / divisor).transpose(0, 1).unsqueeze(2);  // (total_q, heads, 1)
    };
    return {a.out * share(of_a) + b.out * share(of_b), base + at::log(sum)};
}

}  // namespace packkit::lt
