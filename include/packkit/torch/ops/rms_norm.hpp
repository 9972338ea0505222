// SPDX-License-Identifier: Apache-2.0
/// @file
/// Root-mean-square norm, alone or together with the residual sum before it, that keeps
/// nothing for backward but what others keep anyway.
#pragma once

#include <packkit/torch/ops/detail/elementwise_dispatch.hpp>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace packkit::lt {

/// x / √(mean(x²) + eps) × (weight + weight_offset) over the last dimension (Zhang &
/// Sennrich 2019, arXiv 1910.07467, equation 4). x: (…, C), weight: (C), of one dtype.
/// Gemma stores what its weights differ from one: `weight_offset` 1, which is added in
/// float32 as Transformers does. Added in bfloat16 it would round the weight away.
///
/// On the CPU one pass over a row forward and one backward, in float32 (float64 of
/// float64) with one rounding at the end; keeps x and the weight. The gradient of the
/// weight is the same on any number of threads. Elsewhere LibTorch's own.
[[nodiscard]] at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight,
                                  double eps, double weight_offset = 0.0);

/// h = x + added, and rms_norm(h): what a residual decoder does between its layers. Same
/// values as the two one after the other; in backward both gradients of h are added
/// before the one rounding. x, added: (…, C).
[[nodiscard]] std::pair<at::Tensor, at::Tensor> add_rms_norm(const at::Tensor& x,
                                                             const at::Tensor& added,
                                                             const at::Tensor& weight,
                                                             double eps,
                                                             double weight_offset = 0.0);

// --- implementation
// -----------------------------------------------------------------------------

namespace detail {

/// By LibTorch's operations; with an offset in float32 (float64) and rounded once.
[[nodiscard]] inline at::Tensor composed_rms_norm(const at::Tensor& x,
                                                  const at::Tensor& weight, double eps,
                                                  double offset) {
    if (offset == 0.0) return at::rms_norm(x, weight.sizes(), weight, eps);
    const auto wide = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    return at::rms_norm(x.to(wide), weight.sizes(), weight.to(wide) + offset, eps)
        .to(x.scalar_type());
}

/// {normed}, or {sum, normed} where `added` is defined.
[[nodiscard]] inline std::vector<at::Tensor> cpu_rms_norm(const at::Tensor& x,
                                                          const at::Tensor& added,
                                                          const at::Tensor& weight,
                                                          double eps, double offset) {
    const auto dense = x.contiguous();
    const auto dense_added = added.defined() ? added.contiguous() : added;
    const auto dense_weight = weight.contiguous();
    auto normed = at::empty_like(dense);
    auto sum = added.defined() ? at::empty_like(dense) : at::Tensor();
    with_elementwise_kernels(x.scalar_type(), [&](const auto& kernels) {
        using storage = storage_of_kernels<decltype(kernels)>;
        rms_norm_problem<storage> p;
        p.width = weight.numel();
        p.eps = static_cast<compute_type<storage>>(eps);
        p.weight_offset = static_cast<compute_type<storage>>(offset);
        p.x = read_elements<storage>(dense);
        p.weight = read_elements<storage>(dense_weight);
        p.y = write_elements<storage>(normed);
        if (added.defined()) {
            p.added = read_elements<storage>(dense_added);
            p.sum = write_elements<storage>(sum);
        }
        if (normed.numel() > 0)
            run_elementwise(normed.numel() / p.width, p.width, kernels.rms_norm, p);
    });
    if (!added.defined()) return {std::move(normed)};
    return {std::move(sum), std::move(normed)};
}

/// Gradients of x (with `dsum`, if defined, added) and of the weight.
[[nodiscard]] inline std::pair<at::Tensor, at::Tensor> cpu_rms_norm_gradients(
    const at::Tensor& x, const at::Tensor& weight, double eps, double offset,
    const at::Tensor& upstream, const at::Tensor& dsum) {
    const auto dense = x.contiguous();
    const auto dense_weight = weight.contiguous();
    const auto dy = upstream.contiguous();
    const auto dense_dsum = dsum.defined() ? dsum.contiguous() : dsum;
    auto dx = at::empty_like(dense);
    const std::int64_t width = weight.numel();
    const std::int64_t rows = dense.numel() / std::max<std::int64_t>(1, width);
    // As many parts whatever the number of threads, so that sums are always the same.
    const std::int64_t part = std::max<std::int64_t>(32, (rows + 63) / 64);
    const std::int64_t parts = (rows + part - 1) / part;
    const auto wide = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    auto partial = at::zeros({parts, width}, weight.options().dtype(wide));
    with_elementwise_kernels(x.scalar_type(), [&](const auto& kernels) {
        using storage = storage_of_kernels<decltype(kernels)>;
        using compute = compute_type<storage>;
        rms_norm_problem<storage> p;
        p.width = width;
        p.eps = static_cast<compute>(eps);
        p.weight_offset = static_cast<compute>(offset);
        p.x = read_elements<storage>(dense);
        p.weight = read_elements<storage>(dense_weight);
        p.dy = read_elements<storage>(dy);
        if (dsum.defined()) p.dsum = read_elements<storage>(dense_dsum);
        p.dx = write_elements<storage>(dx);
        auto* const sums = write_elements<compute>(partial);
        at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) {
                kernels.rms_norm_gradients(p, i * part, std::min(rows, (i + 1) * part),
                                           sums + i * width);
            }
        });
        for (std::int64_t i = 1; i < parts; ++i) {
            for (std::int64_t c = 0; c < width; ++c)
                sums[c] += sums[i * width + c];
        }
    });
    auto dweight = parts > 0 ? partial[0].to(weight.scalar_type(), /*non_blocking=*/false,
                                             /*copy=*/true)
                             : at::zeros_like(weight);
    return {std::move(dx), std::move(dweight)};
}

