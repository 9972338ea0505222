// SPDX-License-Identifier: Apache-2.0
#include <packkit/mesh.hpp>
#include <packkit/utility/batch_size.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include <rapidcheck/boost_test.h>

BOOST_AUTO_TEST_SUITE(mesh_properties)

namespace {

using packkit::mesh_dimension;
using packkit::mesh_shape;

mesh_shape any_shape() {
    const auto size = rc::gen::inRange<std::int64_t>(1, 6);
    return {*size, *size, *size, *size};
}

std::vector<mesh_dimension> any_dimensions() {
    std::vector<mesh_dimension> chosen;
    for (const auto dimension : {mesh_dimension::dp_replicate, mesh_dimension::dp_shard,
                                 mesh_dimension::cp, mesh_dimension::tp}) {
        if (*rc::gen::arbitrary<bool>()) chosen.push_back(dimension);
    }
    return chosen;
}

packkit::mesh_order any_order() {
    packkit::mesh_order order;
    const int permutation = *rc::gen::inRange(0, 24);
    for (int i = 0; i < permutation; ++i) {
        std::next_permutation(order.outermost_first.begin(), order.outermost_first.end());
    }
    return order;
}

}  // namespace

RC_BOOST_PROP(every_order_is_a_bijection, ()) {
    const mesh_shape shape = any_shape();
    const auto order = any_order();
    std::vector<packkit::mesh_coordinates> seen;
    for (std::int64_t rank = 0; rank < shape.world_size(); ++rank) {
        const auto at = coordinates_of(shape, rank, order);
        RC_ASSERT(rank_of(shape, at, order) == rank);
        std::int64_t sum = 0;
        for (const auto dimension : order.outermost_first) {
            sum += at[dimension] * stride_of(shape, dimension, order);
        }
        RC_ASSERT(sum == rank);
        seen.push_back(at);
    }
    std::sort(seen.begin(), seen.end());
    RC_ASSERT(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
}

RC_BOOST_PROP(placement_is_that_of_the_worst_group, ()) {
    const mesh_shape shape = any_shape();
    const auto order = any_order();
    const auto dimensions = any_dimensions();
    const auto per_node = *rc::gen::inRange<std::int64_t>(1, 17);
    packkit::group_placement wanted{1, 1, 1};
    for (const auto dimension : dimensions)
        wanted.ranks *= shape[dimension];
    for (const auto& group : packkit::all_groups(shape, dimensions, order)) {
        std::map<std::int64_t, std::int64_t> on_node;
        for (const auto rank : group)
            ++on_node[rank / per_node];
        wanted.nodes = std::max(wanted.nodes, static_cast<std::int64_t>(on_node.size()));
        for (const auto& [node, count] : on_node)
            wanted.ranks_per_node = std::max(wanted.ranks_per_node, count);
    }
    RC_ASSERT((packkit::placement_of(shape, dimensions, per_node, order) == wanted));
}

RC_BOOST_PROP(ranks_and_coordinates_are_a_bijection, ()) {
    const mesh_shape shape = any_shape();
    std::vector<packkit::mesh_coordinates> seen;
    for (std::int64_t rank = 0; rank < shape.world_size(); ++rank) {
        seen.push_back(coordinates_of(shape, rank));
        RC_ASSERT(rank_of(shape, seen.back()) == rank);
    }
    // In rank order coordinates ascend lexicographically, so no two are equal.
    RC_ASSERT(std::is_sorted(seen.begin(), seen.end()));
    RC_ASSERT(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
}

RC_BOOST_PROP(groups_partition_the_world, ()) {
    const mesh_shape shape = any_shape();
    const auto dimensions = any_dimensions();
    std::size_t group_size = 1;
    for (const auto dimension : dimensions) {
        group_size *= static_cast<std::size_t>(shape[dimension]);
    }
    std::vector<int> seen(static_cast<std::size_t>(shape.world_size()), 0);
    const auto order = any_order();
    for (const auto& group : packkit::all_groups(shape, dimensions, order)) {
        RC_ASSERT(group.size() == group_size);
        RC_ASSERT(std::is_sorted(group.begin(), group.end()));
        for (const std::int64_t rank : group) {
            ++seen[static_cast<std::size_t>(rank)];
            RC_ASSERT(packkit::group_of(shape, rank, dimensions, order) == group);
        }
    }
    RC_ASSERT(std::all_of(seen.begin(), seen.end(), [](int n) { return n == 1; }));
}

RC_BOOST_PROP(a_group_varies_over_its_dimensions_only, ()) {
    const mesh_shape shape = any_shape();
    const auto dimensions = any_dimensions();
    const auto rank = *rc::gen::inRange<std::int64_t>(0, shape.world_size());
    const auto mine = coordinates_of(shape, rank);
    const auto group = packkit::group_of(shape, rank, dimensions);
    for (std::int64_t other = 0; other < shape.world_size(); ++other) {
        bool same = true;
        for (const auto dimension :
             {mesh_dimension::dp_replicate, mesh_dimension::dp_shard, mesh_dimension::cp,
              mesh_dimension::tp}) {
            const bool varies = std::find(dimensions.begin(), dimensions.end(),
                                          dimension) != dimensions.end();
            same = same &&
                   (varies || coordinates_of(shape, other)[dimension] == mine[dimension]);
        }
        RC_ASSERT(same == std::binary_search(group.begin(), group.end(), other));
    }
}

RC_BOOST_PROP(a_resolved_mesh_fills_the_world_and_keeps_what_was_set, ()) {
    const auto world = *rc::gen::inRange<std::int64_t>(1, 65);
    const auto maybe = rc::gen::map(rc::gen::inRange<std::int64_t>(-1, 9), [](auto size) {
        return size < 1 ? std::optional<std::int64_t>() : std::optional(size);
    });
    packkit::mesh_request request;
    request.tp = *maybe;
    request.cp = *maybe;
    request.dp_shard = *maybe;
    request.dp_replicate = *maybe;
    request.fully_sharded = *rc::gen::arbitrary<bool>();
    mesh_shape shape;
    bool over_cp = false;
    try {
        const auto resolution = packkit::resolve_mesh_noted(world, request);
        shape = resolution.shape;
        over_cp = resolution.note == packkit::mesh_note::dp_shard_taken_by_cp;
    } catch (const packkit::invalid_argument&) {
        RC_TAG("rejected");
        // Rightly: no shape of the world has all that was set, or nothing may be filled.
        const bool may_fill =
            !request.dp_replicate || (!request.dp_shard && request.fully_sharded);
        for (const mesh_shape& other : packkit::factorizations(world)) {
            const bool keeps =
                other.tp == request.tp.value_or(1) &&
                other.cp == request.cp.value_or(1) &&
                other.dp_shard == request.dp_shard.value_or(other.dp_shard) &&
                other.dp_replicate == request.dp_replicate.value_or(other.dp_replicate);
            const bool exact = other.dp_shard == request.dp_shard.value_or(1) &&
                               other.dp_replicate == request.dp_replicate.value_or(1);
            RC_ASSERT(!keeps || !(may_fill || exact));
        }
        return;
    }
    RC_TAG("accepted");
    RC_ASSERT(shape.world_size() == world);
    RC_ASSERT(shape.tp == request.tp.value_or(1));
    RC_ASSERT(shape.cp == request.cp.value_or(1));
    RC_ASSERT(shape.dp_replicate == request.dp_replicate.value_or(shape.dp_replicate));
    if (over_cp) {
        RC_ASSERT(shape.effective_shard_size() == *request.dp_shard);
    } else {
        RC_ASSERT(shape.dp_shard == request.dp_shard.value_or(shape.dp_shard));
    }
    if (!request.fully_sharded && !request.dp_shard) RC_ASSERT(shape.dp_shard == 1);
}

RC_BOOST_PROP(accumulation_inverts_the_global_batch, ()) {
    const auto size = rc::gen::inRange<std::int64_t>(1, 100);
    const packkit::batch_size batch{*size, *size, *size};
    RC_ASSERT(packkit::accumulation_for(batch.global(), batch.micro_batch_size,
                                        batch.data_parallel_size) ==
              batch.gradient_accumulation_steps);
    RC_ASSERT(packkit::resolve_batch_size(
                  batch.micro_batch_size, std::nullopt,
                  batch.micro_batch_size * batch.gradient_accumulation_steps,
                  batch.data_parallel_size) == batch);
    const auto samples = *rc::gen::inRange<std::int64_t>(0, 100'000);
    const auto down = packkit::steps_per_epoch(samples, batch.global(), true);
    const auto up = packkit::steps_per_epoch(samples, batch.global(), false);
    RC_ASSERT(down * batch.global() <= samples);
    RC_ASSERT(samples <= up * batch.global());
    RC_ASSERT(up - down == (samples % batch.global() != 0 ? 1 : 0));
}

BOOST_AUTO_TEST_SUITE_END()
