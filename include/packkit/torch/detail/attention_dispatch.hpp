// SPDX-License-Identifier: Apache-2.0
/// @file
/// The CPU attention kernels, compiled once for each instruction set, and the choice of
/// the best that this machine has.
#pragma once

#include <packkit/torch/detail/attention_problem.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#define PACKKIT_X86 1
#include <immintrin.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
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
#include <packkit/torch/detail/attention_tiles.inl>
//
#include <packkit/torch/detail/attention_amx.inl>
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

#ifdef PACKKIT_X86
/// Whether tiles may be used: the processor has them and the system lets this process.
inline bool has_amx() {
#if defined(__linux__) && defined(SYS_arch_prctl)
    static const bool allowed = [] {
        unsigned int a = 7;
        unsigned int b = 0;
        unsigned int c = 0;
        unsigned int d = 0;
        asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
        const bool has_bf16_tiles = (d >> 22 & 1U) != 0 && (d >> 24 & 1U) != 0;
        constexpr long request_permission = 0x1023;  // ARCH_REQ_XCOMP_PERM
        constexpr long tile_data = 18;
        return has_bf16_tiles && __builtin_cpu_supports("avx512bf16") &&
               __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
               syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
    }();
    return allowed;
#else
    return false;
#endif
}
#endif

/// All kernels that this machine can run, the best first.
template <class Storage>
[[nodiscard]] std::vector<attention_kernels<Storage>> available_kernels() {
    std::vector<attention_kernels<Storage>> found;
#ifdef PACKKIT_X86
    if constexpr (!std::is_same_v<Storage, double>) {
        if (has_amx()) found.push_back(amx::amx_kernels<Storage>("amx"));
    }
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
        found.push_back(avx512::kernels<Storage>("avx512"));
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        found.push_back(avx2::kernels<Storage>("avx2"));
    }
#endif
    found.push_back(plain::kernels<Storage>("plain"));
    return found;
}

/// The best of them for so many queries in so many documents. Tiles are made for whole
/// strips of 32 rows: for documents of fewer than 24 on average the vectors are faster.
template <class Storage>
[[nodiscard]] const attention_kernels<Storage>& best_kernels(std::int64_t queries,
                                                             std::int64_t documents) {
    static const std::vector<attention_kernels<Storage>> available =
        available_kernels<Storage>();
    const bool tiles = std::string_view(available.front().name) == "amx";
    return available[tiles && queries < 24 * documents ? 1 : 0];
}

}  // namespace packkit::lt::detail
