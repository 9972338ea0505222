// SPDX-License-Identifier: Apache-2.0
/// @file
/// Dealing N bins to ranks: the start of an epoch, and the bins of a step.

#include <packkit/sampler.hpp>

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>

namespace {

constexpr packkit::sampler_options options = {.ranks = 64, .micro_steps = 4, .seed = 1};

void set_epoch(benchmark::State& state) {
    packkit::batch_sampler sampler(static_cast<std::size_t>(state.range(0)), options);
    std::uint64_t epoch = 0;
    for (auto _ : state) {
        sampler.set_epoch(++epoch);
        benchmark::ClobberMemory();
    }
    state.SetComplexityN(state.range(0));
    state.SetItemsProcessed(state.iterations() * state.range(0));
}

void bins_of_step(benchmark::State& state) {
    const packkit::batch_sampler sampler(static_cast<std::size_t>(state.range(0)),
                                         options);
    std::size_t step = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(sampler.bins_of_step(step));
        step = (step + 1) % sampler.steps_per_epoch();
    }
    state.SetItemsProcessed(state.iterations() *
                            static_cast<std::int64_t>(sampler.slots_per_step()));
}

}  // namespace

BENCHMARK(set_epoch)->RangeMultiplier(10)->Range(1000, 10'000'000)->Complexity();
BENCHMARK(bins_of_step)->RangeMultiplier(10)->Range(1000, 10'000'000);
BENCHMARK_MAIN();
