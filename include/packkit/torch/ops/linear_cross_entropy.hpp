// SPDX-License-Identifier: Apache-2.0
/// @file
/// The model's head and its loss as one function that never holds all logits: a chunk of
/// rows at a time, differentiated while its logits are there.
///
/// Letters: T rows, C hidden size, V rows of the head's weight (tokens of the vocabulary,
/// or this rank's part of them).
#pragma once

#include <packkit/torch/ops/detail/chunked_loss.hpp>
#include <packkit/torch/ops/detail/chunked_loss_cpu.hpp>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstdint>

namespace packkit::lt {

/// Σ −log softmax(cap(x weightᵀ))[target] over the targets that are not `ignore_index`.
///
/// x: (T, C); weight: (V, C), of the same dtype (float64, float32, bfloat16; on a GPU
/// float16 too); targets: (T), int64, already shifted. Returns a float64 scalar, zero
/// without a target.
///
/// Logits and their gradients are of x's dtype, as in a linear layer; softmax and losses
/// are computed in float32 (float64 for float64), the sum in float64. The weight's
/// gradient is summed over chunks in float32 (float64) and rounded once. On the CPU rows
/// without a target are left out and results are the same bits on any number of threads;
/// on a GPU nothing waits for the device.
///
/// Forward makes the gradients, if any is asked for; backward scales them, in place, so
/// it runs once and nothing but they is kept: (T, C) and (V, C). Holds beside them the
/// logits of `chunk_rows` rows. 6 T V C operations, 2 T V C without gradients.
///
/// Where a group of ranks splits the vocabulary, every rank calls it with the same x and
/// targets and its rows of the weight; all return the loss of the whole. Ranks exchange
/// three float64 a row, in one all-gather a chunk, never logits. The gradient of x is
/// this rank's part of a sum over the group, which the caller makes (as the backward of
/// what gave every rank the same x); that of the weight is complete.
///
/// @throws invalid_argument for shapes or dtypes that do not fit; on the CPU for a target
///         outside of the vocabulary
[[nodiscard]] at::Tensor linear_cross_entropy_sum(
    const at::Tensor& x, const at::Tensor& weight, const at::Tensor& targets,
    const linear_cross_entropy_options& options = {});

// --- implementation
// -----------------------------------------------------------------------------

namespace detail {

[[nodiscard]] inline chunked_loss linear_cross_entropy(
    const at::Tensor& x, const at::Tensor& weight, const at::Tensor& targets,
    const linear_cross_entropy_options& options, wanted_gradients wanted) {
    const auto run = x.is_cpu() ? &chunked_loss_on_cpu : &chunked_loss_anywhere;
    // The kernels of the CPU have no float16; gradients are rounded to it in backward.
    if (x.is_cpu() && x.scalar_type() == at::kHalf) {
        return run(x.detach().to(at::kFloat).contiguous(),
                   weight.detach().to(at::kFloat).contiguous(), targets.contiguous(),
                   options, wanted);
    }
    return run(x.detach().contiguous(), weight.detach().contiguous(),
               targets.contiguous(), options, wanted);
}

struct linear_cross_entropy_function
    : torch::autograd::Function<linear_cross_entropy_function> {
    static at::Tensor forward(torch::autograd::AutogradContext* context,
                              const at::Tensor& x, const at::Tensor& weight,
                              const at::Tensor& targets,
                              const linear_cross_entropy_options* options) {
        auto result = linear_cross_entropy(x, weight, targets, *options,
                                           {x.requires_grad(), weight.requires_grad()});
        context->saved_data["dtype"] = static_cast<std::int64_t>(x.scalar_type());
        context->save_for_backward(
            {std::move(result.x_gradient), std::move(result.weight_gradient)});
        return result.sum;
    }

    static torch::autograd::tensor_list backward(
        torch::autograd::AutogradContext* context,
        torch::autograd::tensor_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto dtype =
            static_cast<at::ScalarType>(context->saved_data["dtype"].toInt());
        const auto scaled = [&](at::Tensor gradient, memory_use use) {
            if (!gradient.defined()) return gradient;
            const memory_scope scope(use);
            gradient.mul_(gradients[0].to(
                gradient.scalar_type() == at::kDouble ? at::kDouble : at::kFloat));
            return gradient.to(dtype);
        };
        return {scaled(saved[0], memory_use::activations),
                scaled(saved[1], memory_use::gradients), at::Tensor(), at::Tensor()};
    }
};

}  // namespace detail

inline at::Tensor linear_cross_entropy_sum(const at::Tensor& x, const at::Tensor& weight,
                                           const at::Tensor& targets,
                                           const linear_cross_entropy_options& options) {
    detail::check_linear_cross_entropy(x, weight, targets, options);
    if (!at::GradMode::is_enabled() || (!x.requires_grad() && !weight.requires_grad())) {
        return detail::linear_cross_entropy(x, weight, targets, options, {}).sum;
    }
    return detail::linear_cross_entropy_function::apply(x, weight, targets, &options);
}

}  // namespace packkit::lt
