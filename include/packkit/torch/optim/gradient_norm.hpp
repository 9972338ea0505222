// SPDX-License-Identifier: Apache-2.0
/// @file
/// The norm of all gradients over the mesh, and clipping to it; before that, sums of
/// gradients that the ranks of a tensor-parallel group hold parts of. Results stay on the
/// device: nothing here waits for it.
#pragma once

#include <packkit/torch/parallel/fully_shard.hpp>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace packkit::lt {

/// Sums the gradients marked `partial_gradient` over the group `tensor`: once a step,
/// when the other reductions are complete. One all-reduce of all of them together.
inline void sum_partial_gradients(std::span<fully_sharded_unit> units,
                                  communicator& tensor) {
    if (tensor.size() == 1) return;
    const memory_scope scope(memory_use::communication);
    std::vector<at::Tensor> parts, flat;
    for (auto& unit : units) {
        auto& parameters = unit.parameters();
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            const auto& info = parameters.info(i);
            if (!info.partial_gradient || info.frozen) continue;
            parts.push_back(parameters.gradient(i));
            flat.push_back(parts.back().reshape({parts.back().numel()}));
        }
    }
    if (parts.empty()) return;
    const auto sum = at::cat(flat).to(units.front().parameters().device());
    if (sum.numel() == 0) return;  // the same on every rank of the group
    tensor.all_reduce(sum).wait();
    std::int64_t offset = 0;
    for (const auto& part : parts) {
        part.copy_(sum.narrow(0, offset, part.numel()).view(part.sizes()));
        offset += part.numel();
    }
}

/// The 2-norm of all accumulated gradients, each parameter counted once; equal on every
/// rank: a float64 scalar on the device of collectives. At least one parameter is not
/// frozen. `shard` is the group over which
/// the parameters are split, `tensor` the one that cuts them, null if none does. Squares
/// are added in float64.
[[nodiscard]] inline at::Tensor gradient_norm(std::span<fully_sharded_unit> units,
                                              communicator& shard,
                                              communicator* tensor = nullptr) {
    const bool counts_whole = tensor == nullptr || tensor->rank() == 0;
    at::Tensor squares;
    for (auto& unit : units) {
        auto& parameters = unit.parameters();
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            if (parameters.info(i).frozen) continue;
            const auto norm = at::linalg_vector_norm(parameters.gradient(i), 2.0,
                                                     std::nullopt, false, at::kDouble);
            const bool counts =
                counts_whole || parameters.info(i).cut != tensor_cut::replicated;
            const auto square = norm * (counts ? norm : at::zeros_like(norm));
            squares = squares.defined() ? squares + square : square;
        }
    }
    auto sum = squares.reshape({1}).to(units.front().parameters().device()).contiguous();
    shard.all_reduce(sum).wait();
    if (tensor != nullptr) tensor->all_reduce(sum).wait();
    return sum.sqrt().squeeze(0);
}

/// The same by sums that do not depend on how parameters are split: squares of a row
/// never leave their rank, and rows are added in the order of the model. The host waits
/// for the device.
[[nodiscard]] inline at::Tensor canonical_gradient_norm(
    std::span<fully_sharded_unit> units, communicator& shard) {
    std::vector<at::Tensor> squares;
    for (auto& unit : units) {
        auto& parameters = unit.parameters();
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            if (parameters.info(i).frozen) continue;
            const auto gradient = parameters.gradient(i);
            const auto rows = gradient.size(0);
            auto padded = at::zeros(
                {rows_per_shard(parameters.layout().local_shape(i)[0], shard.size())},
                gradient.options().dtype(at::kDouble));
            if (rows > 0) {
                padded.narrow(0, 0, rows)
                    .copy_(gradient.reshape({rows, -1}).to(at::kDouble).square().sum(1));
            }
            squares.push_back(padded);
        }
    }
    const auto mine = at::cat(squares);
    auto all = at::empty({shard.size(), mine.numel()}, mine.options());
    shard.all_gather(all, mine).wait();
    const auto read = all.cpu();
    const auto* const of_ranks = read.const_data_ptr<double>();
    double sum = 0;  // padding adds zeros, which change nothing
    std::int64_t begin = 0;
    for (const auto& part : squares) {
        for (std::int64_t rank = 0; rank < shard.size(); ++rank) {
            const auto* const rows = of_ranks + rank * mine.numel() + begin;
            for (std::int64_t r = 0; r < part.numel(); ++r)
                sum += rows[r];
        }
        begin += part.numel();
    }
    return at::full({}, std::sqrt(sum), mine.options());
}

/// Scales all accumulated gradients so that their norm, which is now `norm`, is at most
/// `max_norm` (Pascanu et al. 2013, arXiv 1211.5063; the factor is PyTorch's max_norm /
/// (norm + 1e-6)). A norm that is not finite leaves them as they are, to be looked at.
inline void clip_gradients(std::span<fully_sharded_unit> units, const at::Tensor& norm,
                           double max_norm) {
    const auto factor =
        at::where(at::isfinite(norm), (max_norm / (norm + 1e-6)).clamp_max(1.0), 1.0);
    // On the CPU looking costs nothing, and saves a pass over gradients that are small.
    if (factor.is_cpu() && factor.item<double>() == 1.0) return;
    for (auto& unit : units) {
        const auto here = factor.to(unit.parameters().flat_shards().device());
        for (std::size_t i = 0; i < unit.parameters().size(); ++i) {
            if (!unit.parameters().info(i).frozen)
                unit.parameters().gradient(i).mul_(here);
        }
    }
}

}  // namespace packkit::lt
