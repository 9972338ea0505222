// SPDX-License-Identifier: Apache-2.0
/// @file
/// The planner: single estimates, the workload of a length histogram, whole searches.

#include <packkit/model/presets.hpp>
#include <packkit/planner.hpp>
#include <packkit/utility/random.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace {

const packkit::model_layout& model() {
    static const packkit::model_layout layout(packkit::find_model("llama-3-70b")->shape);
    return layout;
}

const packkit::device& h100() {
    return *packkit::find_device("h100-80gb");
}

/// A million samples, lognormal: median 500 tokens, sigma 1.1.
const packkit::length_counts& some_lengths() {
    static const packkit::length_counts counts = [] {
        std::vector<std::int64_t> lengths(1'000'000, 0);
        for (std::size_t i = 0; i < lengths.size(); ++i) {
            const double length = 500 * std::exp(1.1 * packkit::normal(1, i));
            lengths[i] = static_cast<std::int64_t>(std::clamp(length, 1.0, 8192.0));
        }
        return packkit::count_lengths(std::span<const std::int64_t>(lengths), 8192);
    }();
    return counts;
}

const packkit::workload& packed() {
    static const packkit::workload rows = packkit::packed_rows(
        some_lengths(), 8192, {.cost = packkit::training_flops(model().shape())});
    return rows;
}

/// Every variant of every mesh of that many GPUs: what a search looks at.
std::vector<packkit::training_setup> setups_of(std::int64_t gpus) {
    std::vector<packkit::training_setup> setups;
    for (const auto& mesh : packkit::factorizations(gpus)) {
        if (mesh.tp > 8) continue;
        for (const auto checkpointing :
             {packkit::checkpointing_kind::none, packkit::checkpointing_kind::selective,
              packkit::checkpointing_kind::full}) {
            for (const std::int64_t micro_batch_size : {1, 2, 4, 8}) {
                packkit::training_setup setup;
                setup.mesh = mesh;
                setup.sequence_len = 8192;
                setup.micro_batch_size = micro_batch_size;
                setup.checkpointing = checkpointing;
                setup.sharding = mesh.effective_shard_size() > 1
                                     ? packkit::sharding_kind::fsdp
                                     : packkit::sharding_kind::ddp;
                setups.push_back(setup);
            }
        }
    }
    return setups;
}

/// Memory, communication, time, utilization of one setup after another.
void estimates(benchmark::State& state) {
    const auto setups = setups_of(state.range(0));
    packkit::plan_evaluator evaluate(model(), h100(), packed());
    for (auto _ : state) {
        double sum = 0;
        for (const auto& setup : setups)
            sum += evaluate(setup).tokens_per_second_per_gpu;
        benchmark::DoNotOptimize(sum);
    }
    state.SetItemsProcessed(state.iterations() *
                            static_cast<std::int64_t>(setups.size()));
}

/// What decides whether a setup fits.
void memory_estimates(benchmark::State& state) {
    const auto setups = setups_of(state.range(0));
    packkit::plan_evaluator evaluate(model(), h100(), packed());
    for (auto _ : state) {
        std::int64_t sum = 0;
        for (const auto& setup : setups)
            sum += evaluate.memory(setup).bytes.total();
        benchmark::DoNotOptimize(sum);
    }
    state.SetItemsProcessed(state.iterations() *
                            static_cast<std::int64_t>(setups.size()));
}

void search_all_meshes(benchmark::State& state) {
    packkit::search_options options;
    options.gpus = state.range(0);
    options.sequence_len = 8192;
    std::size_t plans = 0;
    std::size_t meshes = 0;
    std::int64_t variants = 0;
    for (auto _ : state) {
        const auto found = packkit::search(model(), h100(), options, packed());
        plans = found.plans.size();
        meshes = plans + found.rejected.size();
        variants = found.variants;
    }
    state.counters["meshes"] = static_cast<double>(meshes);
    state.counters["plans"] = static_cast<double>(plans);
    state.counters["variants"] = static_cast<double>(variants);
}

/// With reasons for each choice: some ten searches.
void advice(benchmark::State& state) {
    packkit::search_options options;
    options.gpus = state.range(0);
    options.sequence_len = 8192;
    const auto found = packkit::search(model(), h100(), options, packed());
    for (auto _ : state) {
        benchmark::DoNotOptimize(
            packkit::advise(model(), h100(), options, packed(), found));
    }
}

void packed_workload(benchmark::State& state) {
    for (auto _ : state) {
        benchmark::DoNotOptimize(
            packkit::packed_rows(some_lengths(), state.range(0),
                                 {.cost = packkit::training_flops(model().shape())}));
    }
    state.SetItemsProcessed(state.iterations() * 1'000'000);
}

}  // namespace

BENCHMARK(estimates)->Arg(64)->Arg(4096);
BENCHMARK(memory_estimates)->Arg(4096);
BENCHMARK(search_all_meshes)
    ->RangeMultiplier(8)
    ->Range(8, 32768)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(advice)->Arg(4096)->Unit(benchmark::kMillisecond);
BENCHMARK(packed_workload)->Arg(2048)->Arg(8192)->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
