// SPDX-License-Identifier: Apache-2.0
/// @file
/// What known implementations keep for backward.
#pragma once

#include <packkit/activation_profile.hpp>

#include <array>

namespace packkit {

namespace detail::activation_lists {

using width = activation_width;
using element = activation_element;
using cut = activation_cut;
inline constexpr auto never_recomputed = checkpointing_kind::full;
inline constexpr auto kept_by_selective = checkpointing_kind::selective;

// Korthikanti et al. 2022, arXiv 2205.05198, section 4.1, in its order; 5 a s / h is what
// selective recomputation drops (section 5).
inline constexpr activation_tensor megatron_block[] = {
    {"block input", width::hidden, element::compute, cut::sequence, never_recomputed},
    {"query, key, value input", width::hidden, element::compute, cut::sequence,
     kept_by_selective},
    {"query", width::query, element::compute, cut::tensor, kept_by_selective},
    {"key and value", width::key_value, element::compute, cut::tensor, kept_by_selective,
     2},
    {"softmax output", width::scores},
    {"softmax dropout mask", width::scores, element::mask},
    {"softmax dropout output", width::scores},
    {"projection input", width::query, element::compute, cut::tensor, kept_by_selective},
    {"attention dropout mask", width::hidden, element::mask, cut::sequence,
     kept_by_selective},
    {"second norm's input", width::hidden, element::compute, cut::sequence,
     kept_by_selective},
    {"feed-forward input", width::hidden, element::compute, cut::sequence,
     kept_by_selective},
    {"GeLU input", width::intermediate, element::compute, cut::tensor, kept_by_selective},
    {"GeLU output", width::intermediate, element::compute, cut::tensor,
     kept_by_selective},
    {"feed-forward dropout mask", width::hidden, element::mask, cut::sequence,
     kept_by_selective},
};
inline constexpr activation_tensor megatron_block_backward[] = {
    {"gradients inside feed-forward", width::intermediate, element::compute, cut::tensor,
     never_recomputed, 2},
    {"gradients of input and output", width::hidden, element::compute, cut::sequence,
     never_recomputed, 2},
};

// Linear layers save their input, a product both factors, silu its input; rotary
// embedding saves only its tables; flash attention q, k, v, its output and log-sum-exp.
inline constexpr activation_tensor pytorch_block[] = {
    {"block input", width::hidden, element::compute, cut::sequence, never_recomputed},
    {"norms' statistics", width::one, element::accumulation, cut::sequence,
     checkpointing_kind::none, 2},
    {"attention input", width::hidden, element::compute, cut::sequence},
    {"query before its norm", width::normed_query},
    {"key before its norm", width::normed_key},
    {"query", width::query, element::compute, cut::tensor, kept_by_selective},
    {"key and value", width::key_value, element::compute, cut::tensor, kept_by_selective,
     2},
    {"attention output", width::query, element::compute, cut::tensor, kept_by_selective},
    {"log-sum-exp", width::heads, element::accumulation, cut::tensor, kept_by_selective},
    {"inputs of norms at the end", width::post_norm, element::compute, cut::sequence,
     checkpointing_kind::none, 2},
    {"second norm's input", width::hidden, element::compute, cut::sequence,
     kept_by_selective},
    {"router's logits and probabilities", width::experts, element::accumulation,
     cut::sequence, checkpointing_kind::none, 2},
    {"feed-forward input", width::hidden, element::compute, cut::sequence},
    {"tokens sent to experts", width::routed_hidden, element::compute, cut::sequence},
    {"results of experts", width::routed_hidden, element::compute, cut::sequence},
    {"gate", width::gate, element::compute, cut::tensor, kept_by_selective},
    {"activation of the gate", width::gate},
    {"up, or the activation's input", width::intermediate, element::compute, cut::tensor,
     kept_by_selective},
    {"down's input", width::intermediate},
};
// At the feed-forward's product: gradients of both factors and of the product.
inline constexpr activation_tensor pytorch_block_backward[] = {
    {"gradients of up and down's input", width::intermediate, element::compute,
     cut::tensor, never_recomputed, 2},
    {"gradient of the gate", width::gate},
    {"gradients of experts' tokens", width::routed_hidden},
    {"gradients of residual and output", width::hidden, element::compute, cut::sequence,
     never_recomputed, 2},
};
// The block in use and the one on its way; in backward their gradients travel too.
inline constexpr activation_tensor pytorch_ring[] = {
    {"keys and values of other ranks", width::key_value, element::compute, cut::tensor,
     never_recomputed, 4},
    {"their gradients", width::key_value, element::accumulation, cut::tensor,
     never_recomputed, 4},
};
inline constexpr activation_tensor pytorch_row[] = {
    {"ids, positions, targets", width::one, element::index, cut::never, never_recomputed,
     3},
    {"rotary tables", width::rotary, element::compute, cut::never, never_recomputed, 2},
};
inline constexpr activation_tensor pytorch_head[] = {
    {"final norm's input", width::hidden, element::compute, cut::sequence},
    {"final norm's statistics", width::one, element::accumulation, cut::sequence},
    {"head's input", width::hidden, element::compute, cut::sequence},
};
// When log-softmax is differentiated: its output and both gradients.
inline constexpr activation_tensor pytorch_loss[] = {
    {"logits", width::vocabulary},
    {"log-probabilities and their gradients", width::vocabulary, element::accumulation,
     cut::tensor, never_recomputed, 3},
};

}  // namespace detail::activation_lists

/// GPT blocks as Megatron-LM trained them: layer norm, dropout, attention written out.
/// Korthikanti et al. 2022, arXiv 2205.05198, section 4: reproduces its equations 1 to 6
/// for shapes with intermediate = 4 hidden. Statistics of norms are neglected, as there.
inline constexpr activation_profile megatron_activations = {
    .name = "megatron",
    .block = detail::activation_lists::megatron_block,
    .block_backward = detail::activation_lists::megatron_block_backward,
    .ring = detail::activation_lists::pytorch_ring,
    .row = detail::activation_lists::pytorch_row,
    .head = detail::activation_lists::pytorch_head,
    .loss = detail::activation_lists::pytorch_loss};

/// A decoder written in eager PyTorch with fused norms and flash attention. Selective
/// checkpointing recomputes norms and activations and keeps what matrices and attention
/// gave.
inline constexpr activation_profile pytorch_activations = {
    .name = "pytorch",
    .block = detail::activation_lists::pytorch_block,
    .block_backward = detail::activation_lists::pytorch_block_backward,
    .ring = detail::activation_lists::pytorch_ring,
    .row = detail::activation_lists::pytorch_row,
    .head = detail::activation_lists::pytorch_head,
    .loss = detail::activation_lists::pytorch_loss,
    .weights = {.gathered_blocks = 2,
                .unfreed_blocks = 1,
                .embedding_with_head = true,
                .gather_pool = true}};

}  // namespace packkit
