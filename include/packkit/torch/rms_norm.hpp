// SPDX-License-Identifier: Apache-2.0
/// @file
/// Root-mean-square norm that keeps nothing for backward but what others keep anyway.
#pragma once

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/custom_function.h>

namespace packkit::lt {

/// x / √(mean(x²) + eps) × (weight + weight_offset) over the last dimension (Zhang &
/// Sennrich 2019, arXiv 1910.07467, equation 4). x: (…, C), weight: (C), of one dtype.
/// Gemma stores what its weights differ from one: `weight_offset` 1, which is added in
/// float32 as Transformers does. Added in bfloat16 it would round the weight away.
///
/// LibTorch's own on the CPU keeps x in float32, x / rms and the factor; this one keeps x
/// and the weight and computes the rest again. On a GPU its fused kernel does likewise.
[[nodiscard]] at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight,
                                  double eps, double weight_offset = 0.0);

// --- implementation
// -----------------------------------------------------------------------------

namespace detail {

[[nodiscard]] inline at::ScalarType wide_dtype(const at::Tensor& x) {
    return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

/// By LibTorch's operations; with an offset in wide_dtype() and rounded once.
[[nodiscard]] inline at::Tensor composed_rms_norm(const at::Tensor& x,
                                                  const at::Tensor& weight, double eps,
                                                  double offset) {
    if (offset == 0.0) return at::rms_norm(x, weight.sizes(), weight, eps);
    const auto wide = wide_dtype(x);
    return at::rms_norm(x.to(wide), weight.sizes(), weight.to(wide) + offset, eps)
        .to(x.scalar_type());
}

struct rms_norm_function : torch::autograd::Function<rms_norm_function> {
    static at::Tensor forward(torch::autograd::AutogradContext* context,
                              const at::Tensor& x, const at::Tensor& weight, double eps,
                              double offset) {
        context->save_for_backward({x, weight});
        context->saved_data["eps"] = eps;
        context->saved_data["offset"] = offset;
        return composed_rms_norm(x, weight, eps, offset);
    }

    /// With n = x / rms and g = upstream × (weight + offset): (g − n mean(g n)) / rms, Σ
    /// upstream n.
    static torch::autograd::tensor_list backward(
        torch::autograd::AutogradContext* context,
        torch::autograd::tensor_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto dtype = saved[0].scalar_type();
        const auto wide = wide_dtype(saved[0]);
        const auto upstream = gradients[0].to(wide);
        auto normed = saved[0].to(wide);
        const auto inverse = normed.square()
                                 .mean(-1, /*keepdim=*/true)
                                 .add_(context->saved_data["eps"].toDouble())
                                 .rsqrt_();
        normed = normed * inverse;
        const auto weight_gradient =
            (upstream * normed).reshape({-1, saved[1].size(0)}).sum(0).to(dtype);
        const double offset = context->saved_data["offset"].toDouble();
        auto gradient =
            upstream * (offset == 0.0 ? saved[1].to(wide) : saved[1].to(wide) + offset);
        const auto along = (gradient * normed).mean(-1, /*keepdim=*/true);
        gradient.sub_(normed.mul_(along)).mul_(inverse);
        return {gradient.to(dtype), weight_gradient, at::Tensor(), at::Tensor()};
    }
};

}  // namespace detail

inline at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps,
                           double weight_offset) {
    if (!x.is_cpu()) return detail::composed_rms_norm(x, weight, eps, weight_offset);
    return detail::rms_norm_function::apply(x, weight, eps, weight_offset);
}

}  // namespace packkit::lt
