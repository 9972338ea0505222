// SPDX-License-Identifier: Apache-2.0
/// @file
/// What known implementations keep for backward.
#pragma once

#include <packkit/estimate/profile/activation_profile.hpp>

namespace packkit {

namespace detail::activation_lists {

// Korthikanti et al. 2022, arXiv 2205.05198, section 4.1, in its order; 5 a s / h is what
// selective recomputation drops (section 5).
inline constexpr activation_tensor megatron_block[] = {
    {"block input", hidden, compute, sequence, full},
    {"query, key, value input", hidden, compute, sequence, selective},
    {"query", query, compute, tensor, selective},
    {"key and value", key_value, compute, tensor, selective, 2},
    {"softmax output", scores},
    {"softmax dropout mask", scores, mask},
    {"softmax dropout output", scores},
    {"projection input", query, compute, tensor, selective},
    {"attention dropout mask", hidden, mask, sequence, selective},
    {"second norm's input", hidden, compute, sequence, selective},
    {"feed-forward input", hidden, compute, sequence, selective},
    {"GeLU input", intermediate, compute, tensor, selective},
    {"GeLU output", intermediate, compute, tensor, selective},
    {"feed-forward dropout mask", hidden, mask, sequence, selective},
};
inline constexpr activation_tensor megatron_block_backward[] = {
    {"gradients inside feed-forward", intermediate, compute, tensor, full, 2},
    {"gradients of input and output", hidden, compute, sequence, full, 2},
};

// Linear layers save their input, a product both factors, silu its input; rotary
// embedding saves only its tables; flash attention q, k, v, its output and log-sum-exp.
inline constexpr activation_tensor pytorch_block[] = {
    {"block input", hidden, compute, sequence, full},
    {"norms' statistics", one, accumulation, sequence, none, 2},
    {"attention input", hidden, compute, sequence},
    {"query before its norm", normed_query},
    {"key before its norm", normed_key},
    {"query", query, compute, tensor, selective},
    {"key and value", key_value, compute, tensor, selective, 2},
    {"attention output", query, compute, tensor, selective},
    {"log-sum-exp", heads, accumulation, tensor, selective},
    {"inputs of norms at the end", post_norm, compute, sequence, none, 2},
    {"second norm's input", hidden, compute, sequence, selective},
    {"router's logits and probabilities", experts, accumulation, sequence, none, 2},
    {"feed-forward input", hidden, compute, sequence},
    {"tokens sent to experts", routed_hidden, compute, sequence},
    {"results of experts", routed_hidden, compute, sequence},
    {"gate", gate, compute, tensor, selective},
    {"activation of the gate", gate},
    {"up, or the activation's input", intermediate, compute, tensor, selective},
    {"down's input", intermediate},
};
// At the feed-forward's product: gradients of both factors and of the product.
inline constexpr activation_tensor pytorch_block_backward[] = {
    {"gradients of up and down's input", intermediate, compute, tensor, full, 2},
    {"gradient of the gate", gate},
    {"gradients of experts' tokens", routed_hidden},
    {"gradients of residual and output", hidden, compute, sequence, full, 2},
};
// The block in use and the one on its way; in backward their gradients travel too.
inline constexpr activation_tensor pytorch_ring[] = {
    {"keys and values of other ranks", key_value, compute, tensor, full, 4},
    {"their gradients", key_value, accumulation, tensor, full, 4},
};
inline constexpr activation_tensor pytorch_row[] = {
    {"ids, positions, targets", one, index, never, full, 3},
    {"rotary tables", rotary, compute, never, full, 2},
};
inline constexpr activation_tensor pytorch_head[] = {
    {"final norm's input", hidden, compute, sequence},
    {"final norm's statistics", one, accumulation, sequence},
    {"head's input", hidden, compute, sequence},
};
// When log-softmax is differentiated: its output and both gradients.
inline constexpr activation_tensor pytorch_loss[] = {
    {"logits", vocabulary},
    {"log-probabilities and their gradients", vocabulary, accumulation, tensor, full, 3},
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
