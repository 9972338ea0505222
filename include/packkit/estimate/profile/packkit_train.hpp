// SPDX-License-Identifier: Apache-2.0
/// @file
/// What packkit-train keeps for backward, tensor by tensor. A test compares it with what
/// its allocator counted.
#pragma once

#include <packkit/estimate/profile/activation_profile.hpp>
#include <packkit/estimate/profile/loss_chunks.hpp>

namespace packkit {

namespace detail::activation_lists {

// A block: norm, linears of q, k and v, rotary embedding (which keeps its tables alone),
// attention of documents, linear, residual; norm, silu(gate) x up, linear, residual. A
// linear keeps its input, a norm its input, silu(gate) x up its gate and up. Under
// sequence parallelism linears keep what was gathered for them. Selective checkpointing
// computes again what matrices take in, and keeps what they and attention give; full
// keeps the input.
inline constexpr activation_tensor packkit_train_block[] = {
    {"block's and first norm's input", hidden, compute, sequence, full},
    {"input of q, k and v", hidden, compute, never},
    {"query before its norm", normed_query, compute, tensor, selective},
    {"key before its norm", normed_key, compute, key_value_heads, selective},
    {"query", query, compute, tensor, selective},
    {"key and value", key_value, compute, key_value_heads, selective, 2},
    {"attention's output", query, compute, tensor, selective},
    {"log-sum-exp", heads, accumulation, tensor, selective},
    {"inputs of norms at the end", post_norm, compute, sequence, selective, 2},
    {"second norm's input", hidden, compute, sequence, selective},
    {"input of gate and up", hidden, compute, never},
    {"router's probabilities", experts, accumulation, never, selective},
    {"tokens sent to experts", routed_hidden, compute, never},
    {"results of experts and weighted", routed_hidden, compute, never, selective, 2},
    {"gate", gate, compute, tensor, selective},
    {"up", intermediate, compute, tensor, selective},
    {"input of down", intermediate},
};
// At silu(gate) x up: gradients of the product (in place of down's input, which is gone),
// of gate and of up; the block's output and its gradient.
inline constexpr activation_tensor packkit_train_working[] = {
    {"gradients of gate and up", intermediate, compute, tensor, full, 2},
    {"block's output and its gradient", hidden, compute, sequence, full, 2},
};
inline constexpr activation_tensor packkit_train_boundary[] = {
    {"gradient between blocks", hidden, compute, sequence, full},
};
// Before the first norm, at the last of the three projections to be differentiated: the
// block's input and output, the gradient of the output, that of the residual.
inline constexpr activation_tensor packkit_train_block_end[] = {
    {"input, output and gradients", hidden, compute, sequence, full, 4},
    {"norm's output, its gradients from queries and from keys and values", hidden,
     compute, never, full, 3},
    {"gradient of queries", query, compute, tensor},
};
inline constexpr activation_tensor packkit_train_row[] = {
    {"ids and targets", one, index, never, full, 2},
    {"rotary tables", rotary, compute, never, full, 2},
};
inline constexpr activation_tensor packkit_train_head[] = {
    {"final norm's input", hidden, compute, sequence},
    {"head's input and its gradient", hidden, compute, never, none, 2},
};
// The loss of a chunk of tokens: logits, over which their gradient is written.
inline constexpr activation_tensor packkit_train_loss[] = {
    {"logits", vocabulary},
    {"head's input", hidden, compute, never},
    {"its gradient from each slice of the vocabulary", hidden, accumulation, never, none,
     loss_slices},
    {"largest logit, sum of powers and target's logit", one, index, never, none, 3},
};
inline constexpr activation_tensor packkit_train_head_end[] = {
    {"final norm's input, gradients of its output and input", hidden, compute, sequence,
     full, 3},
};

}  // namespace detail::activation_lists

/// packkit-train: its own norm, which keeps no copies; a loss in chunks of tokens;
/// besides the unit at work the next one's weights, as they arrive; one reduction of
/// gradients under way beside the next unit's backward, which over Gloo holds what is
/// sent and what is received.
inline constexpr activation_profile packkit_train_activations = {
    .name = "packkit-train",
    .block = detail::activation_lists::packkit_train_block,
    .block_backward = detail::activation_lists::packkit_train_working,
    .boundary = detail::activation_lists::packkit_train_boundary,
    .block_end = detail::activation_lists::packkit_train_block_end,
    .row = detail::activation_lists::packkit_train_row,
    .head = detail::activation_lists::packkit_train_head,
    .loss = detail::activation_lists::packkit_train_loss,
    .head_end = detail::activation_lists::packkit_train_head_end,
    .loss_chunk_tokens = loss_chunk_rows,
    .weights = {.reduction_copies = 2, .in_order = true}};

}  // namespace packkit
