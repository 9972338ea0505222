// SPDX-License-Identifier: Apache-2.0
/// @file
/// What packkit-train keeps for backward, tensor by tensor. A test compares it with what
/// its allocator counted.
#pragma once

#include <packkit/activation_profile.hpp>
#include <packkit/loss_chunks.hpp>

namespace packkit {

namespace detail::activation_lists {

// A block: norm, linears of q, k and v, rotary embedding (which keeps its tables alone),
// attention of documents, linear, residual; norm, silu(gate) x up, linear, residual. A
// linear keeps its input, a norm its input, silu(gate) x up its gate and up. Under
// sequence parallelism linears keep what was gathered for them. Selective checkpointing
// computes again what matrices take in, and keeps what they and attention give; full
// keeps the input.
inline constexpr activation_tensor packkit_train_block[] = {
    {"block's and first norm's input", activation_width::hidden,
     activation_element::compute, activation_cut::sequence, checkpointing_kind::full},
    {"input of q, k and v", activation_width::hidden, activation_element::compute,
     activation_cut::never},
    {"query before its norm", activation_width::normed_query, activation_element::compute,
     activation_cut::tensor, checkpointing_kind::selective},
    {"key before its norm", activation_width::normed_key, activation_element::compute,
     activation_cut::key_value_heads, checkpointing_kind::selective},
    {"query", activation_width::query, activation_element::compute,
     activation_cut::tensor, checkpointing_kind::selective},
    {"key and value", activation_width::key_value, activation_element::compute,
     activation_cut::key_value_heads, checkpointing_kind::selective, 2},
    {"attention's output", activation_width::query, activation_element::compute,
     activation_cut::tensor, checkpointing_kind::selective},
    {"log-sum-exp", activation_width::heads, activation_element::accumulation,
     activation_cut::tensor, checkpointing_kind::selective},
    {"inputs of norms at the end", activation_width::post_norm,
     activation_element::compute, activation_cut::sequence, checkpointing_kind::selective,
     2},
    {"second norm's input", activation_width::hidden, activation_element::compute,
     activation_cut::sequence, checkpointing_kind::selective},
    {"input of gate and up", activation_width::hidden, activation_element::compute,
     activation_cut::never},
    {"router's probabilities", activation_width::experts,
     activation_element::accumulation, activation_cut::never,
     checkpointing_kind::selective},
    {"tokens sent to experts", activation_width::routed_hidden,
     activation_element::compute, activation_cut::never},
    {"results of experts and weighted", activation_width::routed_hidden,
     activation_element::compute, activation_cut::never, checkpointing_kind::selective,
     2},
    {"gate", activation_width::gate, activation_element::compute, activation_cut::tensor,
     checkpointing_kind::selective},
    {"up", activation_width::intermediate, activation_element::compute,
     activation_cut::tensor, checkpointing_kind::selective},
    {"input of down", activation_width::intermediate},
};
// At silu(gate) x up: gradients of the product (in place of down's input, which is gone),
// of gate and of up; the block's output and its gradient.
inline constexpr activation_tensor packkit_train_working[] = {
    {"gradients of gate and up", activation_width::intermediate,
     activation_element::compute, activation_cut::tensor, checkpointing_kind::full, 2},
    {"block's output and its gradient", activation_width::hidden,
     activation_element::compute, activation_cut::sequence, checkpointing_kind::full, 2},
};
inline constexpr activation_tensor packkit_train_boundary[] = {
    {"gradient between blocks", activation_width::hidden, activation_element::compute,
     activation_cut::sequence, checkpointing_kind::full},
};
// Before the first norm, at the last of the three projections to be differentiated: the
// block's input and output, the gradient of the output, that of the residual.
inline constexpr activation_tensor packkit_train_block_end[] = {
    {"input, output and gradients", activation_width::hidden, activation_element::compute,
     activation_cut::sequence, checkpointing_kind::full, 4},
    {"norm's output, its gradients from queries and from keys and values",
     activation_width::hidden, activation_element::compute, activation_cut::never,
     checkpointing_kind::full, 3},
    {"gradient of queries", activation_width::query, activation_element::compute,
     activation_cut::tensor},
};
inline constexpr activation_tensor packkit_train_row[] = {
    {"ids and targets", activation_width::one, activation_element::index,
     activation_cut::never, checkpointing_kind::full, 2},
    {"rotary tables", activation_width::rotary, activation_element::compute,
     activation_cut::never, checkpointing_kind::full, 2},
};
inline constexpr activation_tensor packkit_train_head[] = {
    {"final norm's input", activation_width::hidden, activation_element::compute,
     activation_cut::sequence},
    {"head's input and its gradient", activation_width::hidden,
     activation_element::compute, activation_cut::never, checkpointing_kind::none, 2},
};
// Of a chunk of tokens: logits, over which their gradient is written.
inline constexpr activation_tensor packkit_train_loss[] = {
    {"logits", activation_width::vocabulary},
    {"head's input", activation_width::hidden, activation_element::compute,
     activation_cut::never},
    {"its gradient from each slice of the vocabulary", activation_width::hidden,
     activation_element::accumulation, activation_cut::never, checkpointing_kind::none,
     loss_slices},
    {"largest logit, sum of powers and target's logit", activation_width::one,
     activation_element::index, activation_cut::never, checkpointing_kind::none, 3},
};
inline constexpr activation_tensor packkit_train_head_end[] = {
    {"final norm's input, gradients of its output and input", activation_width::hidden,
     activation_element::compute, activation_cut::sequence, checkpointing_kind::full, 3},
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
