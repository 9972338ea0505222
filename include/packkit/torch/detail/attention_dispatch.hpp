// SPDX-License-Identifier: Apache-2.0
/// @file
/// The CPU attention kernels, compiled once for each instruction set, and the choice of
/// the best that this machine has.
#pragma once

#include <packkit/torch/detail/attention_problem.hpp>
#include <packkit/torch/instruction_set.hpp>

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
#define PACKKIT_X86 1
#include <immintrin.h>
#endif

#define PACKKIT_INLINE [[gnu::always_inline]] inline
#if defined(__clang__)
#define PACKKIT_UNROLL _Pragma("unroll")
#else
#define PACKKIT_UNROLL _Pragma("GCC unroll 16")
#endif

// What the machine is assumed to have: vectors of 16 bytes.
#define PACKKIT_VECTOR_BYTES 16
#define PACKKIT_TILE_ROWS 6
#define PACKKIT_TILE_VECTORS 2
namespace packkit::lt::detail::plain {
#include <packkit/torch/detail/simd.inl>
//
#include <packkit/torch/detail/attention_parts.inl>
//
#include <packkit/torch/detail/attention_kernels.inl>
}  // namespace packkit::lt::detail::plain
#undef PACKKIT_VECTOR_BYTES
#undef PACKKIT_TILE_ROWS
#undef PACKKIT_TILE_VECTORS

#ifdef PACKKIT_X86

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define PACKKIT_VECTOR_BYTES 32
#define PACKKIT_TILE_ROWS 6
#define PACKKIT_TILE_VECTORS 2
namespace packkit::lt::detail::avx2 {
#include <packkit/torch/detail/simd.inl>
//
#include <packkit/torch/detail/attention_parts.inl>
//
#include <packkit/torch/detail/attention_kernels.inl>
}  // namespace packkit::lt::detail::avx2
#undef PACKKIT_VECTOR_BYTES
#undef PACKKIT_TILE_ROWS
#undef PACKKIT_TILE_VECTORS
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#if defined(__clang__)
#pragma clang attribute push(                                               \
    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,fma,avx2"))), \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,fma,avx2")
#endif
#define PACKKIT_VECTOR_BYTES 64
#define PACKKIT_TILE_ROWS 6
#define PACKKIT_TILE_VECTORS 4
namespace packkit::lt::detail::avx512 {
#include <packkit/torch/detail/simd.inl>
//
#include <packkit/torch/detail/attention_parts.inl>
//
#include <packkit/torch/detail/attention_kernels.inl>
}  // namespace packkit::lt::detail::avx512
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#if defined(__clang__)
#pragma clang attribute push(                                                          \
    __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,fma,avx2,avx512bf16"))), \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,fma,avx2,avx512bf16")
#endif
namespace packkit::lt::detail::avx512_bf16 {
#include <packkit/torch/detail/simd.inl>
//
#include <packkit/torch/detail/attention_parts.inl>
//
#include <packkit/torch/detail/attention_factors.inl>
//
#include <packkit/torch/detail/attention_dots.inl>
//
#include <packkit/torch/detail/attention_strips.inl>
//
#include <packkit/torch/detail/attention_factored.inl>
}  // namespace packkit::lt::detail::avx512_bf16
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512bw,"  \
                                                   "avx512vl,fma,avx2,amx-tile," \
                                                   "amx-bf16,avx512bf16"))),     \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target( \
    "avx512f,avx512dq,avx512bw,avx512vl,fma,avx2,amx-tile,amx-bf16,avx512bf16")
#endif
namespace packkit::lt::detail::amx {
#include <packkit/torch/detail/simd.inl>
//
#include <packkit/torch/detail/attention_parts.inl>
//
#include <packkit/torch/detail/attention_factors.inl>
//
#include <packkit/torch/detail/attention_tiles.inl>
//
#include <packkit/torch/detail/attention_strips.inl>
//
#include <packkit/torch/detail/attention_factored.inl>
}  // namespace packkit::lt::detail::amx
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#undef PACKKIT_VECTOR_BYTES
#undef PACKKIT_TILE_ROWS
#undef PACKKIT_TILE_VECTORS

#endif  // PACKKIT_X86

#undef PACKKIT_INLINE
#undef PACKKIT_UNROLL

namespace packkit::lt::detail {

/// Returns all kernels that may run here, the largest instruction set first.
template <class Storage>
[[nodiscard]] std::vector<attention_kernels<Storage>> available_kernels() {
    std::vector<attention_kernels<Storage>> found;
    const auto add = [&found](instruction_set set, auto make) {
        if (allows_instruction_set(set)) found.push_back(make(set));
    };
#ifdef PACKKIT_X86
    if constexpr (!std::is_same_v<Storage, double>)
        add(instruction_set::amx, amx::factored_kernels<Storage>);
    if constexpr (std::is_same_v<Storage, bf16>)
        add(instruction_set::avx512_bf16, avx512_bf16::factored_kernels<Storage>);
    add(instruction_set::avx512, avx512::kernels<Storage>);
    add(instruction_set::avx2, avx2::kernels<Storage>);
#endif
    add(instruction_set::plain, plain::kernels<Storage>);
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
