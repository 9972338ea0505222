// SPDX-License-Identifier: Apache-2.0
/// @file
/// What a collator makes of one row of documents: boundaries, position ids, mask. A row
/// of N tokens, documents of log-normal lengths. Items are tokens, of `boundaries`
/// documents.

#include "lengths.hpp"

#include <packkit/sequence/cu_seqlens.hpp>

#include <benchmark/benchmark.h>

#include <cstdint>
#include <span>
#include <vector>

namespace {

/// Documents that fill a row of `tokens`, the last one cut.
std::vector<std::int32_t> documents(std::int64_t tokens) {
    std::vector<std::int32_t> lengths;
    for (std::size_t i = 0; tokens > 0; ++i) {
        lengths.push_back(bench::lognormal_length(i, tokens, bench::seed));
        tokens -= lengths.back();
    }
    return lengths;
}

void boundaries(benchmark::State& state) {
    const auto lengths = documents(state.range(0));
    std::vector<std::int32_t> out(lengths.size() + 1);
    for (auto _ : state) {
        packkit::cu_seqlens(lengths, out.begin());
        benchmark::DoNotOptimize(out.data());
        benchmark::ClobberMemory();
    }
    state.SetItemsProcessed(state.iterations() *
                            static_cast<std::int64_t>(lengths.size()));
}

/// write(cu_seqlens, row)
template <class T, class Write>
void row_of(benchmark::State& state, Write write) {
    const auto cu_seqlens = packkit::cu_seqlens(documents(state.range(0)));
    std::vector<T> row(static_cast<std::size_t>(state.range(0)));
    for (auto _ : state) {
        write(std::span<const std::int32_t>(cu_seqlens), std::span<T>(row));
        benchmark::DoNotOptimize(row.data());
        benchmark::ClobberMemory();
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
    state.SetBytesProcessed(state.iterations() * state.range(0) *
                            static_cast<std::int64_t>(sizeof(T)));
}

void position_ids(benchmark::State& state) {
    row_of<std::int64_t>(
        state, [](auto cu_seqlens, auto row) { packkit::position_ids(cu_seqlens, row); });
}

void sequence_ids(benchmark::State& state) {
    row_of<std::int64_t>(state, [](auto cu_seqlens, auto row) {
        packkit::sequence_ids(cu_seqlens, packkit::mask_version::v2, row);
    });
}

void from_sequence_ids(benchmark::State& state) {
    const auto cu_seqlens = packkit::cu_seqlens(documents(state.range(0)));
    const auto ids = packkit::sequence_ids(cu_seqlens, packkit::mask_version::v2,
                                           static_cast<std::size_t>(state.range(0)));
    for (auto _ : state)
        benchmark::DoNotOptimize(packkit::cu_seqlens_from_sequence_ids(ids));
    state.SetItemsProcessed(state.iterations() * state.range(0));
}

}  // namespace

BENCHMARK(boundaries)->RangeMultiplier(8)->Range(2048, 1 << 20);
BENCHMARK(position_ids)->RangeMultiplier(8)->Range(2048, 1 << 20);
BENCHMARK(sequence_ids)->RangeMultiplier(8)->Range(2048, 1 << 20);
BENCHMARK(from_sequence_ids)->RangeMultiplier(8)->Range(2048, 1 << 20);
BENCHMARK_MAIN();
