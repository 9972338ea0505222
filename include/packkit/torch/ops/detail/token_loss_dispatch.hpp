// SPDX-License-Identifier: Apache-2.0
/// @file
/// What the CPU does to the logits of a loss, compiled once for each instruction set, and
/// the choice of the best that this machine has.
#pragma once

#include <packkit/torch/ops/detail/attention_problem.hpp>

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

#define PACKKIT_KERNEL_SPACE token_loss
#define PACKKIT_KERNELS <packkit/torch/ops/detail/token_loss.inl>
#define PACKKIT_TILE_ROWS 1
#define PACKKIT_TILE_VECTORS 2
#include <packkit/torch/ops/detail/each_instruction_set.inl>

namespace packkit::lt::detail {

/// Returns all kernels that may run here, the largest instruction set first.
template <class Storage>
[[nodiscard]] std::vector<token_loss_kernels<Storage>> available_loss_kernels() {
    std::vector<token_loss_kernels<Storage>> found;
    const auto add = [&found](instruction_set set, auto make) {
        if (allows_instruction_set(set)) found.push_back(make(set));
    };
#if defined(__x86_64__)
    add(instruction_set::avx512, token_loss::avx512::loss_kernels<Storage>);
    add(instruction_set::avx2, token_loss::avx2::loss_kernels<Storage>);
#endif
    add(instruction_set::plain, token_loss::plain::loss_kernels<Storage>);
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
