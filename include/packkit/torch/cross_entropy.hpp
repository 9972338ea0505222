// SPDX-License-Identifier: Apache-2.0
/// @file
/// Next-token loss as a sum over valid targets, so that ranks and micro-batches simply
/// add.
#pragma once

#include <ATen/Functions.h>

#include <cstdint>

namespace packkit::lt {

/// Σ −log softmax(logits)[target] over the targets that are not `ignore_index`.
///
/// logits: (total, vocab), any floating dtype; targets: (total), int64, already shifted.
/// The sum of the per-token losses is taken in float64 whatever the dtype; returns a
/// float64 scalar, zero when no target is valid. Half-precision logits are widened to
/// float32 first.
[[nodiscard]] inline at::Tensor cross_entropy_sum(const at::Tensor& logits,
                                                  const at::Tensor& targets,
                                                  std::int64_t ignore_index = -100) {
    const bool narrow =
        logits.scalar_type() == at::kHalf || logits.scalar_type() == at::kBFloat16;
    const auto log_probabilities =
        at::log_softmax(narrow ? logits.to(at::kFloat) : logits, -1);
    const auto losses =
        at::nll_loss(log_probabilities, targets, {}, at::Reduction::None, ignore_index);
    return losses.to(at::kDouble).sum();
}

}  // namespace packkit::lt
