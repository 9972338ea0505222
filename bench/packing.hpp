// SPDX-License-Identifier: Apache-2.0
/// @file
/// What the packing benchmarks share: sets of lengths made once, counters, and
/// registration over shapes, capacities and numbers of samples.
#pragma once

#include "lengths.hpp"

#include <packkit/packing/efficiency.hpp>
#include <packkit/packkit.hpp>

#include <benchmark/benchmark.h>

#include <cstdint>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace bench {

/// A set of lengths, and what is known of it.
struct sample_set {
    lengths values;
    std::int64_t tokens = 0;
    std::size_t lower_bound = 0;
};

/// Made at first use and kept.
inline const sample_set& samples(const shape& from, std::size_t count,
                                 std::int64_t capacity) {
    static std::map<std::tuple<std::string_view, std::size_t, std::int64_t>, sample_set>
        made;
    auto& set = made[{from.name, count, capacity}];
    if (set.values.empty()) {
        set.values = from.make(count, capacity, seed);
        set.tokens =
            std::accumulate(set.values.begin(), set.values.end(), std::int64_t{0});
        set.lower_bound = packkit::best_lower_bound(set.values, capacity);
    }
    return set;
}

/// Packs `lengths` and says into how many bins. What it returns is made and destroyed
/// inside the timed loop.
using pack_function =
    std::function<std::size_t(const lengths& lengths, std::int64_t capacity)>;

/// Time a sample and samples a second, efficiency, gap to the lower bound in per cent.
inline void run_packing(benchmark::State& state, const pack_function& pack,
                        const shape& from, std::int64_t capacity) {
    const auto& set = samples(from, static_cast<std::size_t>(state.range(0)), capacity);
    std::size_t bins = 0;
    for (auto _ : state) {
        bins = pack(set.values, capacity);
        benchmark::ClobberMemory();
    }
    state.SetComplexityN(state.range(0));
    state.SetItemsProcessed(state.iterations() * state.range(0));
    state.counters["efficiency"] =
        packkit::packing_efficiency(set.tokens, bins, capacity);
    state.counters["gap_percent"] =
        100.0 * (static_cast<double>(bins) / static_cast<double>(set.lower_bound) - 1.0);
    state.counters["per_sample"] = benchmark::Counter(
        static_cast<double>(state.range(0)),
        benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

/// Registers NAME/SHAPE/CAPACITY/N: every shape at a capacity of 4096 for 10^3 samples up
/// to `most`, with a complexity fit; log-normal and uniform lengths at the other
/// capacities for 10^5.
inline void register_packing(const std::string& name, const pack_function& pack,
                             std::int64_t most = 10'000'000) {
    const auto add = [&](const shape& from, std::int64_t capacity) {
        return benchmark::RegisterBenchmark(
                   (name + "/" + std::string(from.name) + "/" + std::to_string(capacity))
                       .c_str(),
                   [pack, from, capacity](benchmark::State& state) {
                       run_packing(state, pack, from, capacity);
                   })
            ->Unit(benchmark::kMillisecond);
    };
    for (const shape& from : shapes)
        add(from, 4096)->RangeMultiplier(10)->Range(1000, most)->Complexity();
    for (const std::int64_t capacity : {2048, 32768, 131072}) {
        for (const shape& from : {shapes[0], shapes[2]})
            add(from, capacity)->Arg(100'000);
    }
}

/// `pack` with a policy, the result in memory of its own.
template <class Policy>
void register_policy(std::int64_t most = 10'000'000, Policy policy = {}) {
    register_packing(
        std::string(Policy::name),
        [policy](const lengths& values, std::int64_t capacity) {
            const auto packed = packkit::pack(values, capacity, policy);
            benchmark::DoNotOptimize(packed.items().data());
            return packed.size();
        },
        most);
}

/// The `main` of a benchmark program, after registration.
inline int run(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}

}  // namespace bench
