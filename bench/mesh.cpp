// SPDX-License-Identifier: Apache-2.0
/// @file
/// Ranks, coordinates and groups of meshes of N ranks.

#include <packkit/mesh.hpp>

#include <benchmark/benchmark.h>

#include <cstdint>

namespace {

constexpr packkit::mesh_shape shape_of(std::int64_t ranks) {
    return {.dp_replicate = ranks / 32, .dp_shard = 4, .cp = 2, .tp = 4};
}

void rank_to_coordinates_and_back(benchmark::State& state) {
    const auto shape = shape_of(state.range(0));
    for (auto _ : state) {
        std::int64_t sum = 0;
        for (std::int64_t rank = 0; rank < shape.world_size(); ++rank)
            sum += packkit::rank_of(shape, packkit::coordinates_of(shape, rank));
        benchmark::DoNotOptimize(sum);
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}

void shard_groups(benchmark::State& state) {
    const auto shape = shape_of(state.range(0));
    for (auto _ : state) {
        benchmark::DoNotOptimize(packkit::all_groups(
            shape, {packkit::mesh_dimension::dp_shard, packkit::mesh_dimension::cp}));
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}

void factorizations(benchmark::State& state) {
    for (auto _ : state)
        benchmark::DoNotOptimize(packkit::factorizations(state.range(0)));
}

}  // namespace

BENCHMARK(rank_to_coordinates_and_back)->RangeMultiplier(8)->Range(64, 32768);
BENCHMARK(shard_groups)->RangeMultiplier(8)->Range(64, 32768);
BENCHMARK(factorizations)->RangeMultiplier(8)->Range(64, 32768);
BENCHMARK_MAIN();
