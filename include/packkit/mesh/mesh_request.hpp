// SPDX-License-Identifier: Apache-2.0
/// @file
/// From the sizes that a user sets to a mesh: what is missing is filled in, what does not
/// multiply to the ranks is refused with the sizes that would work.
#pragma once

#include <packkit/detail/divisors.hpp>
#include <packkit/error.hpp>
#include <packkit/mesh/mesh_shape.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace packkit {

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

/// Takes tp and cp, and with `data_parallel` also dp_shard and dp_replicate, out of the
/// ranks, as far as they are set. Returns the ranks left.
[[nodiscard]] constexpr std::int64_t take_sizes(std::int64_t world_size,
                                                const mesh_request& request,
                                                bool data_parallel) {
    if (world_size < 1)
        throw_invalid_argument("world size is ", world_size, ", it must be positive");
    using given_size = std::pair<std::string_view, std::optional<std::int64_t>>;
    const std::array<given_size, 4> sizes = {{{"tp", request.tp},
                                              {"cp", request.cp},
                                              {"dp_shard", request.dp_shard},
                                              {"dp_replicate", request.dp_replicate}}};
    for (const auto& [name, size] : sizes) {
        if (size && *size < 1) {
            throw_invalid_argument(name, " is ", *size, ", it must be at least 1");
        }
    }
    std::int64_t left = world_size;
    for (std::size_t i = 0; i < (data_parallel ? 4U : 2U); ++i) {
        const auto& [name, size] = sizes[i];
        if (size) left = take(left, name, *size, world_size, request);
    }
    return left;
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

/// Ranks that the sizes of a request leave to those that are not set.
/// @throws invalid_argument for a size below 1, or one that does not divide the ranks
///   left to it (tp first, then cp, dp_shard, dp_replicate)
[[nodiscard]] constexpr std::int64_t ranks_left(std::int64_t world_size,
                                                const mesh_request& request) {
    return detail::take_sizes(world_size, request, true);
}

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
    mesh_shape shape;
    shape.tp = request.tp.value_or(1);
    shape.cp = request.cp.value_or(1);
    if (detail::take_sizes(world_size, request, false) == 1 && request.fully_sharded &&
        shape.cp > 1 && request.dp_shard == shape.cp &&
        request.dp_replicate.value_or(1) == 1) {
        return {shape, mesh_note::dp_shard_taken_by_cp};
    }
    shape.dp_shard = request.dp_shard.value_or(1);
    shape.dp_replicate = request.dp_replicate.value_or(1);
    const std::int64_t left = ranks_left(world_size, request);
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

}  // namespace packkit
