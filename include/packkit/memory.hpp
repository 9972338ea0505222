// SPDX-License-Identifier: Apache-2.0
/// @file
/// Memory of one rank at its peak, by component: states exact with padded shards,
/// activations from a profile's list, weights and gradients while they travel.
///
/// The moments that can be the peak: the loss, when every block's activations and the
/// logits are alive; the backward of the head, of a block and of the embedding, when
/// gathered weights, full gradients and a working set join what is still kept; the
/// optimizer, when nothing but states is left. The estimate is that of the largest.
#pragma once

#include <packkit/activation_memory.hpp>
#include <packkit/activation_profile.hpp>
#include <packkit/in_order_memory.hpp>
#include <packkit/memory_estimate.hpp>
#include <packkit/model_layout.hpp>
#include <packkit/packkit_train_activations.hpp>
#include <packkit/training_setup.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace packkit {

/// Memory of one rank at its peak, from a model's elements on the rank and its summed
/// activations, both made once for many setups. O(1), no allocation.
///
/// @param elements  `elements_per_rank(layout, setup.mesh.tp, setup.sharding_ranks())`
/// @throws invalid_argument for a size below 1, or bytes beyond int64
[[nodiscard]] constexpr memory_estimate estimate_memory(
    const sharded_elements& elements, const activation_sums& activations,
    const training_setup& setup) {
    detail::check_memory_setup(setup);
    if (activations.weights.in_order &&
        (setup.sharding == sharding_kind::ddp || setup.sharding == sharding_kind::fsdp)) {
        return detail::in_order_memory(elements, activations, setup);
    }
    const memory_estimate states = state_memory(elements, setup);
    const weight_traffic& weights = activations.weights;
    const detail::traveling_weights travel(setup, weights);
    const auto& block = elements.blocks;
    const bool tied = elements.head.copies == 0;
    const auto& head = tied ? elements.embedding : elements.head;
    const std::int64_t layers = activations.layers();
    const std::int64_t tokens = setup.micro_tokens();
    const std::int64_t row = activations.row.bytes(setup, tokens);
    const std::int64_t kept =
        activations.kept.at(static_cast<std::size_t>(setup.checkpointing))
            .bytes(setup, tokens);
    const std::int64_t working = activations.working_bytes(setup, tokens);

    // Embedding and head that are one unit stay gathered, and so do their gradients.
    const bool together = tied || weights.embedding_with_head;
    const std::int64_t ends = elements.embedding.whole + elements.head.whole;
    const std::int64_t ends_shard = elements.embedding.shard + elements.head.shard;
    const std::int64_t stay = !setup.reshard_after_forward  ? elements.whole()
                              : weights.embedding_with_head ? ends
                                                            : 0;
    const std::int64_t unfreed =
        setup.reshard_after_forward ? weights.unfreed_blocks * block.largest : 0;
    const std::int64_t in_flight =
        weights.reductions_in_flight == 0 ? layers + 2 : weights.reductions_in_flight;
    // A pool of its own never shrinks: it is there at every moment.
    const std::int64_t pool =
        weights.gather_pool
            ? travel.gather_buffer(
                  std::max(weights.embedding_with_head ? ends_shard : head.largest_shard,
                           block.largest_shard))
            : 0;

    memory_estimate best = states;
    best.bytes.communication = pool;
    const auto consider = [&](peak_moment at, memory_bytes held) {
        held.communication += pool;
        if (held.total() > best.bytes.total()) {
            best.bytes = held;
            best.at = at;
        }
    };

    memory_bytes before_backward = states.bytes;
    if (weights.gradients_freed && setup.gradient_accumulation_steps == 1) {
        before_backward.gradients = 0;
    }
    const std::int64_t chunk = activations.loss_chunk_tokens;
    const bool chunked = chunk > 0 && chunk < tokens;
    memory_bytes loss = before_backward;
    loss.activations = row + kept + activations.head.bytes(setup, tokens);
    loss.logits = activations.loss_bytes(setup, chunked ? chunk : tokens);
    loss.gathered_parameters =
        travel.gathered((stay != 0 ? stay : head.largest) + unfreed);
    // The chunks before have left their part of the head's gradient.
    if (chunked) loss.gradients += travel.gradients(head.largest);
    consider(peak_moment::loss, loss);

    memory_bytes head_done = loss;
    head_done.logits = 0;
    head_done.gradients = before_backward.gradients + travel.gradients(head.largest);
    head_done.communication = together ? 0 : travel.reduce_buffer(head.largest_shard);
    consider(peak_moment::head_backward, head_done);

    // The first block in backward, when the others still wait; the last, when most
    // reductions are on their way.
    memory_bytes first = before_backward;
    first.gathered_parameters = travel.gathered(
        stay + (setup.reshard_after_forward
                    ? std::min(weights.gathered_blocks, layers) * block.largest
                    : 0));
    if (together) first.gradients += travel.gradients(head.largest);
    memory_bytes gathering = first;
    first.gradients += travel.gradients(block.largest);
    memory_bytes reducing = first;
    memory_bytes last = first;
    last.gradients += states.bytes.gradients - before_backward.gradients;
    first.activations = row + kept + working;
    last.activations = row + kept / layers + working;
    if (setup.mesh.cp > 1) {
        first.communication = last.communication = activations.ring.bytes(setup, tokens);
    }
    const std::int64_t head_reduction =
        together ? 0 : travel.reduce_buffer(head.largest_shard);
    const std::int64_t block_reduction = travel.reduce_buffer(block.largest_shard);
    if (in_flight > 1) first.communication += head_reduction;
    last.communication += std::min(in_flight, layers) * block_reduction - block_reduction;
    if (in_flight > layers) last.communication += head_reduction;
    consider(peak_moment::block_backward, first);
    consider(peak_moment::block_backward, last);

    reducing.activations = row + kept - kept / layers;
    reducing.communication = block_reduction;
    consider(peak_moment::block_backward, reducing);
    if (!weights.gather_pool) {
        gathering.activations = row + kept;
        gathering.communication = travel.gather_buffer(block.largest_shard);
        consider(peak_moment::block_backward, gathering);
    }

    memory_bytes embedding = states.bytes;
    embedding.activations = row;
    embedding.gathered_parameters = travel.gathered(together ? ends : 0);
    embedding.gradients += travel.gradients(together ? ends : elements.embedding.largest);
    // A tied table has a gradient as embedding and one as head.
    if (tied) embedding.gradients += elements.embedding.largest * travel.gradient_element;
    embedding.communication =
        travel.reduce_buffer(together ? ends_shard : elements.embedding.largest_shard) +
        std::min(in_flight - 1, layers) * block_reduction +
        (in_flight > layers + 1 ? head_reduction : 0);
    consider(peak_moment::embedding_backward, embedding);
    return best;
}

/// Memory of the rank that holds most, at its peak; by default as packkit-train holds it.
/// O(different parameters of the model).
/// @throws invalid_argument as `elements_per_rank` and the overload above
[[nodiscard]] inline memory_estimate estimate_memory(
    const model_layout& layout, const training_setup& setup,
    const activation_profile& profile = packkit_train_activations) {
    detail::check_memory_setup(setup);
    return estimate_memory(
        elements_per_rank(layout, setup.mesh.tp, setup.sharding_ranks()),
        activation_sums(layout.shape(), profile), setup);
}

}  // namespace packkit
