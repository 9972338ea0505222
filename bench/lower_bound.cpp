// SPDX-License-Identifier: Apache-2.0
/// @file
/// Lower bounds by shape and number of samples. Counter `of_l1`: how much the bound
/// exceeds L1, in per cent.

#include "packing.hpp"

namespace {

template <class Bound>
void register_bound(const std::string& name, Bound bound) {
    for (const bench::shape& from : bench::shapes) {
        benchmark::RegisterBenchmark(
            (name + "/" + std::string(from.name)).c_str(),
            [bound, from](benchmark::State& state) {
                constexpr std::int64_t capacity = 4096;
                const auto& set = bench::samples(
                    from, static_cast<std::size_t>(state.range(0)), capacity);
                std::size_t bins = 0;
                for (auto _ : state)
                    benchmark::DoNotOptimize(bins = bound(set.values, capacity));
                const auto l1 =
                    static_cast<double>(packkit::lower_bound_l1(set.values, capacity));
                state.counters["of_l1"] = 100.0 * (static_cast<double>(bins) / l1 - 1.0);
                state.SetComplexityN(state.range(0));
                state.SetItemsProcessed(state.iterations() * state.range(0));
            })
            ->RangeMultiplier(10)
            ->Range(1000, 1'000'000)
            ->Unit(benchmark::kMillisecond)
            ->Complexity();
    }
}

}  // namespace

int main(int argc, char** argv) {
    register_bound("best_lower_bound", [](const auto& values, auto capacity) {
        return packkit::best_lower_bound(values, capacity);
    });
    register_bound("lower_bound_l1", [](const auto& values, auto capacity) {
        return packkit::lower_bound_l1(values, capacity);
    });
    register_bound("lower_bound_l2", [](const auto& values, auto capacity) {
        return packkit::lower_bound_l2(values, capacity);
    });
    return bench::run(argc, argv);
}
