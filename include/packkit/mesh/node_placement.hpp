// SPDX-License-Identifier: Apache-2.0
/// @file
/// How the groups of a mesh lie over nodes, ranks being numbered node after node: which
/// collectives stay inside a node and which cross the network.
#pragma once

#include <packkit/error.hpp>
#include <packkit/mesh/mesh_shape.hpp>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <span>

namespace packkit {

/// Whether ranks, numbered node after node, all lie in one node.
/// @throws invalid_argument unless a node has at least one rank
[[nodiscard]] constexpr bool inside_node(std::span<const std::int64_t> ranks,
                                         std::int64_t ranks_per_node) {
    if (ranks_per_node < 1) {
        detail::throw_invalid_argument("ranks_per_node is ", ranks_per_node,
                                       ", it must be positive");
    }
    for (const std::int64_t rank : ranks) {
        if (rank / ranks_per_node != ranks.front() / ranks_per_node) return false;
    }
    return true;
}

/// How the groups of one or more dimensions lie over nodes: of all groups, the worst.
struct group_placement {
    std::int64_t ranks = 1;           ///< of a group
    std::int64_t ranks_per_node = 1;  ///< most members of one group on one node
    std::int64_t nodes = 1;           ///< most nodes that one group touches

    [[nodiscard]] constexpr bool inside_node() const { return nodes == 1; }

    friend constexpr bool operator==(const group_placement&,
                                     const group_placement&) = default;
};

namespace detail {

/// Ranks first, first + stride, ...: the placement if every group looks alike, else one
/// with 0 ranks.
[[nodiscard]] constexpr group_placement aligned_placement(std::int64_t ranks,
                                                          std::int64_t stride,
                                                          std::int64_t ranks_per_node) {
    if (ranks == 1) return {1, 1, 1};
    if (stride % ranks_per_node == 0) return {ranks, 1, ranks};
    if (ranks_per_node % stride != 0) return {0, 0, 0};
    const std::int64_t extent = ranks * stride;
    if (ranks_per_node % extent == 0) return {ranks, ranks, 1};
    const std::int64_t here = ranks_per_node / stride;
    if (extent % ranks_per_node == 0) return {ranks, here, ranks / here};
    return {0, 0, 0};
}

}  // namespace detail

/// The placement of the groups of `dimensions` on nodes of `ranks_per_node`. Constant
/// time where the dimensions are neighbours in the order and sizes and nodes divide each
/// other, else O(world size).
/// @throws invalid_argument unless a node has at least one rank
[[nodiscard]] constexpr group_placement placement_of(
    const mesh_shape& shape, std::span<const mesh_dimension> dimensions,
    std::int64_t ranks_per_node, const mesh_order& order = {}) {
    if (ranks_per_node < 1) {
        detail::throw_invalid_argument("ranks_per_node is ", ranks_per_node,
                                       ", it must be positive");
    }
    // One arithmetic progression, if only dimensions of size 1 lie between.
    std::int64_t ranks = 1;
    std::int64_t stride = 0;
    std::int64_t rank = 1;
    bool progression = true;
    for (std::size_t i = order.outermost_first.size(); i-- > 0;) {
        const mesh_dimension dimension = order.outermost_first[i];
        if (shape[dimension] == 1) continue;
        if (std::find(dimensions.begin(), dimensions.end(), dimension) !=
            dimensions.end()) {
            if (stride == 0) stride = rank;
            progression = progression && rank == stride * ranks;
            ranks *= shape[dimension];
        }
        rank *= shape[dimension];
    }
    if (progression) {
        const group_placement placement =
            detail::aligned_placement(ranks, stride, ranks_per_node);
        if (placement.ranks > 0) return placement;
    }
    group_placement worst{ranks, 1, 1};
    for (const auto& group : all_groups(shape, dimensions, order)) {
        // Ascending, so the members on one node are neighbours.
        std::int64_t nodes = 0;
        std::int64_t here = 0;
        for (std::size_t k = 0; k < group.size(); ++k) {
            const bool same =
                k > 0 && group[k] / ranks_per_node == group[k - 1] / ranks_per_node;
            here = same ? here + 1 : 1;
            nodes += same ? 0 : 1;
            worst.ranks_per_node = std::max(worst.ranks_per_node, here);
        }
        worst.nodes = std::max(worst.nodes, nodes);
    }
    return worst;
}

[[nodiscard]] constexpr group_placement placement_of(
    const mesh_shape& shape, std::initializer_list<mesh_dimension> dimensions,
    std::int64_t ranks_per_node, const mesh_order& order = {}) {
    return placement_of(
        shape, std::span<const mesh_dimension>(dimensions.begin(), dimensions.size()),
        ranks_per_node, order);
}

}  // namespace packkit
