// SPDX-License-Identifier: Apache-2.0
/// @file
/// The plan of N samples: making it from lengths and from bins, and reading its steps.

#include <packkit/packing/pack.hpp>
#include <packkit/sampling/distributed_plan.hpp>
#include <packkit/sampling/plan_reader.hpp>
#include <packkit/utility/random.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace {

constexpr std::int64_t capacity = 4096;
constexpr packkit::distributed_plan_options options = {.global_batch = 256, .seed = 1};
constexpr packkit::attention_cost cost = {100, 1};

/// Log-normal lengths with median 300.
std::vector<std::int32_t> some_lengths(std::int64_t n) {
    std::vector<std::int32_t> lengths(static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        const double length = std::round(300 * std::exp(packkit::normal(1, i)));
        lengths[i] = static_cast<std::int32_t>(std::clamp(length, 1.0, 4096.0));
    }
    return lengths;
}

void plan_of_lengths(benchmark::State& state) {
    const auto lengths = some_lengths(state.range(0));
    for (auto _ : state) {
        benchmark::DoNotOptimize(
            packkit::make_distributed_plan(lengths, capacity, options, cost));
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}

void plan_of_bins(benchmark::State& state) {
    const auto lengths = some_lengths(state.range(0));
    const auto bins = packkit::pack(lengths, capacity, packkit::next_fit{});
    for (auto _ : state)
        benchmark::DoNotOptimize(
            packkit::make_distributed_plan(lengths, bins, options, cost));
    state.SetItemsProcessed(state.iterations() * state.range(0));
}

void samples_of_step(benchmark::State& state) {
    const auto lengths = some_lengths(state.range(0));
    const auto plan = packkit::make_distributed_plan(lengths, capacity, options, cost);
    packkit::plan_reader reader(plan, 64);
    std::size_t step = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(reader.samples_of_step({0, step}));
        step = (step + 1) % plan.steps_per_epoch();
    }
    state.SetItemsProcessed(state.iterations() * 256);
}

}  // namespace

BENCHMARK(plan_of_lengths)->RangeMultiplier(10)->Range(10'000, 1'000'000);
BENCHMARK(plan_of_bins)->RangeMultiplier(10)->Range(10'000, 1'000'000);
BENCHMARK(samples_of_step)->RangeMultiplier(10)->Range(10'000, 1'000'000);
BENCHMARK_MAIN();
