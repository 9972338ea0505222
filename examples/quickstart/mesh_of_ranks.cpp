// SPDX-License-Identifier: Apache-2.0
/// \file
/// Lays 16 ranks out as 2 replicas × 4 shards × 2-way tensor parallel, and asks who works
/// with whom.

#include <packkit/mesh.hpp>

#include <iostream>

int main() {
    using packkit::mesh_dimension;
    const auto mesh =
        packkit::resolve_mesh(16, {.dp_shard = 4, .tp = 2, .fully_sharded = true});
    std::cout << to_string(mesh) << "\n";

    const auto print = [](const char* name, const auto& ranks) {
        std::cout << name << ":";
        for (const auto rank : ranks)
            std::cout << " " << rank;
        std::cout << "\n";
    };
    const auto shard = packkit::group_of(mesh, 5, {mesh_dimension::dp_shard});
    print("rank 5 shares tensor slices with",
          packkit::group_of(mesh, 5, {mesh_dimension::tp}));
    print("rank 5 shards its parameters over", shard);
    print("rank 5 has its replica in",
          packkit::group_of(mesh, 5, {mesh_dimension::dp_replicate}));
    return mesh.dp_replicate == 2 && shard.size() == 4 ? 0 : 1;
}
