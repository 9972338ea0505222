// SPDX-License-Identifier: Apache-2.0
/// @file
/// Attention over packed documents on the CPU, forward and backward, as a share of the
/// machine's matrix product, beside LibTorch's kernel called for one document after the
/// other. Operations are those of the pairs that the causal mask leaves: 4 d a pair and
/// head forward, 10 d backward.

#include <packkit/torch/ops/cpu_attention.hpp>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

namespace {

using packkit::lt::attention_options;

constexpr std::int64_t heads = 8;
constexpr std::int64_t kv_heads = 4;
constexpr std::int64_t usual_head_dim = 64;

/// 4096 tokens in eleven ragged documents.
const std::vector<std::int32_t> cu_seqlens{0,    1200, 1240, 1540, 2240, 2330,
                                           2830, 3086, 3496, 3596, 3966, 4096};

/// As many tokens in documents of `length`.
std::vector<std::int32_t> documents_of(std::int32_t length) {
    std::vector<std::int32_t> bounds{0};
    while (bounds.back() < cu_seqlens.back())
        bounds.push_back(std::min(cu_seqlens.back(), bounds.back() + length));
    return bounds;
}

struct rows {
    at::Tensor q, k, v, dout;
};

rows make_rows(at::ScalarType dtype, std::int64_t head_dim = usual_head_dim) {
    at::manual_seed(1);
    const auto make = [=](std::int64_t h) {
        return at::randn({cu_seqlens.back(), h, head_dim}).to(dtype);
    };
    return {make(heads), make(kv_heads), make(kv_heads), make(heads)};
}

double operations(const std::vector<std::int32_t>& bounds, std::int64_t head_dim) {
    double pairs = 0;
    for (std::size_t i = 0; i + 1 < bounds.size(); ++i) {
        const double length = bounds[i + 1] - bounds[i];
        pairs += length * (length + 1) / 2;
    }
    return 14.0 * pairs * static_cast<double>(heads * head_dim);
}

/// Operations a second of this machine's matrix product in the dtype.
double matrix_product_rate(at::ScalarType dtype) {
    const auto a = at::ones({1024, 1024}, dtype);
    double best = 0;
    for (int i = 0; i < 20; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        benchmark::DoNotOptimize(at::matmul(a, a));
        const std::chrono::duration<double> seconds =
            std::chrono::steady_clock::now() - begin;
        best = std::max(best, 2.0 * 1024 * 1024 * 1024 / seconds.count());
    }
    return best;
}

void report(benchmark::State& state, at::ScalarType dtype,
            const std::vector<std::int32_t>& bounds, std::int64_t head_dim) {
    const double rate =
        operations(bounds, head_dim) * static_cast<double>(state.iterations());
    state.counters["flops"] = benchmark::Counter(rate, benchmark::Counter::kIsRate);
    state.counters["of_matmul"] = benchmark::Counter(rate / matrix_product_rate(dtype),
                                                     benchmark::Counter::kIsRate);
}

void packed_documents(benchmark::State& state, at::ScalarType dtype,
                      const std::vector<std::int32_t>& documents, std::int64_t head_dim) {
    const c10::NoGradGuard no_grad;
    const auto r = make_rows(dtype, head_dim);
    const packkit::lt::attention_bounds bounds{documents, documents};
    const attention_options options;
    for (auto _ : state) {
        const auto made =
            packkit::lt::cpu_attention_forward(r.q, r.k, r.v, bounds, options);
        benchmark::DoNotOptimize(packkit::lt::cpu_attention_backward(
            r.dout, {}, r.q, r.k, r.v, made, bounds, options));
    }
    report(state, dtype, documents, head_dim);
}

/// LibTorch's flash attention for the CPU takes no boundaries: document after document,
/// keys and values repeated for the heads that share them.
void libtorch_by_document(benchmark::State& state, at::ScalarType dtype) {
    const c10::NoGradGuard no_grad;
    const auto r = make_rows(dtype);
    const auto document = [](const at::Tensor& t, std::size_t i) {
        return t.slice(0, cu_seqlens[i], cu_seqlens[i + 1])
            .repeat_interleave(heads / t.size(1), 1)
            .transpose(0, 1)
            .unsqueeze(0);
    };
    for (auto _ : state) {
        for (std::size_t i = 0; i + 1 < cu_seqlens.size(); ++i) {
            const auto q = document(r.q, i);
            const auto k = document(r.k, i);
            const auto v = document(r.v, i);
            const auto [out, lse] =
                at::_scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, true);
            const auto [dq, dk, dv] =
                at::_scaled_dot_product_flash_attention_for_cpu_backward(
                    document(r.dout, i), q, k, v, out, lse, 0.0, true);
            const auto shared = [](const at::Tensor& t) {
                return t.reshape({1, kv_heads, heads / kv_heads, -1, usual_head_dim})
                    .sum(2);
            };
            benchmark::DoNotOptimize(dq);
            benchmark::DoNotOptimize(shared(dk));
            benchmark::DoNotOptimize(shared(dv));
        }
    }
    report(state, dtype, cu_seqlens, usual_head_dim);
}

BENCHMARK_CAPTURE(packed_documents, float32, at::kFloat, cu_seqlens, usual_head_dim)
    ->UseRealTime();
BENCHMARK_CAPTURE(libtorch_by_document, float32, at::kFloat)->UseRealTime();
BENCHMARK_CAPTURE(packed_documents, bfloat16, at::kBFloat16, cu_seqlens, usual_head_dim)
    ->UseRealTime();
BENCHMARK_CAPTURE(libtorch_by_document, bfloat16, at::kBFloat16)->UseRealTime();
BENCHMARK_CAPTURE(packed_documents, float64, at::kDouble, cu_seqlens, usual_head_dim)
    ->UseRealTime();
BENCHMARK_CAPTURE(libtorch_by_document, float64, at::kDouble)->UseRealTime();

#define PACKKIT_BENCH_SHAPE(name, length, width)                                       \
    BENCHMARK_CAPTURE(packed_documents, float32_##name, at::kFloat, length, width)     \
        ->UseRealTime();                                                               \
    BENCHMARK_CAPTURE(packed_documents, bfloat16_##name, at::kBFloat16, length, width) \
        ->UseRealTime()
PACKKIT_BENCH_SHAPE(head_dim_32, cu_seqlens, 32);
PACKKIT_BENCH_SHAPE(head_dim_80, cu_seqlens, 80);
PACKKIT_BENCH_SHAPE(head_dim_128, cu_seqlens, 128);
PACKKIT_BENCH_SHAPE(head_dim_256, cu_seqlens, 256);
PACKKIT_BENCH_SHAPE(documents_of_8, documents_of(8), usual_head_dim);
PACKKIT_BENCH_SHAPE(documents_of_64, documents_of(64), usual_head_dim);
#undef PACKKIT_BENCH_SHAPE

}  // namespace

BENCHMARK_MAIN();
