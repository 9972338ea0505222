// SPDX-License-Identifier: Apache-2.0
/// @file
/// Next-token loss where each rank has the logits of its own part of the vocabulary: the
/// logits are never gathered, three values a token are.
#pragma once

#include <packkit/shard.hpp>
#include <packkit/torch/cross_entropy.hpp>
#include <packkit/torch/tensor_parallel.hpp>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstdint>
#include <limits>
#include <tuple>

namespace packkit::lt {

/// `cross_entropy_sum` over a vocabulary of which this rank holds the columns `range`.
///
/// logits: (T, range.size()), which may be empty; targets: (T), int64, of the whole
/// vocabulary. The ranks exchange their largest logit, the sum of exponentials and the
/// target's logit, (3, T) each, in one all-gather; every rank returns the same bits and
/// the gradient for its own logits. With one rank it is `cross_entropy_sum`. The idea is
/// that of Shoeybi et al. 2019 (arXiv 1909.08053, section 3).
[[nodiscard]] at::Tensor vocabulary_parallel_cross_entropy_sum(
    const tensor_parallel& tp, const at::Tensor& logits, const at::Tensor& targets,
    index_range range, std::int64_t ignore_index = -100);

// --- implementation
// -----------------------------------------------------------------------------

namespace detail {

struct vocabulary_cross_entropy_function
    : torch::autograd::Function<vocabulary_cross_entropy_function> {
    static at::Tensor forward(torch::autograd::AutogradContext* context,
                              const at::Tensor& logits, const at::Tensor& targets,
                              const tensor_parallel& tp, index_range range,
                              std::int64_t ignore_index) {
        const memory_scope scope(memory_use::logits);
        const auto dtype = logits.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
        const auto wide = logits.to(dtype);
        const auto valid = targets.ne(ignore_index);
        const auto here = targets.ge(range.begin)
                              .logical_and_(targets.lt(range.end))
                              .logical_and_(valid);
        const auto column = (targets - range.begin).mul_(here);

        // Largest logit, sum of exponentials below it, the target's logit.
        const auto mine = at::zeros({3, targets.size(0)}, wide.options());
        if (range.empty()) {
            mine[0].fill_(-std::numeric_limits<double>::infinity());
        } else {
            mine[0].copy_(std::get<0>(wide.max(1)));
            mine[1].copy_((wide - mine[0].unsqueeze(1)).exp_().sum(1));
            mine[2].copy_(wide.gather(1, column.unsqueeze(1)).squeeze(1).mul_(here));
        }
        const auto all = at::empty({tp.size(), 3, targets.size(0)}, mine.options());
        if (all.numel() > 0) tp.group->all_gather(all, mine).wait();
        const auto largest = std::get<0>(all.select(1, 0).max(0));
        const auto sums = all.select(1, 1) * (all.select(1, 0) - largest).exp_();
        const auto log_sum = sums.sum(0).log_();
        const auto losses = (log_sum + (largest - all.select(1, 2).sum(0))).mul_(valid);
        context->save_for_backward({wide, largest, log_sum, column, here, valid});
        context->saved_data["dtype"] = static_cast<std::int64_t>(logits.scalar_type());
        return losses.to(at::kDouble).sum();
    }

    /// softmax(logits) − one_hot(target) in this rank's columns, times upstream.
    static torch::autograd::tensor_list backward(
        torch::autograd::AutogradContext* context,
        torch::autograd::tensor_list gradients) {
        const memory_scope scope(memory_use::logits);
        const auto saved = context->get_saved_variables();
        auto gradient =
            (saved[0] - saved[1].unsqueeze(1)).sub_(saved[2].unsqueeze(1)).exp_();
        if (gradient.size(1) > 0) {
            gradient.scatter_add_(
                1, saved[3].unsqueeze(1),
                saved[4].to(gradient.scalar_type()).neg_().unsqueeze(1));
        }
        gradient.mul_((saved[5] * gradients[0]).to(gradient.scalar_type()).unsqueeze(1));
        const auto dtype =
            static_cast<at::ScalarType>(context->saved_data["dtype"].toInt());
        return {gradient.to(dtype), at::Tensor(), at::Tensor(), at::Tensor(),
                at::Tensor()};
    }
};

}  // namespace detail

inline at::Tensor vocabulary_parallel_cross_entropy_sum(const tensor_parallel& tp,
                                                        const at::Tensor& logits,
                                                        const at::Tensor& targets,
                                                        index_range range,
                                                        std::int64_t ignore_index) {
    if (tp.size() == 1) return cross_entropy_sum(logits, targets, ignore_index);
    return detail::vocabulary_cross_entropy_function::apply(logits, targets, tp, range,
                                                            ignore_index);
}

}  // namespace packkit::lt
