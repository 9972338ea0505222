// SPDX-License-Identifier: Apache-2.0
/// @file
/// The device mesh dp_replicate x dp_shard x cp x tp: sizes from a request, rank <->
/// coordinates, groups of ranks. All of it usable in constant expressions.
#pragma once

#include <packkit/error.hpp>

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
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

/// Sizes as a user sets them: `dp_replicate_size`, `dp_shard_size`,
/// `context_parallel_size`, `tensor_parallel_size`, and whether FSDP is on.
struct mesh_request {
    std::optional<std::int64_t> dp_replicate{};
    std::optional<std::int64_t> dp_shard{};
    std::optional<std::int64_t> cp{};
    std::optional<std::int64_t> tp{};
    bool fully_sharded = false;
};

/// What `resolve_mesh` decided on its own, for the log.
enum class mesh_note {
    none,                  ///< every size was given, or is 1
    filled_dp_replicate,   ///< dp_replicate was not set and takes the ranks left
    filled_dp_shard,       ///< dp_shard was not set and takes the ranks left
    ddp,                   ///< nothing shards: all data-parallel ranks are replicas
    dp_shard_taken_by_cp,  ///< all ranks are in cp x tp: parameters shard over cp instead
};

/// A mesh, and what was decided to get there.
struct mesh_resolution {
    mesh_shape shape;
    mesh_note note = mesh_note::none;
};

namespace detail {

/// Divisors of n > 0, ascending. O(sqrt n).
[[nodiscard]] constexpr std::vector<std::int64_t> divisors(std::int64_t n) {
    std::vector<std::int64_t> found;
    for (std::int64_t d = 1; d <= n / d; ++d) {
        if (n % d != 0) continue;
        found.push_back(d);
        if (d != n / d) found.push_back(n / d);
    }
    std::sort(found.begin(), found.end());
    return found;
}

/// "1, 2, 4, 8"
[[nodiscard]] inline std::string divisor_list(std::int64_t n) {
    std::string text;
    for (const std::int64_t d : divisors(n)) {
        text += message(text.empty() ? "" : ", ", d);
    }
    return text;
}

/// "world size 8, tp 2, cp 2, dp_shard 4, dp_replicate not set"
[[nodiscard]] inline std::string describe(std::int64_t world_size,
                                          const mesh_request& request) {
    std::string text = message("world size ", world_size);
    const auto add = [&text](std::string_view name, std::optional<std::int64_t> size) {
        text += message(", ", name, " ");
        text += size ? message(*size) : std::string("not set");
    };
    add("tp", request.tp);
    add("cp", request.cp);
    add("dp_shard", request.dp_shard);
    add("dp_replicate", request.dp_replicate);
    return text;
}

/// Takes a dimension out of the ranks that are left, or throws.
constexpr std::int64_t take(std::int64_t left, std::string_view name, std::int64_t size,
                            std::int64_t world_size, const mesh_request& request) {
    if (left % size != 0) {
        throw_invalid_argument(name, " ", size, " does not divide the ", left,
                               left == 1 ? " rank" : " ranks",
                               left == world_size ? " (" : " left to it (",
                               describe(world_size, request), "); ", name,
                               " can be one of ", divisor_list(left));
    }
    return left / size;
}

[[noreturn]] inline void throw_unfilled(std::int64_t left, std::int64_t world_size,
                                        const mesh_request& request) {
    const std::int64_t replicate = *request.dp_replicate;
    std::string text = message(
        "the configured parallelisms are incompatible with the world size: ",
        describe(world_size, request), " leave a factor of ", left, " unused; set ");
    text += request.dp_shard ? message("dp_shard to ", *request.dp_shard * left)
                             : message("dp_shard to ", left);
    text += message(" or dp_replicate to ", replicate * left);
    if (!request.dp_shard && !request.fully_sharded) text += ", or turn FSDP on";
    throw invalid_argument(text);
}

}  // namespace detail

