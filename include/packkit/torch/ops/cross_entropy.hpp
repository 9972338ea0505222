// SPDX-License-Identifier: Apache-2.0
/// @file
/// Next-token loss as a sum over valid targets, so that ranks and micro-batches simply
/// add. The plain form, of logits that all exist; linear_cross_entropy.hpp has the head
/// in it and holds a chunk of them.
#pragma once

#include <packkit/sequence/labels.hpp>
#include <packkit/torch/memory/memory_counter.hpp>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstdint>

namespace packkit::lt {

/// Σ −log softmax(logits)[target] over the targets that are not `ignore_index`.
///
/// logits: (total, vocab), any floating dtype; targets: (total), int64, already shifted.
/// The sum of the per-token losses is taken in float64 whatever the dtype; returns a
/// float64 scalar, zero when no target is valid. Half-precision logits are widened to
/// float32 first. Backward writes the gradient over the log-probabilities that forward
/// kept, so logits are held twice at the worst moment, and backward runs once.
[[nodiscard]] at::Tensor cross_entropy_sum(
    const at::Tensor& logits, const at::Tensor& targets,
    std::int64_t ignore_index = default_ignore_index);

// --- implementation
// -----------------------------------------------------------------------------

namespace detail {

/// log_softmax over the last dimension; of half precision in float32, on the CPU a
/// sixty-fourth of the rows widened at a time.
[[nodiscard]] inline at::Tensor wide_log_softmax(const at::Tensor& logits) {
    if (logits.scalar_type() != at::kHalf && logits.scalar_type() != at::kBFloat16)
        return at::log_softmax(logits, -1);
    if (!logits.is_cpu()) return at::log_softmax(logits, -1, at::kFloat);
    auto result = at::empty(logits.sizes(), logits.options().dtype(at::kFloat));
    const std::int64_t total = logits.size(0);
    const std::int64_t rows = (total + 63) / 64;
    for (std::int64_t begin = 0; begin < total; begin += rows) {
        const std::int64_t end = std::min(begin + rows, total);
        result.slice(0, begin, end)
            .copy_(at::log_softmax(logits.slice(0, begin, end).to(at::kFloat), -1));
    }
    return result;
}

struct cross_entropy_function : torch::autograd::Function<cross_entropy_function> {
    static at::Tensor forward(torch::autograd::AutogradContext* context,
                              const at::Tensor& logits, const at::Tensor& targets,
                              std::int64_t ignore_index) {
        const memory_scope scope(memory_use::logits);
        const auto log_probabilities = wide_log_softmax(logits);
        const auto losses = at::nll_loss(log_probabilities, targets, {},
                                         at::Reduction::None, ignore_index);
        context->save_for_backward({log_probabilities, targets});
        context->saved_data["ignore_index"] = ignore_index;
        context->saved_data["dtype"] = static_cast<std::int64_t>(logits.scalar_type());
        return losses.to(at::kDouble).sum();
    }

    /// (softmax(logits) − one_hot(target)) × upstream; zero in rows without a target.
    static torch::autograd::tensor_list backward(
        torch::autograd::AutogradContext* context,
        torch::autograd::tensor_list gradients) {
        const memory_scope scope(memory_use::logits);
        const auto saved = context->get_saved_variables();
        auto gradient = saved[0];
        const auto& targets = saved[1];
        const auto valid = targets.ne(context->saved_data["ignore_index"].toInt());
        const auto scale =
            (valid * gradients[0]).to(gradient.scalar_type()).unsqueeze_(1);
        gradient.exp_();
        gradient.scatter_add_(1, targets.clamp_min(0).unsqueeze_(1),
                              at::full({targets.size(0), 1}, -1.0, gradient.options()));
        gradient.mul_(scale);
        const auto dtype =
            static_cast<at::ScalarType>(context->saved_data["dtype"].toInt());
        return {gradient.to(dtype), at::Tensor(), at::Tensor()};
    }
};

}  // namespace detail

inline at::Tensor cross_entropy_sum(const at::Tensor& logits, const at::Tensor& targets,
                                    std::int64_t ignore_index) {
    return detail::cross_entropy_function::apply(logits, targets, ignore_index);
}

}  // namespace packkit::lt