struct rms_norm_function : torch::autograd::Function<rms_norm_function> {
    static at::Tensor forward(torch::autograd::AutogradContext* context,
                              const at::Tensor& x, const at::Tensor& weight, double eps,
                              double offset) {
        context->save_for_backward({x, weight});
        context->saved_data["eps"] = eps;
        context->saved_data["offset"] = offset;
        return cpu_rms_norm(x, {}, weight, eps, offset)[0];
    }

    static torch::autograd::tensor_list backward(
        torch::autograd::AutogradContext* context,
        torch::autograd::tensor_list gradients) {
        const auto saved = context->get_saved_variables();
        auto [dx, dweight] = cpu_rms_norm_gradients(
            saved[0], saved[1], context->saved_data["eps"].toDouble(),
            context->saved_data["offset"].toDouble(), gradients[0], {});
        return {dx, dweight, at::Tensor(), at::Tensor()};
    }
};

struct add_rms_norm_function : torch::autograd::Function<add_rms_norm_function> {
    static torch::autograd::tensor_list forward(torch::autograd::AutogradContext* context,
                                                const at::Tensor& x,
                                                const at::Tensor& added,
                                                const at::Tensor& weight, double eps,
                                                double offset) {
        auto results = cpu_rms_norm(x, added, weight, eps, offset);
        context->save_for_backward({results[0], weight});
        context->saved_data["eps"] = eps;
        context->saved_data["offset"] = offset;
        context->set_materialize_grads(false);
        return results;
    }

    static torch::autograd::tensor_list backward(
        torch::autograd::AutogradContext* context,
        torch::autograd::tensor_list gradients) {
        const auto& of_sum = gradients[0];
        const auto& of_normed = gradients[1];
        if (!of_normed.defined())
            return {of_sum, of_sum, at::Tensor(), at::Tensor(), at::Tensor()};
        const auto saved = context->get_saved_variables();
        auto [dx, dweight] = cpu_rms_norm_gradients(
            saved[0], saved[1], context->saved_data["eps"].toDouble(),
            context->saved_data["offset"].toDouble(), of_normed, of_sum);
        return {dx, dx, dweight, at::Tensor(), at::Tensor()};
    }
};

}  // namespace detail

inline at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps,
                           double weight_offset) {
    if (!detail::has_elementwise_kernels(x))
        return detail::composed_rms_norm(x, weight, eps, weight_offset);
    return detail::rms_norm_function::apply(x, weight, eps, weight_offset);
}

inline std::pair<at::Tensor, at::Tensor> add_rms_norm(const at::Tensor& x,
                                                      const at::Tensor& added,
                                                      const at::Tensor& weight,
                                                      double eps, double weight_offset) {
    if (!detail::has_elementwise_kernels(x)) {
        auto sum = x + added;
        auto normed = detail::composed_rms_norm(sum, weight, eps, weight_offset);
        return {std::move(sum), std::move(normed)};
    }
    auto results =
        detail::add_rms_norm_function::apply(x, added, weight, eps, weight_offset);
    return {std::move(results[0]), std::move(results[1])};
}

}  // namespace packkit::lt
