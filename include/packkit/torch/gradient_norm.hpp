// SPDX-License-Identifier: Apache-2.0
/// @file
/// The norm of all gradients over the mesh, and clipping to it. Results stay on the
/// device: nothing here waits for it.
#pragma once

#include <packkit/torch/fully_shard.hpp>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <span>

namespace packkit::lt {

/// The 2-norm of all accumulated gradients, each parameter counted once; equal on every
/// rank: a float64 scalar on the gradients' device. `shard` is the group over which the
/// parameters are split. Squares are added in float64.
[[nodiscard]] inline at::Tensor gradient_norm(std::span<fully_sharded_unit> units,
                                              communicator& shard) {
    at::Tensor squares;
    for (auto& unit : units) {
        auto& parameters = unit.parameters();
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            const auto norm = at::linalg_vector_norm(parameters.gradient(i), 2.0,
                                                     std::nullopt, false, at::kDouble);
            const auto square = norm * norm;
            squares = squares.defined() ? squares + square : square;
        }
    }
    auto sum = squares.reshape({1}).contiguous();
    shard.all_reduce(sum).wait();
    return sum.sqrt().squeeze(0);
}

/// Scales all accumulated gradients so that their norm, which is now `norm`, is at most
/// `max_norm` (Pascanu et al. 2013, arXiv 1211.5063; the factor is PyTorch's max_norm /
/// (norm + 1e-6)).
inline void clip_gradients(std::span<fully_sharded_unit> units, const at::Tensor& norm,
                           double max_norm) {
    const auto factor = (max_norm / (norm + 1e-6)).clamp_max(1.0);
    // On the CPU looking costs nothing, and saves a pass over gradients that are small.
    if (factor.is_cpu() && factor.item<double>() == 1.0) return;
    for (auto& unit : units) {
        for (std::size_t i = 0; i < unit.parameters().size(); ++i) {
            unit.parameters().gradient(i).mul_(factor);
        }
    }
}

}  // namespace packkit::lt
