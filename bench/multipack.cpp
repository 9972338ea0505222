// SPDX-License-Identifier: Apache-2.0
/// \file
/// Packing by algorithm, length distribution and number of samples. Counters: samples a
/// second, nanoseconds a sample, packing efficiency.

#include <packkit/packkit.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr std::int64_t capacity = 4096;

/// Log-normal lengths, median 300, as instruction data tends to have them.
std::vector<std::int32_t> lognormal_lengths(std::size_t count) {
    std::vector<std::int32_t> lengths(count);
    for (std::size_t i = 0; i < count; ++i) {
        const double length = 300.0 * std::exp(packkit::normal(42, i));
        lengths[i] = static_cast<std::int32_t>(std::clamp(length, 1.0, double{capacity}));
    }
    return lengths;
}

/// Every length up to the capacity equally often.
std::vector<std::int32_t> uniform_lengths(std::size_t count) {
    std::vector<std::int32_t> lengths(count);
    for (std::size_t i = 0; i < count; ++i) {
        lengths[i] = static_cast<std::int32_t>(packkit::random_below(capacity, 7, i)) + 1;
    }
    return lengths;
}

template <class Policy>
void pack_lengths(benchmark::State& state,
                  std::vector<std::int32_t> (*lengths_of)(std::size_t)) {
    const auto lengths = lengths_of(static_cast<std::size_t>(state.range(0)));
    const auto tokens = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
    std::size_t bins = 0;
    for (auto _ : state) {
        const auto packed = packkit::pack(lengths, capacity, Policy{});
        benchmark::DoNotOptimize(packed.items().data());
        bins = packed.size();
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
    state.counters["efficiency"] = packkit::packing_efficiency(tokens, bins, capacity);
    state.counters["ns/sample"] = benchmark::Counter(
        static_cast<double>(state.range(0)) * 1e-9,
        benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

template <class Policy>
void register_policy() {
    const auto name = std::string(Policy::name);
    for (const auto& [shape, lengths_of] : {std::pair{"lognormal", &lognormal_lengths},
                                            std::pair{"uniform", &uniform_lengths}}) {
        benchmark::RegisterBenchmark((name + "/" + shape).c_str(), pack_lengths<Policy>,
                                     lengths_of)
            ->RangeMultiplier(10)
            ->Range(1000, 1'000'000)
            ->Unit(benchmark::kMillisecond);
    }
}

}  // namespace

int main(int argc, char** argv) {
    register_policy<packkit::first_fit_decreasing>();
    register_policy<packkit::best_fit_decreasing>();
    register_policy<packkit::first_fit>();
    register_policy<packkit::next_fit>();
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
