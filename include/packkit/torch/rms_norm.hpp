// SPDX-License-Identifier: Apache-2.0
/// @file
/// Root-mean-square norm that keeps nothing for backward but what others keep anyway.
#pragma once

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/custom_function.h>

namespace packkit::lt {

/// x / √(mean(x²) + eps) × weight over the last dimension (Zhang & Sennrich 2019, arXiv
/// 1910.07467, equation 4). x: (…, C), weight: (C), of one dtype.
///
/// LibTorch's own on the CPU keeps x in float32, x / rms and the factor; this one keeps x
/// and the weight and computes the rest again. On a GPU its fused kernel does likewise.
[[nodiscard]] at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight,
                                  double eps);

// --- implementation
// -----------------------------------------------------------------------------

namespace detail {

struct rms_norm_function : torch::autograd::Function<rms_norm_function> {
    static at::Tensor forward(torch::autograd::AutogradContext* context,
                              const at::Tensor& x, const at::Tensor& weight, double eps) {
        context->save_for_backward({x, weight});
        context->saved_data["eps"] = eps;
        return at::rms_norm(x, weight.sizes(), weight, eps);
    }

    /// With n = x / rms and g = upstream × weight: (g − n mean(g n)) / rms, Σ upstream n.
    static torch::autograd::tensor_list backward(
        torch::autograd::AutogradContext* context,
        torch::autograd::tensor_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto dtype = saved[0].scalar_type();
        const auto wide = dtype == at::kDouble ? at::kDouble : at::kFloat;
        const auto upstream = gradients[0].to(wide);
        auto normed = saved[0].to(wide);
        const auto inverse = normed.square()
                                 .mean(-1, /*keepdim=*/true)
                                 .add_(context->saved_data["eps"].toDouble())
                                 .rsqrt_();
        normed = normed * inverse;
        const auto weight_gradient =
            (upstream * normed).reshape({-1, saved[1].size(0)}).sum(0).to(dtype);
        auto gradient = upstream * saved[1].to(wide);
        const auto along = (gradient * normed).mean(-1, /*keepdim=*/true);
        gradient.sub_(normed.mul_(along)).mul_(inverse);
        return {gradient.to(dtype), weight_gradient, at::Tensor()};
    }
};

}  // namespace detail

inline at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
    if (!x.is_cpu()) return at::rms_norm(x, weight.sizes(), weight, eps);
    return detail::rms_norm_function::apply(x, weight, eps);
}

}  // namespace packkit::lt
