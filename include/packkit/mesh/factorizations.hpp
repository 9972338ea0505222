// SPDX-License-Identifier: Apache-2.0
/// @file
/// Every mesh of a number of ranks.
#pragma once

#include <packkit/detail/divisors.hpp>
#include <packkit/error.hpp>
#include <packkit/mesh/mesh_shape.hpp>

#include <cstdint>
#include <vector>

namespace packkit {

/// Every mesh of that many ranks, lexicographic from {1, 1, 1, world_size} on.
/// @throws invalid_argument unless the world size is positive
[[nodiscard]] constexpr std::vector<mesh_shape> factorizations(std::int64_t world_size) {
    if (world_size < 1) {
        detail::throw_invalid_argument("world size is ", world_size,
                                       ", it must be positive");
    }
    std::vector<mesh_shape> shapes;
    for (const std::int64_t dp_replicate : detail::divisors(world_size)) {
        const std::int64_t shards = world_size / dp_replicate;
        for (const std::int64_t dp_shard : detail::divisors(shards)) {
            const std::int64_t slices = shards / dp_shard;
            for (const std::int64_t cp : detail::divisors(slices)) {
                shapes.push_back({dp_replicate, dp_shard, cp, slices / cp});
            }
        }
    }
    return shapes;
}

}  // namespace packkit
