// SPDX-License-Identifier: Apache-2.0
/// @file
/// The norm of all gradients over the mesh, and clipping to it.
#pragma once

#include <packkit/torch/fully_shard.hpp>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <cmath>
#include <span>

namespace packkit::lt {

/// The 2-norm of all accumulated gradients, each parameter counted once; equal on every
/// rank. `shard` is the group over which the parameters are split. Squares are added in
/// float64.
[[nodiscard]] inline double gradient_norm(std::span<fully_sharded_unit> units,
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
    return std::sqrt(sum.item<double>());
}

/// Scales all accumulated gradients so that their norm is at most `max_norm`
/// (Pascanu et al. 2013, arXiv 1211.5063; the factor is PyTorch's max_norm / (norm +
/// 1e-6)).
inline void clip_gradients(std::span<fully_sharded_unit> units, double norm,
                           double max_norm) {
    const double factor = max_norm / (norm + 1e-6);
    if (!(factor < 1.0)) return;
    for (auto& unit : units) {
        for (std::size_t i = 0; i < unit.parameters().size(); ++i) {
            unit.parameters().gradient(i).mul_(factor);
        }
    }
}

}  // namespace packkit::lt
