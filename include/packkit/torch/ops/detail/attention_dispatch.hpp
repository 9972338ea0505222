// SPDX-License-Identifier: Apache-2.0
/// @file
/// The CPU attention kernels, compiled once for each instruction set, and the choice of
/// the best that this machine has.
#pragma once

#include <packkit/torch/ops/detail/attention_problem.hpp>
#include <packkit/torch/ops/instruction_set.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define PACKKIT_KERNEL_SPACE attention
#define PACKKIT_KERNELS <packkit/torch/ops/detail/attention_kernels.inl>
#define PACKKIT_BF16_KERNELS <packkit/torch/ops/detail/attention_bf16.inl>
#define PACKKIT_AMX_KERNELS <packkit/torch/ops/detail/attention_amx.inl>
#define PACKKIT_TILE_ROWS 6
#define PACKKIT_TILE_VECTORS (PACKKIT_VECTOR_BYTES == 64 ? 4 : 2)
#include <packkit/torch/ops/detail/each_instruction_set.inl>

namespace packkit::lt::detail {

/// Returns all kernels that may run here, the largest instruction set first.
template <class Storage>
[[nodiscard]] std::vector<attention_kernels<Storage>> available_kernels() {
    std::vector<attention_kernels<Storage>> found;
    const auto add = [&found](instruction_set set, auto make) {
        if (allows_instruction_set(set)) found.push_back(make(set));
    };
#if defined(__x86_64__)
    if constexpr (!std::is_same_v<Storage, double>)
        add(instruction_set::amx, attention::amx::factored_kernels<Storage>);
    if constexpr (std::is_same_v<Storage, bf16>)
        add(instruction_set::avx512_bf16,
            attention::avx512_bf16::factored_kernels<Storage>);
    add(instruction_set::avx512, attention::avx512::kernels<Storage>);
    add(instruction_set::avx2, attention::avx2::kernels<Storage>);
#endif
    add(instruction_set::plain, attention::plain::kernels<Storage>);
    return found;
}

/// Returns the best of them for so many queries in so many documents.
template <class Storage>
[[nodiscard]] const attention_kernels<Storage>& best_kernels(std::int64_t queries,
                                                             std::int64_t documents) {
    static const std::vector<attention_kernels<Storage>> available =
        available_kernels<Storage>();
    return *std::find_if(available.begin(), available.end(), [=](const auto& kernels) {
        return kernels.set <= kernel_instruction_set() &&
               queries >= kernels.rows_a_document * documents;
    });
}

}  // namespace packkit::lt::detail
