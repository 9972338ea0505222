// SPDX-License-Identifier: Apache-2.0
// Compiles a file of kernels once for each instruction set that this processor family may
// have, after simd.inl, each time in the namespace
// packkit::lt::detail::PACKKIT_KERNEL_SPACE::<instruction set>. Included after the
// headers that the kernels need, with these macros defined, which end with it:
//   PACKKIT_KERNEL_SPACE    a namespace for the kernels of all sets
//   PACKKIT_KERNELS         the kernels for plain, avx2 and avx512, as in <a/kernels.inl>
//   PACKKIT_BF16_KERNELS    if defined, the kernels for avx512_bf16
//   PACKKIT_AMX_KERNELS     if defined, the kernels for amx
//   PACKKIT_TILE_ROWS, PACKKIT_TILE_VECTORS    the largest tile of a matrix product

#define PACKKIT_PRAGMA(...) _Pragma(#__VA_ARGS__)
#define PACKKIT_INLINE [[gnu::always_inline]] inline
#if defined(__clang__)
#define PACKKIT_UNROLL _Pragma("unroll")
#define PACKKIT_BEGIN_SET(set) \
    PACKKIT_PRAGMA(            \
        clang attribute push(__attribute__((target(set))), apply_to = function))
#define PACKKIT_END_SET _Pragma("clang attribute pop")
#else
#define PACKKIT_UNROLL _Pragma("GCC unroll 16")
#define PACKKIT_BEGIN_SET(set) _Pragma("GCC push_options") PACKKIT_PRAGMA(GCC target(set))
#define PACKKIT_END_SET _Pragma("GCC pop_options")
#endif

// Every machine is assumed to have vectors of 16 bytes.
#define PACKKIT_VECTOR_BYTES 16
namespace packkit::lt::detail::PACKKIT_KERNEL_SPACE::plain {
#include <packkit/torch/ops/detail/simd.inl>
//
#include PACKKIT_KERNELS
}  // namespace packkit::lt::detail::PACKKIT_KERNEL_SPACE::plain
#undef PACKKIT_VECTOR_BYTES

#if defined(__x86_64__)
#define PACKKIT_VECTOR_BYTES 32
PACKKIT_BEGIN_SET("avx2,fma")
namespace packkit::lt::detail::PACKKIT_KERNEL_SPACE::avx2 {
#include <packkit/torch/ops/detail/simd.inl>
//
#include PACKKIT_KERNELS
}  // namespace packkit::lt::detail::PACKKIT_KERNEL_SPACE::avx2
PACKKIT_END_SET
#undef PACKKIT_VECTOR_BYTES

#define PACKKIT_VECTOR_BYTES 64
PACKKIT_BEGIN_SET("avx512f,avx512dq,avx512bw,avx512vl,fma,avx2")
namespace packkit::lt::detail::PACKKIT_KERNEL_SPACE::avx512 {
#include <packkit/torch/ops/detail/simd.inl>
//
#include PACKKIT_KERNELS
}  // namespace packkit::lt::detail::PACKKIT_KERNEL_SPACE::avx512
PACKKIT_END_SET

#ifdef PACKKIT_BF16_KERNELS
PACKKIT_BEGIN_SET("avx512f,avx512dq,avx512bw,avx512vl,fma,avx2,avx512bf16")
namespace packkit::lt::detail::PACKKIT_KERNEL_SPACE::avx512_bf16 {
#include <packkit/torch/ops/detail/simd.inl>
//
#include PACKKIT_BF16_KERNELS
}  // namespace packkit::lt::detail::PACKKIT_KERNEL_SPACE::avx512_bf16
PACKKIT_END_SET
#undef PACKKIT_BF16_KERNELS
#endif

#ifdef PACKKIT_AMX_KERNELS
PACKKIT_BEGIN_SET(
    "avx512f,avx512dq,avx512bw,avx512vl,fma,avx2,amx-tile,amx-bf16,avx512bf16")
namespace packkit::lt::detail::PACKKIT_KERNEL_SPACE::amx {
#include <packkit/torch/ops/detail/simd.inl>
//
#include PACKKIT_AMX_KERNELS
}  // namespace packkit::lt::detail::PACKKIT_KERNEL_SPACE::amx
PACKKIT_END_SET
#undef PACKKIT_AMX_KERNELS
#endif
#undef PACKKIT_VECTOR_BYTES
#endif  // __x86_64__

#undef PACKKIT_KERNEL_SPACE
#undef PACKKIT_KERNELS
#undef PACKKIT_TILE_ROWS
#undef PACKKIT_TILE_VECTORS
#undef PACKKIT_BEGIN_SET
#undef PACKKIT_END_SET
#undef PACKKIT_UNROLL
#undef PACKKIT_INLINE
#undef PACKKIT_PRAGMA
