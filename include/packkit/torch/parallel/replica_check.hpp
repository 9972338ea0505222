// SPDX-License-Identifier: Apache-2.0
/// @file
/// Whether ranks that should hold the same parameters do, to the bit; and where gradients
/// first went wrong.
#pragma once

#include <packkit/torch/parallel/fully_shard.hpp>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace packkit::lt {

/// The bits of a tensor's elements as one number: Σ (2i + 1) bits_i mod 2^64, an int64
/// scalar on the tensor's device. One element that differs always changes it; more could
/// cancel only by chance. float32 or float64, contiguous.
[[nodiscard]] inline at::Tensor hash_of_bits(const at::Tensor& tensor) {
    const auto whole = tensor.element_size() == 8 ? at::kLong : at::kInt;
    const auto bits = tensor.reshape({-1}).view(whole).to(at::kLong);
    const auto odd = at::arange(1, 2 * bits.numel() + 1, 2, bits.options());
    return (bits * odd).sum();
}

/// A parameter that two ranks of a group hold differently.
struct replica_difference {
    std::string parameter;
    std::int64_t rank;  ///< of the group; the other is rank 0
    std::uint64_t hash_of_first, hash_of_rank;
};

/// Compares every parameter's shard over `group`, whose ranks should hold the same bits,
/// by hash: 8 bytes a parameter are sent, and the host waits for the device. Nothing when
/// all agree; else the first parameter, and its first rank, that does not. The same on
/// every rank of the group.
[[nodiscard]] inline std::optional<replica_difference> find_replica_difference(
    std::span<fully_sharded_unit> units, communicator& group) {
    if (group.size() == 1) return std::nullopt;
    std::vector<at::Tensor> hashes;
    std::vector<std::string> names;
    for (auto& unit : units) {
        auto& parameters = unit.parameters();
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            hashes.push_back(hash_of_bits(parameters.shard(i)));
            names.push_back(parameters.info(i).name);
        }
    }
    const auto mine = at::stack(hashes).to(units.front().parameters().device());
    auto all = at::empty({group.size(), mine.numel()}, mine.options());
    group.all_gather(all, mine).wait();
    const auto read = all.cpu();
    const auto hash = [&](std::int64_t rank, std::size_t i) {
        return static_cast<std::uint64_t>(read[rank].const_data_ptr<std::int64_t>()[i]);
    };
    for (std::size_t i = 0; i < names.size(); ++i) {
        for (std::int64_t rank = 1; rank < group.size(); ++rank) {
            if (hash(rank, i) != hash(0, i))
                return replica_difference{names[i], rank, hash(0, i), hash(rank, i)};
        }
    }
    return std::nullopt;
}

/// The first parameter, in the order of the model, whose gradient is not finite on any
/// rank of `world`; empty when all are. Every rank calls it, and gets the same name.
[[nodiscard]] inline std::string find_non_finite_gradient(
    std::span<fully_sharded_unit> units, communicator& world) {
    std::vector<at::Tensor> bad;
    std::vector<std::string> names;
    for (auto& unit : units) {
        auto& parameters = unit.parameters();
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            if (parameters.info(i).frozen) continue;
            bad.push_back(at::isfinite(parameters.gradient(i)).all().logical_not());
            names.push_back(parameters.info(i).name);
        }
    }
    auto counts = at::stack(bad).to(units.front().parameters().device()).to(at::kDouble);
    world.all_reduce(counts).wait();
    const auto read = counts.cpu();
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (read.const_data_ptr<double>()[i] > 0) return names[i];
    }
    return {};
}

}  // namespace packkit::lt
