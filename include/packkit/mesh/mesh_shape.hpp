// SPDX-License-Identifier: Apache-2.0
/// @file
/// The device mesh dp_replicate x dp_shard x cp x tp: sizes, order of the dimensions,
/// rank <-> coordinates, groups of ranks. All of it usable in constant expressions.
#pragma once

#include <packkit/error.hpp>

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace packkit {

/// Dimensions of the mesh, outermost first.
enum class mesh_dimension {
    dp_replicate,  ///< replicas of the sharded model: gradients are all-reduced
    dp_shard,      ///< parameters, gradients and optimizer state are sharded
    cp,            ///< sequences are split; parameters are sharded over it as well
    tp,            ///< weight matrices are split
};

[[nodiscard]] constexpr std::string_view to_string(mesh_dimension dimension) {
    switch (dimension) {
        case mesh_dimension::dp_replicate:
            return "dp_replicate";
        case mesh_dimension::dp_shard:
            return "dp_shard";
        case mesh_dimension::cp:
            return "cp";
        case mesh_dimension::tp:
            return "tp";
    }
    detail::throw_invalid_argument("mesh_dimension has no value ",
                                   static_cast<int>(dimension));
}

namespace detail {

/// The member that a dimension names, of a struct with one for each.
template <class Mesh>
constexpr auto member_of(Mesh& mesh, mesh_dimension dimension) -> decltype(&mesh.tp) {
    switch (dimension) {
        case mesh_dimension::dp_replicate:
            return &mesh.dp_replicate;
        case mesh_dimension::dp_shard:
            return &mesh.dp_shard;
        case mesh_dimension::cp:
            return &mesh.cp;
        case mesh_dimension::tp:
            return &mesh.tp;
    }
    throw_invalid_argument("mesh_dimension has no value ", static_cast<int>(dimension));
}

}  // namespace detail

/// Sizes of the mesh, each at least 1. Ordered lexicographically.
struct mesh_shape {
    std::int64_t dp_replicate = 1;
    std::int64_t dp_shard = 1;
    std::int64_t cp = 1;
    std::int64_t tp = 1;

    [[nodiscard]] constexpr std::int64_t world_size() const {
        return dp_replicate * dp_shard * cp * tp;
    }
    /// Ranks that see different samples. cp and tp do not count.
    [[nodiscard]] constexpr std::int64_t data_parallel_size() const {
        return dp_replicate * dp_shard;
    }
    /// Ranks over which fully sharded parameters are cut: dp_shard x cp.
    [[nodiscard]] constexpr std::int64_t effective_shard_size() const {
        return dp_shard * cp;
    }
    /// Size of one dimension.
    [[nodiscard]] constexpr std::int64_t operator[](mesh_dimension dimension) const {
        return *detail::member_of(*this, dimension);
    }

    friend constexpr auto operator<=>(const mesh_shape&, const mesh_shape&) = default;
};

/// "dp_replicate 2 x dp_shard 4 x cp 1 x tp 1"
[[nodiscard]] inline std::string to_string(const mesh_shape& shape) {
    return detail::message("dp_replicate ", shape.dp_replicate, " x dp_shard ",
                           shape.dp_shard, " x cp ", shape.cp, " x tp ", shape.tp);
}

/// Which dimension changes slowest with the rank, which fastest.
struct mesh_order {
    /// Each dimension once.
    std::array<mesh_dimension, 4> outermost_first = {
        mesh_dimension::dp_replicate, mesh_dimension::dp_shard, mesh_dimension::cp,
        mesh_dimension::tp};

    friend constexpr bool operator==(const mesh_order&, const mesh_order&) = default;
};

/// Ranks between neighbours of a group of `dimension`: the product of the sizes of all
/// dimensions that change faster.
/// @throws invalid_argument if the order lacks the dimension
[[nodiscard]] constexpr std::int64_t stride_of(const mesh_shape& shape,
                                               mesh_dimension dimension,
                                               const mesh_order& order = {}) {
    std::int64_t stride = 1;
    for (std::size_t i = order.outermost_first.size(); i-- > 0;) {
        if (order.outermost_first[i] == dimension) return stride;
        stride *= shape[order.outermost_first[i]];
    }
    detail::throw_invalid_argument("the mesh order lacks ", to_string(dimension));
}

/// Where a rank sits in the mesh.
struct mesh_coordinates {
    std::int64_t dp_replicate = 0;
    std::int64_t dp_shard = 0;
    std::int64_t cp = 0;
    std::int64_t tp = 0;

    /// Coordinate in one dimension.
    [[nodiscard]] constexpr std::int64_t operator[](mesh_dimension dimension) const {
        return *detail::member_of(*this, dimension);
    }

    friend constexpr auto operator<=>(const mesh_coordinates&,
                                      const mesh_coordinates&) = default;
};

namespace detail {

constexpr void check_rank(const mesh_shape& shape, std::int64_t rank) {
    if (rank < 0 || rank >= shape.world_size()) {
        throw_invalid_argument("rank is ", rank, ", expected 0 to ",
                               shape.world_size() - 1, " (", to_string(shape), ")");
    }
}

}  // namespace detail

/// Coordinates of a rank: with the default order tp changes fastest, dp_replicate
/// slowest.
/// @throws invalid_argument for a rank outside the mesh
[[nodiscard]] constexpr mesh_coordinates coordinates_of(const mesh_shape& shape,
                                                        std::int64_t rank,
                                                        const mesh_order& order = {}) {
    detail::check_rank(shape, rank);
    mesh_coordinates at;
    for (std::size_t i = order.outermost_first.size(); i-- > 0;) {
        const mesh_dimension dimension = order.outermost_first[i];
        *detail::member_of(at, dimension) = rank % shape[dimension];
        rank /= shape[dimension];
    }
    return at;
}

/// Number of a rank among the data-parallel ranks, below `data_parallel_size()`: ranks of
/// one number take the same rows.
/// @throws invalid_argument for a rank outside the mesh
[[nodiscard]] constexpr std::int64_t data_rank_of(const mesh_shape& shape,
                                                  std::int64_t rank,
                                                  const mesh_order& order = {}) {
    const mesh_coordinates at = coordinates_of(shape, rank, order);
    return at.dp_replicate * shape.dp_shard + at.dp_shard;
}

/// The rank at these coordinates: the inverse of `coordinates_of`.
/// @throws invalid_argument for coordinates outside the mesh
[[nodiscard]] constexpr std::int64_t rank_of(const mesh_shape& shape,
                                             const mesh_coordinates& at,
                                             const mesh_order& order = {}) {
    std::int64_t rank = 0;
    for (const mesh_dimension dimension : order.outermost_first) {
        if (at[dimension] < 0 || at[dimension] >= shape[dimension]) {
            detail::throw_invalid_argument(to_string(dimension), " coordinate is ",
                                           at[dimension], ", expected 0 to ",
                                           shape[dimension] - 1);
        }
        rank = rank * shape[dimension] + at[dimension];
    }
    return rank;
}

/// The ranks that differ from `rank` only in the given dimensions, itself included,
/// ascending. No dimensions: the rank alone. O(group).
/// @throws invalid_argument for a rank outside the mesh
[[nodiscard]] constexpr std::vector<std::int64_t> group_of(
    const mesh_shape& shape, std::int64_t rank,
    std::span<const mesh_dimension> dimensions, const mesh_order& order = {}) {
    mesh_coordinates first = coordinates_of(shape, rank, order);
    for (const mesh_dimension dimension : dimensions) {
        *detail::member_of(first, dimension) = 0;
    }
    std::vector<std::int64_t> group(1, rank_of(shape, first, order));
    // From the innermost dimension out, copies of what is there: ranks stay ascending.
    for (std::size_t i = order.outermost_first.size(); i-- > 0;) {
        const mesh_dimension dimension = order.outermost_first[i];
        if (std::find(dimensions.begin(), dimensions.end(), dimension) ==
            dimensions.end()) {
            continue;
        }
        const std::int64_t stride = stride_of(shape, dimension, order);
        const std::size_t inner = group.size();
        for (std::int64_t step = 1; step < shape[dimension]; ++step) {
            for (std::size_t k = 0; k < inner; ++k)
                group.push_back(group[k] + step * stride);
        }
    }
    return group;
}

[[nodiscard]] constexpr std::vector<std::int64_t> group_of(
    const mesh_shape& shape, std::int64_t rank,
    std::initializer_list<mesh_dimension> dimensions, const mesh_order& order = {}) {
    return group_of(
        shape, rank,
        std::span<const mesh_dimension>(dimensions.begin(), dimensions.size()), order);
}

/// All groups of the given dimensions, by their first rank: each rank is in exactly one.
/// O(world size).
[[nodiscard]] constexpr std::vector<std::vector<std::int64_t>> all_groups(
    const mesh_shape& shape, std::span<const mesh_dimension> dimensions,
    const mesh_order& order = {}) {
    std::vector<std::vector<std::int64_t>> groups;
    for (std::int64_t rank = 0; rank < shape.world_size(); ++rank) {
        const mesh_coordinates at = coordinates_of(shape, rank, order);
        const bool first =
            std::all_of(dimensions.begin(), dimensions.end(),
                        [&at](mesh_dimension dimension) { return at[dimension] == 0; });
        if (first) groups.push_back(group_of(shape, rank, dimensions, order));
    }
    return groups;
}

[[nodiscard]] constexpr std::vector<std::vector<std::int64_t>> all_groups(
    const mesh_shape& shape, std::initializer_list<mesh_dimension> dimensions,
    const mesh_order& order = {}) {
    return all_groups(
        shape, std::span<const mesh_dimension>(dimensions.begin(), dimensions.size()),
        order);
}

}  // namespace packkit