/// The mesh for a request, and what was decided on the way.
///
/// tp and cp default to 1. What is not set of dp_shard and dp_replicate takes the ranks
/// left: dp_shard if the model is fully sharded and neither is set, or only dp_replicate
/// is; dp_replicate if dp_shard is set, or if nothing shards (plain DDP). If cp x tp
/// takes all ranks and a fully sharded request has dp_shard = cp, parameters shard over
/// cp: the shape has dp_shard 1 and the effective shard size asked for.
///
/// @throws invalid_argument for a size below 1, a size that does not divide the ranks
///   left to it (tp first, then cp, dp_shard, dp_replicate), or a product below the world
///   size; the message holds all sizes and those that would work
[[nodiscard]] constexpr mesh_resolution resolve_mesh_noted(std::int64_t world_size,
                                                           const mesh_request& request) {
    if (world_size < 1) {
        detail::throw_invalid_argument("world size is ", world_size,
                                       ", it must be positive");
    }
    const auto check = [](std::string_view name, std::optional<std::int64_t> size) {
        if (size && *size < 1) {
            detail::throw_invalid_argument(name, " is ", *size,
                                           ", it must be at least 1");
        }
    };
    check("tp", request.tp);
    check("cp", request.cp);
    check("dp_shard", request.dp_shard);
    check("dp_replicate", request.dp_replicate);

    mesh_shape shape;
    shape.tp = request.tp.value_or(1);
    shape.cp = request.cp.value_or(1);
    std::int64_t left = detail::take(world_size, "tp", shape.tp, world_size, request);
    left = detail::take(left, "cp", shape.cp, world_size, request);

    if (left == 1 && request.fully_sharded && shape.cp > 1 &&
        request.dp_shard == shape.cp && request.dp_replicate.value_or(1) == 1) {
        return {shape, mesh_note::dp_shard_taken_by_cp};
    }
    if (request.dp_shard) {
        shape.dp_shard = *request.dp_shard;
        left = detail::take(left, "dp_shard", shape.dp_shard, world_size, request);
    }
    if (request.dp_replicate) {
        shape.dp_replicate = *request.dp_replicate;
        left =
            detail::take(left, "dp_replicate", shape.dp_replicate, world_size, request);
    }
    if (left == 1) return {shape, mesh_note::none};
    if (!request.dp_shard && request.fully_sharded) {
        shape.dp_shard = left;
        return {shape, mesh_note::filled_dp_shard};
    }
    if (!request.dp_replicate) {
        shape.dp_replicate = left;
        const bool shards = shape.dp_shard > 1 || (request.fully_sharded && shape.cp > 1);
        return {shape, shards ? mesh_note::filled_dp_replicate : mesh_note::ddp};
    }
    detail::throw_unfilled(left, world_size, request);
}

/// The mesh for a request. @throws invalid_argument as `resolve_mesh_noted`
[[nodiscard]] constexpr mesh_shape resolve_mesh(std::int64_t world_size,
                                                const mesh_request& request) {
    return resolve_mesh_noted(world_size, request).shape;
}

