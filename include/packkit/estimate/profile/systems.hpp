// SPDX-License-Identifier: Apache-2.0
/// @file
/// Systems that train elsewhere, described as `packkit-train` is: what their sources keep
/// for backward and how they move weights. All profiles by name, to plan for another
/// system or to hold a published run against.
#pragma once

#include <packkit/estimate/profile/activation_profile.hpp>
#include <packkit/estimate/profile/megatron_pytorch.hpp>
#include <packkit/estimate/profile/packkit_train.hpp>

#include <array>
#include <span>
#include <string_view>

namespace packkit {

namespace detail::activation_lists {

// --- torchtitan's Llama: FSDP2 around each block, the rest one unit --------------------

// Selective checkpointing ("op") keeps attention and every second matrix product of q, k,
// v, o, gate, up, down: q, v, gate and down
// (torchtitan/parallelisms/parallelize_llama.py, _save_list).
inline constexpr activation_tensor torchtitan_block[] = {
    {"block input", hidden, compute, sequence, full},
    {"norms' statistics", one, accumulation, sequence, none, 2},
    {"attention input", hidden, compute, sequence},
    {"q", query, compute, tensor, selective},
    {"v", key_value, compute, tensor, selective},
    {"rotated q, repeated k and v", query, compute, tensor, none, 3},
    {"attention output", query, compute, tensor, selective},
    {"log-sum-exp", heads, accumulation, tensor, selective},
    {"second norm's input", hidden, compute, sequence},
    {"feed-forward input", hidden, compute, sequence},
    {"gate", gate, compute, tensor, selective},
    {"activation of the gate", gate},
    {"up", intermediate},
    {"down's input", intermediate},
    {"down's output", hidden, compute, sequence, selective},
};
inline constexpr activation_tensor torchtitan_head[] = {
    {"final norm's input", hidden, compute, sequence},
    {"head's input", hidden, compute, sequence},
    {"head's input, gathered, and its gradient", hidden, compute, gathered, none, 2},
};
// cross_entropy(pred.flatten(0, 1).float(), ...) with pred deleted before backward:
// log-probabilities and two gradients; the allocator keeps the freed logits' block for
// their gradient.
inline constexpr activation_tensor torchtitan_loss[] = {
    {"logits or their gradient", vocabulary},
    {"log-probabilities and gradients", vocabulary, accumulation, tensor, none, 3},
};
// The loss of logits that tp splits (torch/distributed/tensor/parallel/loss.py): backward
// holds log-probabilities, the gradient of nll_loss, their exponentials and the sum of
// both.
inline constexpr activation_tensor torchtitan_cut_loss[] = {
    {"logits or their gradient", vocabulary},
    {"log-probabilities, gradients, exponentials", vocabulary, accumulation, tensor, none,
     4},
};
// A compiled loss fuses the casts.
inline constexpr activation_tensor bf16_loss[] = {
    {"logits and their gradient", vocabulary, compute, tensor, none, 2},
};

// --- LLM Foundry's MPT: no dropout, fused attention and fused cross entropy
// -------------

inline constexpr activation_tensor mpt_block[] = {
    {"block input", hidden, compute, sequence, full},
    {"norms' statistics", one, accumulation, sequence, none, 4},
    {"attention input", hidden, compute, sequence},
    {"query", query},
    {"key and value", key_value, compute, tensor, none, 2},
    {"attention output", query},
    {"log-sum-exp", heads, accumulation},
    {"second norm's input", hidden, compute, sequence},
    {"feed-forward input", hidden, compute, sequence},
    {"GeLU input and output", intermediate, compute, tensor, none, 2},
};

// --- torchtune on one GPU: norms in float32, keys and values expanded
// -------------------

inline constexpr activation_tensor torchtune_block[] = {
    {"block input", hidden, compute, sequence, full},
    {"norms' input in float32", hidden, accumulation, sequence, none, 2},
    // There are four of these; without checkpointing the block's input is not kept.
    {"normed and scaled", hidden, compute, sequence, none, 3},
    {"q, expanded k and v", query, compute, tensor, none, 3},
    {"attention output", query},
    {"log-sum-exp", heads, accumulation},
    {"gate and its activation", gate, compute, tensor, none, 2},
    {"up and down's input", intermediate, compute, tensor, none, 2},
};
// The caller deletes the logits before backward.
inline constexpr activation_tensor torchtune_loss[] = {
    {"log-probabilities and gradients", vocabulary, accumulation, tensor, none, 3},
};

inline constexpr weight_traffic fsdp2 = {.gathered_blocks = 2,
                                         .unfreed_blocks = 1,
                                         .embedding_with_head = true,
                                         .gather_pool = true};

}  // namespace detail::activation_lists

/// torchtitan (Liang et al. 2024, arXiv 2410.06511) at the end of 2024: memory as its
/// logs report it, reserved by PyTorch's allocator. Llama only.
inline constexpr activation_profile torchtitan_activations = {
    .name = "torchtitan",
    .block = detail::activation_lists::torchtitan_block,
    .block_backward = detail::activation_lists::pytorch_block_backward,
    .ring = detail::activation_lists::pytorch_ring,
    .row = detail::activation_lists::pytorch_row,
    .head = detail::activation_lists::torchtitan_head,
    .loss = detail::activation_lists::torchtitan_loss,
    .cut_loss = detail::activation_lists::torchtitan_cut_loss,
    .weights = detail::activation_lists::fsdp2};

/// The same with its loss compiled: logits and their gradient in bf16 are all.
inline constexpr activation_profile torchtitan_compiled_loss_activations = [] {
    auto profile = torchtitan_activations;
    profile.name = "torchtitan-compiled-loss";
    profile.loss = detail::activation_lists::bf16_loss;
    profile.cut_loss = {};
    return profile;
}();

/// LLM Foundry v0.4: MPT without dropout; fused cross entropy keeps logits and their
/// gradient in bf16 (llmfoundry/models/mpt/modeling_mpt.py, loss_fn fused_crossentropy).
inline constexpr activation_profile llm_foundry_activations = {
    .name = "llm-foundry",
    .block = detail::activation_lists::mpt_block,
    .block_backward = detail::activation_lists::pytorch_block_backward,
    .ring = detail::activation_lists::pytorch_ring,
    .row = detail::activation_lists::pytorch_row,
    .head = detail::activation_lists::pytorch_head,
    .loss = detail::activation_lists::bf16_loss,
    .weights = detail::activation_lists::fsdp2};

/// torchtune's single-device recipes at the end of 2024, eager.
inline constexpr activation_profile torchtune_activations = {
    .name = "torchtune",
    .block = detail::activation_lists::torchtune_block,
    .block_backward = detail::activation_lists::pytorch_block_backward,
    .row = detail::activation_lists::pytorch_row,
    .head = detail::activation_lists::pytorch_head,
    .loss = detail::activation_lists::torchtune_loss,
    .weights = {.gradients_freed = true}};

inline constexpr std::array<activation_profile, 7> named_profile_list = {
    packkit_train_activations,
    pytorch_activations,
    megatron_activations,
    torchtitan_activations,
    torchtitan_compiled_loss_activations,
    llm_foundry_activations,
    torchtune_activations};

/// All profiles, packkit-train's first.
[[nodiscard]] constexpr std::span<const activation_profile> named_profiles() {
    return named_profile_list;
}

/// The profile of that name, or null.
[[nodiscard]] constexpr const activation_profile* find_profile(std::string_view name) {
    for (const activation_profile& profile : named_profile_list) {
        if (profile.name == name) return &profile;
    }
    return nullptr;
}

}  // namespace packkit
