// SPDX-License-Identifier: Apache-2.0
/// @file
/// Other systems as values of `activation_profile`, each line from that system's source:
/// what a published run is held against, and how a reader describes a system of his own.
#pragma once

#include <packkit/activation_profile.hpp>
#include <packkit/activation_profiles.hpp>

namespace published {

using packkit::activation_tensor;
using packkit::checkpointing_kind;
using cut = packkit::activation_cut;
using element = packkit::activation_element;
using width = packkit::activation_width;

// --- torchtitan's Llama: FSDP2 around each block, the rest one unit --------------------

/// Selective checkpointing ("op") keeps attention and every second matrix product of
/// q, k, v, o, gate, up, down: q, v, gate and down (torchtitan/parallelisms/
/// parallelize_llama.py, _save_list).
inline constexpr auto always = checkpointing_kind::full;
inline constexpr auto saved = checkpointing_kind::selective;
inline constexpr auto recomputed = checkpointing_kind::none;
inline constexpr activation_tensor torchtitan_block[] = {
    {"block input", width::hidden, element::compute, cut::sequence, always},
    {"norms' statistics", width::one, element::accumulation, cut::sequence, recomputed,
     2},
    {"attention input", width::hidden, element::compute, cut::sequence},
    {"q", width::query, element::compute, cut::tensor, saved},
    {"v", width::key_value, element::compute, cut::tensor, saved},
    {"rotated q, repeated k and v", width::query, element::compute, cut::tensor,
     recomputed, 3},
    {"attention output", width::query, element::compute, cut::tensor, saved},
    {"log-sum-exp", width::heads, element::accumulation, cut::tensor, saved},
    {"second norm's input", width::hidden, element::compute, cut::sequence},
    {"feed-forward input", width::hidden, element::compute, cut::sequence},
    {"gate", width::gate, element::compute, cut::tensor, saved},
    {"activation of the gate", width::gate},
    {"up", width::intermediate},
    {"down's input", width::intermediate},
    {"down's output", width::hidden, element::compute, cut::sequence, saved},
};
inline constexpr activation_tensor torchtitan_head[] = {
    {"final norm's input", width::hidden, element::compute, cut::sequence},
    {"head's input", width::hidden, element::compute, cut::sequence},
    {"head's input, gathered, and its gradient", width::hidden, element::compute,
     cut::gathered, recomputed, 2},
};
/// cross_entropy(pred.flatten(0, 1).float(), ...) with pred deleted before backward:
/// log-probabilities and two gradients; the allocator keeps the freed logits' block for
/// their gradient.
inline constexpr activation_tensor torchtitan_loss[] = {
    {"logits or their gradient", width::vocabulary},
    {"log-probabilities and gradients", width::vocabulary, element::accumulation,
     cut::tensor, recomputed, 3},
};
/// Until June 2024 the model returned float32 logits and the caller kept them.
inline constexpr activation_tensor torchtrain_loss[] = {
    {"logits or their gradient", width::vocabulary},
    {"logits, log-probabilities and gradients", width::vocabulary, element::accumulation,
     cut::tensor, recomputed, 4},
};
inline constexpr activation_tensor torchtrain_active_loss[] = {
    {"logits, log-probabilities and gradients", width::vocabulary, element::accumulation,
     cut::tensor, recomputed, 4},
};
inline constexpr activation_tensor torchtitan_loss_parallel_list[] = {
    {"logits or their gradient", width::vocabulary},
    {"log-probabilities, gradients, exponentials", width::vocabulary,
     element::accumulation, cut::tensor, recomputed, 4},
};
/// A compiled loss fuses the casts: logits and their gradient are all.
inline constexpr activation_tensor torchtitan_compiled_loss_list[] = {
    {"logits and their gradient", width::vocabulary, element::compute, cut::tensor,
     recomputed, 2},
};

inline constexpr packkit::weight_traffic fsdp2 = {.gathered_blocks = 2,
                                                  .unfreed_blocks = 1,
                                                  .embedding_with_head = true,
                                                  .gather_pool = true};

inline constexpr packkit::activation_profile torchtitan = {
    .name = "torchtitan",
    .block = torchtitan_block,
    .block_backward = packkit::pytorch_activations.block_backward,
    .ring = packkit::pytorch_activations.ring,
    .row = packkit::pytorch_activations.row,
    .head = torchtitan_head,
    .loss = torchtitan_loss,
    .weights = fsdp2};

inline constexpr packkit::activation_profile torchtrain = [] {
    auto profile = torchtitan;
    profile.name = "torchtrain";
    profile.loss = torchtrain_loss;
    return profile;
}();

/// What torch.cuda.max_memory_allocated sees of the same: no freed blocks, no pools, and
/// gradients that optimizer.zero_grad() has freed.
inline constexpr packkit::activation_profile torchtrain_active = [] {
    auto profile = torchtrain;
    profile.name = "torchtrain, active";
    profile.loss = torchtrain_active_loss;
    profile.weights.gather_pool = false;
    profile.weights.gradients_freed = true;
    return profile;
}();

/// Loss of logits that tp cuts (torch/distributed/tensor/parallel/loss.py): backward
/// holds log-probabilities, the gradient of nll_loss, their exponentials and the sum of
/// both.
inline constexpr packkit::activation_profile torchtitan_loss_parallel = [] {
    auto profile = torchtitan;
    profile.name = "torchtitan, loss parallel";
    profile.loss = torchtitan_loss_parallel_list;
    return profile;
}();

inline constexpr packkit::activation_profile torchtitan_compiled_loss = [] {
    auto profile = torchtitan;
    profile.name = "torchtitan, compiled loss";
    profile.loss = torchtitan_compiled_loss_list;
    return profile;
}();

// --- LLM Foundry's MPT: no dropout, fused attention and fused cross entropy
// -------------

inline constexpr activation_tensor mpt_block[] = {
    {"block input", width::hidden, element::compute, cut::sequence, always},
    {"norms' statistics", width::one, element::accumulation, cut::sequence, recomputed,
     4},
    {"attention input", width::hidden, element::compute, cut::sequence},
    {"query", width::query},
    {"key and value", width::key_value, element::compute, cut::tensor, recomputed, 2},
    {"attention output", width::query},
    {"log-sum-exp", width::heads, element::accumulation},
    {"second norm's input", width::hidden, element::compute, cut::sequence},
    {"feed-forward input", width::hidden, element::compute, cut::sequence},
    {"GeLU input and output", width::intermediate, element::compute, cut::tensor,
     recomputed, 2},
};
/// modeling_mpt.py, loss_fn fused_crossentropy: logits stay bfloat16, the gradient is
/// new.
inline constexpr activation_tensor mpt_loss[] = {
    {"logits and their gradient", width::vocabulary, element::compute, cut::tensor,
     recomputed, 2},
};

inline constexpr packkit::activation_profile llm_foundry = {
    .name = "llm-foundry",
    .block = mpt_block,
    .block_backward = packkit::pytorch_activations.block_backward,
    .row = packkit::pytorch_activations.row,
    .head = packkit::pytorch_activations.head,
    .loss = mpt_loss,
    .weights = fsdp2};

// --- torchtune on one GPU: bf16 throughout, norms in float32, keys and values expanded
// ---

inline constexpr activation_tensor torchtune_block[] = {
    {"block input", width::hidden, element::compute, cut::sequence, always},
    {"norms' input in float32", width::hidden, element::accumulation, cut::sequence,
     recomputed, 2},
    // Of these there are four; without checkpointing the block's input is not kept.
    {"normed and scaled", width::hidden, element::compute, cut::sequence, recomputed, 3},
    {"q, expanded k and v", width::query, element::compute, cut::tensor, recomputed, 3},
    {"attention output", width::query},
    {"log-sum-exp", width::heads, element::accumulation},
    {"gate and its activation", width::gate, element::compute, cut::tensor, recomputed,
     2},
    {"up and down's input", width::intermediate, element::compute, cut::tensor,
     recomputed, 2},
};
/// The caller deletes the logits before backward.
inline constexpr activation_tensor torchtune_loss[] = {
    {"log-probabilities and gradients", width::vocabulary, element::accumulation,
     cut::tensor, recomputed, 3},
};
inline constexpr packkit::activation_profile torchtune = {
    .name = "torchtune",
    .block = torchtune_block,
    .block_backward = packkit::pytorch_activations.block_backward,
    .row = packkit::pytorch_activations.row,
    .head = packkit::pytorch_activations.head,
    .loss = torchtune_loss,
    .weights = {.gradients_freed = true}};

/// CEWithChunkedOutputLoss, compiled: logits in chunks, all of them bf16, and gradients.
inline constexpr activation_tensor torchtune_chunked_loss[] = {
    {"logits and their gradient", width::vocabulary, element::compute, cut::tensor,
     recomputed, 2},
};
inline constexpr packkit::activation_profile torchtune_chunked = [] {
    auto profile = torchtune;
    profile.name = "torchtune, chunked loss";
    profile.loss = torchtune_chunked_loss;
    return profile;
}();

}  // namespace published
