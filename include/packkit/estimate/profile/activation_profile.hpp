// SPDX-License-Identifier: Apache-2.0
/// @file
/// What an implementation holds beside the model's states, as a list that can be read:
/// the tensors that wait for backward, those of a block at work, and how weights are
/// gathered.
///
/// A system is described by a value of `activation_profile`, never by formulas of its
/// own. `systems.hpp` has those there are, by name.
#pragma once

#include <packkit/estimate/training_setup.hpp>

#include <cstdint>
#include <span>
#include <string_view>

namespace packkit {

/// Elements of a tensor per token. A width that a model or a layer does not have is 0.
enum class activation_width : std::uint8_t {
    one,
    hidden,
    query,          ///< heads x head_dim
    key_value,      ///< key/value heads x head_dim
    rotary,         ///< head_dim of models with rotary positions
    heads,          ///< one number a head: log-sum-exp
    scores,         ///< heads x sequence_len: attention written out
    normed_query,   ///< query, where queries and keys are normalised
    normed_key,     ///< key_value, where they are
    post_norm,      ///< hidden, where attention and feed-forward end in a norm
    intermediate,   ///< of all experts that a token visits
    gate,           ///< intermediate, where feed-forward is gated
    experts,        ///< number of experts
    routed_hidden,  ///< hidden x experts per token
    vocabulary,
};

/// Type of a tensor's elements.
enum class activation_element : std::uint8_t {
    compute,       ///< that of forward and backward
    accumulation,  ///< float32, float64 where all is float64: statistics, losses
    index,         ///< 64-bit integers
    mask,          ///< a byte
};

/// Whether tensor parallelism divides a tensor.
enum class activation_cut : std::uint8_t {
    tensor,    ///< always: inside attention and feed-forward
    sequence,  ///< only with sequence parallelism: norms, residuals, block inputs
    never,
    gathered,  ///< whole, and only with sequence parallelism, which gathers it for a
               ///< layer
    key_value_heads,  ///< into as many parts as there are heads, if tp is more: then
                      ///< ranks share a head, and each has it
};

/// One tensor, or `count` alike.
struct activation_tensor {
    std::string_view name;
    activation_width width = activation_width::hidden;
    activation_element element = activation_element::compute;
    activation_cut cut = activation_cut::tensor;
    /// The most that may be recomputed while this one is still kept: `none` for what any
    /// checkpointing drops, `full` for the input that a block is recomputed from.
    checkpointing_kind kept = checkpointing_kind::none;
    std::int64_t count = 1;
};

namespace detail::activation_lists {

// The words that the lists of tensors are written in.
using enum activation_width;
using enum activation_element;
using enum activation_cut;
using enum checkpointing_kind;

}  // namespace detail::activation_lists

/// How sharded weights and their gradients are moved.
struct weight_traffic {
    /// Blocks whose gathered weights are held at once: 2 where the next is fetched while
    /// one computes.
    std::int64_t gathered_blocks = 1;
    /// Blocks whose weights stay gathered from forward to backward: 1 where the last one,
    /// which is needed again at once, does.
    std::int64_t unfreed_blocks = 0;
    /// Embedding and head are gathered as one unit and stay until their backward.
    bool embedding_with_head = false;
    /// Bytes of a gathered weight; 0: those of an element in forward and backward.
    std::int64_t gathered_element_bytes = 0;
    /// Copies of a unit that an all-gather's buffers hold beside the gathered weights.
    std::int64_t gather_buffers = 1;
    /// Those buffers have a memory pool of their own, which keeps its largest size (in
    /// PyTorch's allocator, that of a second stream).
    bool gather_pool = false;
    /// Units whose reduce-scatters hold their buffers at once; 0: all of them, until the
    /// step's end.
    std::int64_t reductions_in_flight = 1;
    /// Gradients are freed after a step and made anew by its backward: with one
    /// micro-batch a step there are none at the loss.
    bool gradients_freed = false;
    /// Copies of a unit's gradients that a reduction holds: 1 for what is sent (or summed
    /// in place, over replicas), 2 with what is received.
    std::int64_t reduction_copies = 1;
    /// The step runs in program order, one reduction beside the next unit's backward:
    /// what is alive is known at every moment (`estimate/memory_timeline.hpp`). Otherwise
    /// weights and gradients travel beside computation, and the moments are upper bounds.
    bool in_order = false;
    /// Bytes of an element that is reduced; 0: those of the accumulated gradient.
    std::int64_t reduced_element_bytes = 0;
};

/// What an implementation holds. The spans outlive the profile: lists are `constexpr`.
struct activation_profile {
    std::string_view name;
    /// Tensors of each block, from its forward to its backward.
    std::span<const activation_tensor> block = {};
    /// Tensors of one block besides those while it is differentiated: gradients and
    /// temporaries alive at its peak. What was recomputed is added by itself.
    std::span<const activation_tensor> block_backward = {};
    /// In order only: gradients between two blocks; what a block's backward holds at its
    /// end, when its own kept tensors are gone and all of its gradients there.
    std::span<const activation_tensor> boundary = {}, block_end = {};
    /// Buffers of the ring of context parallelism, where cp > 1.
    std::span<const activation_tensor> ring = {};
    /// Tensors of a micro-batch, once: ids, targets, rotary tables.
    std::span<const activation_tensor> row = {};
    /// Tensors of final norm and head, besides the logits, until they are differentiated.
    std::span<const activation_tensor> head = {};
    /// Logits and their copies when most are alive, at the loss or its backward.
    std::span<const activation_tensor> loss = {};
    /// The same where tp cuts the logits; empty: as `loss`.
    std::span<const activation_tensor> cut_loss = {};
    /// In order only: of the final norm while it is differentiated, when the logits are
    /// gone.
    std::span<const activation_tensor> head_end = {};
    /// Tokens whose logits exist at once; 0: all of the micro-batch. In order, chunks are
    /// differentiated in forward, and the head's gradient is summed in the accumulation
    /// type until backward.
    std::int64_t loss_chunk_tokens = 0;
    weight_traffic weights = {};
};

}  // namespace packkit
