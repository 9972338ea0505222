// SPDX-License-Identifier: Apache-2.0
/// @file
/// What the CPU does to the logits of a loss, compiled once for each instruction set, and
/// the choice of the best that this machine has.
#pragma once

#include <packkit/torch/detail/attention_problem.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

namespace packkit::lt::detail {

/// Logits of a row that a kernel takes at once.
inline constexpr std::int64_t widest_loss_block = 1024;

/// The kernels of one instruction set; pieces of at most `widest_loss_block` logits.
template <class Storage>
struct token_loss_kernels {
    using compute = compute_type<Storage>;
    instruction_set set;
    /// Continues a row's softmax, Σ e^(logit − top), by a piece of its logits.
    void (*add_logits)(const Storage* logits, std::int64_t width, compute softcap,
                       compute* top, compute* total);
    /// Writes the gradient of a row's loss over a piece of its logits; `target` counts
    /// from the piece's first, anything outside of it is no target.
    void (*write_gradient)(Storage* logits, std::int64_t width, compute softcap,
                           compute top, compute factor, std::int64_t target);
    /// to = from, or to += from.
    void (*add_narrow)(const bf16* from, float* to, std::int64_t count, bool first);
};

}  // namespace packkit::lt::detail

#define PACKKIT_INLINE [[gnu::always_inline]] inline
#if defined(__clang__)
#define PACKKIT_UNROLL _Pragma("unroll")
#else
#define PACKKIT_UNROLL _Pragma("GCC unroll 16")
#endif
#define PACKKIT_TILE_ROWS 1
#define PACKKIT_TILE_VECTORS 2

#define PACKKIT_VECTOR_BYTES 16
namespace packkit::lt::detail::plain_loss {
#include <packkit/torch/detail/simd.inl>
//
#include <packkit/torch/detail/token_loss.inl>
}  // namespace packkit::lt::detail::plain_loss
#undef PACKKIT_VECTOR_BYTES

#if defined(__x86_64__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define PACKKIT_VECTOR_BYTES 32
namespace packkit::lt::detail::avx2_loss {
#include <packkit/torch/detail/simd.inl>
//
#include <packkit/torch/detail/token_loss.inl>
}  // namespace packkit::lt::detail::avx2_loss
#undef PACKKIT_VECTOR_BYTES
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
namespace packkit::lt::detail::avx512_loss {
#include <packkit/torch/detail/simd.inl>
//
#include <packkit/torch/detail/token_loss.inl>
}  // namespace packkit::lt::detail::avx512_loss
#undef PACKKIT_VECTOR_BYTES
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif  // __x86_64__

#undef PACKKIT_TILE_ROWS
#undef PACKKIT_TILE_VECTORS
#undef PACKKIT_INLINE
#undef PACKKIT_UNROLL

namespace packkit::lt::detail {

/// Returns all kernels that may run here, the largest instruction set first.
template <class Storage>
[[nodiscard]] std::vector<token_loss_kernels<Storage>> available_loss_kernels() {
    std::vector<token_loss_kernels<Storage>> found;
    const auto add = [&found](instruction_set set, auto make) {
        if (allows_instruction_set(set)) found.push_back(make(set));
    };
#if defined(__x86_64__)
    add(instruction_set::avx512, avx512_loss::loss_kernels<Storage>);
    add(instruction_set::avx2, avx2_loss::loss_kernels<Storage>);
#endif
    add(instruction_set::plain, plain_loss::loss_kernels<Storage>);
    return found;
}

/// The best of them.
template <class Storage>
[[nodiscard]] const token_loss_kernels<Storage>& best_loss_kernels() {
    static const token_loss_kernels<Storage> best =
        available_loss_kernels<Storage>().front();
    return best;
}

}  // namespace packkit::lt::detail
