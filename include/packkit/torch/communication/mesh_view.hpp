// SPDX-License-Identifier: Apache-2.0
/// @file
/// The groups of ranks that one rank works with.
#pragma once

#include <packkit/mesh/mesh_shape.hpp>
#include <packkit/torch/communication/communicator.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace packkit::lt {

/// One rank's groups in a mesh, borrowed: they outlive everything that is given a view. A
/// null group stands for the rank alone; whatever holds parameters needs `shard` and
/// `replicate`.
struct mesh_view {
    communicator* world = nullptr;      ///< all ranks
    communicator* shard = nullptr;      ///< dp_shard x cp: ranks that split parameters
    communicator* replicate = nullptr;  ///< dp_replicate: ranks that repeat them
    communicator* cp = nullptr;         ///< ranks that split rows
    communicator* tp = nullptr;         ///< ranks that split weight matrices

    /// The view of a job of one rank.
    [[nodiscard]] static mesh_view alone(single_communicator& rank) {
        return {&rank, &rank, &rank, &rank, &rank};
    }

    /// The mesh that these groups form.
    [[nodiscard]] mesh_shape shape() const {
        const auto size = [](const communicator* group) -> std::int64_t {
            return group == nullptr ? 1 : group->size();
        };
        return {size(replicate), size(shard) / size(cp), size(cp), size(tp)};
    }

    /// Sum over all groups of what this rank has sent since the last reset.
    [[nodiscard]] traffic sent() const {
        traffic sum;
        for (const auto* group : all()) {
            if (group != nullptr) sum += group->sent();
        }
        return sum;
    }
    void reset_traffic() const {
        for (auto* group : all()) {
            if (group != nullptr) group->reset_traffic();
        }
    }

private:
    [[nodiscard]] std::array<communicator*, 5> all() const {
        return {world, shard, replicate, cp, tp};
    }
};

/// A view together with the groups that it shows.
struct mesh_groups : mesh_view {
    std::vector<std::unique_ptr<communicator>> owned;
};

/// Makes the groups of `rank` in `mesh`. `make_group(name, members)` makes one group of
/// the given global ranks; every rank calls it for the same names in the same order.
template <class MakeGroup>
[[nodiscard]] mesh_groups make_mesh_groups(const mesh_shape& mesh, std::int64_t rank,
                                           MakeGroup make_group) {
    using enum mesh_dimension;
    mesh_groups groups;
    const auto make = [&](const char* name, auto... dimensions) {
        return groups.owned
            .emplace_back(make_group(name, group_of(mesh, rank, {dimensions...})))
            .get();
    };
    groups.world = make("world", dp_replicate, dp_shard, cp, tp);
    groups.shard = make("shard", dp_shard, cp);
    groups.replicate = make("replicate", dp_replicate);
    groups.cp = make("cp", cp);
    groups.tp = make("tp", tp);
    return groups;
}

}  // namespace packkit::lt
