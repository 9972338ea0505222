// SPDX-License-Identifier: Apache-2.0
/// @file
/// Systems as published runs found them, where they differ from
/// `estimate/profile/systems.hpp`.
#pragma once

#include <packkit/estimate/profile/systems.hpp>

namespace published {

using packkit::activation_tensor;
using packkit::torchtitan_activations;
using cut = packkit::activation_cut;
using element = packkit::activation_element;
using width = packkit::activation_width;

/// torchtitan until June 2024, named torchtrain: the model returned float32 logits and
/// the caller kept them through backward.
inline constexpr activation_tensor torchtrain_loss[] = {
    {"logits or their gradient", width::vocabulary},
    {"logits, log-probabilities and gradients", width::vocabulary, element::accumulation,
     cut::tensor, packkit::checkpointing_kind::none, 4},
};
inline constexpr packkit::activation_profile torchtrain = [] {
    auto profile = torchtitan_activations;
    profile.name = "torchtrain";
    profile.loss = torchtrain_loss;
    return profile;
}();

/// What torch.cuda.max_memory_allocated sees of the same: no freed blocks, no pools, and
/// gradients that optimizer.zero_grad() has freed.
inline constexpr packkit::activation_profile torchtrain_active = [] {
    auto profile = torchtrain;
    profile.name = "torchtrain, active";
    profile.loss = std::span(torchtrain_loss).last(1);
    profile.weights.gather_pool = false;
    profile.weights.gradients_freed = true;
    return profile;
}();

/// torchtune with CEWithChunkedOutputLoss, compiled: logits in chunks, all of them bf16,
/// and their gradients.
inline constexpr packkit::activation_profile torchtune_chunked = [] {
    auto profile = packkit::torchtune_activations;
    profile.name = "torchtune, chunked loss";
    profile.loss = packkit::llm_foundry_activations.loss;
    return profile;
}();

}  // namespace published