/// A sentence for the log, or nothing where nothing was decided.
[[nodiscard]] inline std::string to_string(const mesh_resolution& resolution) {
    const mesh_shape& shape = resolution.shape;
    switch (resolution.note) {
        case mesh_note::none:
            return {};
        case mesh_note::filled_dp_replicate:
            return detail::message("dp_replicate was not set: ", shape.dp_replicate,
                                   " replicas of ", shape.dp_shard,
                                   " shards fill the ranks left");
        case mesh_note::filled_dp_shard:
            return detail::message("dp_shard was not set: FSDP shards over the ",
                                   shape.dp_shard, " ranks left");
        case mesh_note::ddp:
            return detail::message("nothing shards parameters: DDP over ",
                                   shape.dp_replicate, " replicas");
        case mesh_note::dp_shard_taken_by_cp:
            return detail::message(
                "cp takes all data-parallel ranks: FSDP shards over dp_shard ",
                "x cp, effective shard size ", shape.effective_shard_size());
    }
    return {};
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

/// Coordinates of a rank: tp changes fastest, dp_replicate slowest.
/// @throws invalid_argument for a rank outside the mesh
[[nodiscard]] constexpr mesh_coordinates coordinates_of(const mesh_shape& shape,
                                                        std::int64_t rank) {
    detail::check_rank(shape, rank);
    mesh_coordinates at;
    at.tp = rank % shape.tp;
    rank /= shape.tp;
    at.cp = rank % shape.cp;
    rank /= shape.cp;
    at.dp_shard = rank % shape.dp_shard;
    at.dp_replicate = rank / shape.dp_shard;
    return at;
}

/// The rank at these coordinates: the inverse of `coordinates_of`.
/// @throws invalid_argument for coordinates outside the mesh
[[nodiscard]] constexpr std::int64_t rank_of(const mesh_shape& shape,
                                             const mesh_coordinates& at) {
    const auto check = [](std::string_view name, std::int64_t coordinate,
                          std::int64_t size) {
        if (coordinate < 0 || coordinate >= size) {
            detail::throw_invalid_argument(name, " coordinate is ", coordinate,
                                           ", expected 0 to ", size - 1);
        }
    };
    check("dp_replicate", at.dp_replicate, shape.dp_replicate);
    check("dp_shard", at.dp_shard, shape.dp_shard);
    check("cp", at.cp, shape.cp);
    check("tp", at.tp, shape.tp);
    return ((at.dp_replicate * shape.dp_shard + at.dp_shard) * shape.cp + at.cp) *
               shape.tp +
           at.tp;
}

/// The ranks that differ from `rank` only in the given dimensions, itself included,
/// ascending. No dimensions: the rank alone. O(group).
/// @throws invalid_argument for a rank outside the mesh
[[nodiscard]] constexpr std::vector<std::int64_t> group_of(
    const mesh_shape& shape, std::int64_t rank,
    std::span<const mesh_dimension> dimensions) {
    const mesh_coordinates at = coordinates_of(shape, rank);
    struct interval {
        std::int64_t first, last;
    };
    const auto range = [&](mesh_dimension dimension) {
        const bool varies = std::find(dimensions.begin(), dimensions.end(), dimension) !=
                            dimensions.end();
        return varies ? interval{0, shape[dimension] - 1}
                      : interval{at[dimension], at[dimension]};
    };
    const interval replicas = range(mesh_dimension::dp_replicate);
    const interval shards = range(mesh_dimension::dp_shard);
    const interval slices = range(mesh_dimension::cp);
    const interval parts = range(mesh_dimension::tp);
    std::vector<std::int64_t> group;
    mesh_coordinates member;
    // Outermost dimension outermost, so ranks come in ascending order.
    for (member.dp_replicate = replicas.first; member.dp_replicate <= replicas.last;
         ++member.dp_replicate) {
        for (member.dp_shard = shards.first; member.dp_shard <= shards.last;
             ++member.dp_shard) {
            for (member.cp = slices.first; member.cp <= slices.last; ++member.cp) {
                for (member.tp = parts.first; member.tp <= parts.last; ++member.tp) {
                    group.push_back(rank_of(shape, member));
                }
            }
        }
    }
    return group;
}

[[nodiscard]] constexpr std::vector<std::int64_t> group_of(
    const mesh_shape& shape, std::int64_t rank,
    std::initializer_list<mesh_dimension> dimensions) {
    return group_of(
        shape, rank,
        std::span<const mesh_dimension>(dimensions.begin(), dimensions.size()));
}

/// All groups of the given dimensions, by their first rank: each rank is in exactly one.
/// O(world size).
[[nodiscard]] constexpr std::vector<std::vector<std::int64_t>> all_groups(
    const mesh_shape& shape, std::span<const mesh_dimension> dimensions) {
    std::vector<std::vector<std::int64_t>> groups;
    for (std::int64_t rank = 0; rank < shape.world_size(); ++rank) {
        const mesh_coordinates at = coordinates_of(shape, rank);
        const bool first =
            std::all_of(dimensions.begin(), dimensions.end(),
                        [&at](mesh_dimension dimension) { return at[dimension] == 0; });
        if (first) groups.push_back(group_of(shape, rank, dimensions));
    }
    return groups;
}

[[nodiscard]] constexpr std::vector<std::vector<std::int64_t>> all_groups(
    const mesh_shape& shape, std::initializer_list<mesh_dimension> dimensions) {
    return all_groups(
        shape, std::span<const mesh_dimension>(dimensions.begin(), dimensions.size()));
}

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
