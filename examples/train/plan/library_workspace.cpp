// SPDX-License-Identifier: Apache-2.0
#include "plan/library_workspace.hpp"

#include <packkit/estimate/profile/loss_chunks.hpp>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string>

namespace packkit::train {
namespace {

/// The instruction set that a value of ONEDNN_MAX_CPU_ISA stands for; tiles for those
/// that are larger than any listed.
lt::instruction_set parse_onednn_name(std::string name) {
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    if (name == "SSE41" || name == "AVX") return lt::instruction_set::plain;
    if (name.starts_with("AVX2")) return lt::instruction_set::avx2;
    if (name == "AVX512_CORE" || name == "AVX512_CORE_VNNI")
        return lt::instruction_set::avx512;
    if (name == "AVX512_CORE_BF16" || name == "AVX512_CORE_FP16")
        return lt::instruction_set::avx512_bf16;
    return lt::instruction_set::amx;
}

}  // namespace

lt::instruction_set library_instruction_set() {
    const auto best = lt::machine_instruction_sets().back();
    const char* held = std::getenv("ONEDNN_MAX_CPU_ISA");
    if (held == nullptr) held = std::getenv("DNNL_MAX_CPU_ISA");
    return held == nullptr ? best : std::min(best, parse_onednn_name(held));
}

std::int64_t product_workspace_bound(const matrix_product& product, std::int64_t threads,
                                     lt::instruction_set set) {
    constexpr std::int64_t alignment = 4096;
    const auto [rows, columns, depth] = product;
    const std::int64_t accumulators = 4 * rows * columns + alignment;
    const std::int64_t copies = 2 * depth * (rows + columns);
    switch (set) {
        case lt::instruction_set::plain:
        case lt::instruction_set::avx2:
            return 0;
        case lt::instruction_set::avx512:
            return accumulators;
        case lt::instruction_set::avx512_bf16:
            return accumulators + copies + threads * (std::int64_t{128} << 10);
        case lt::instruction_set::amx:
            return accumulators + copies + threads * (std::int64_t{256} << 10);
    }
    throw invalid_argument("instruction_set has no such value");
}

std::int64_t library_workspace_bound(const training_setup& setup,
                                     const model_shape& shape, std::int64_t tokens,
                                     std::int64_t targets, std::int64_t threads,
                                     lt::instruction_set set) {
    if (compute_bytes(setup.precision) != 2) return 0;
    // The product itself, and those of its gradients.
    const auto linear = [&](std::int64_t rows, std::int64_t out, std::int64_t in,
                            std::int64_t on) {
        return std::max({product_workspace_bound({rows, out, in}, on, set),
                         product_workspace_bound({rows, in, out}, on, set),
                         product_workspace_bound({out, in, rows}, on, set)});
    };
    const std::int64_t widest =
        std::max({shape.intermediate_size, shape.moe_intermediate_size,
                  shape.num_attention_heads * shape.head_dim, shape.num_experts});
    const std::int64_t block = linear(tokens, widest, shape.hidden_size, threads);
    // Threads work on blocks of the vocabulary at the same time, each alone.
    const std::int64_t head =
        std::min(threads, loss_slices) * linear(std::min(targets, loss_chunk_rows),
                                                loss_block_tokens, shape.hidden_size, 1);
    return std::max(block, head);
}

}  // namespace packkit::train
