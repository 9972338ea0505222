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
#include <packkit/activation_profiles.hpp>
#include <packkit/error.hpp>
#include <packkit/model_layout.hpp>
#include <packkit/state_memory.hpp>
#include <packkit/training_setup.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace packkit {

/// What one rank holds at the moment of the peak.
struct memory_bytes {
    std::int64_t parameters = 0;  ///< shards that stay
    std::int64_t gradients = 0;   ///< accumulated, and a unit's full ones
    std::int64_t optimizer = 0;
    std::int64_t activations = 0;
    std::int64_t logits = 0;               ///< and their copies
    std::int64_t gathered_parameters = 0;  ///< full weights in use, cast ones too
    std::int64_t communication = 0;        ///< buffers of collectives

    [[nodiscard]] constexpr std::int64_t total() const {
        return parameters + gradients + optimizer + activations + logits +
               gathered_parameters + communication;
    }
    friend constexpr bool operator==(const memory_bytes&, const memory_bytes&) = default;
};

/// When the peak is.
enum class peak_moment : std::uint8_t {
    loss,
    head_backward,
    block_backward,
    embedding_backward,
    optimizer,
};

inline constexpr std::array<std::string_view, 5> peak_moment_names = {
    "loss", "head backward", "block backward", "embedding backward", "optimizer"};

[[nodiscard]] constexpr std::string_view to_string(peak_moment moment) {
    return peak_moment_names.at(static_cast<std::size_t>(moment));
}

/// Memory of the rank that holds most.
struct memory_estimate {
    memory_bytes bytes;
    peak_moment at = peak_moment::optimizer;
    std::int64_t host_bytes = 0;  ///< offloaded masters and optimizer state
};

namespace detail {

constexpr void check_memory_setup(const training_setup& setup) {
    const auto positive = [](const char* name, std::int64_t value) {
        if (value < 1) {
            throw_invalid_argument(name, " is ", value, ", it must be at least 1");
        }
    };
    positive("sequence_len", setup.sequence_len);
    positive("micro_batch_size", setup.micro_batch_size);
    positive("gradient_accumulation_steps", setup.gradient_accumulation_steps);
    positive("dp_replicate", setup.mesh.dp_replicate);
    positive("dp_shard", setup.mesh.dp_shard);
    positive("cp", setup.mesh.cp);
    positive("tp", setup.mesh.tp);
    std::int64_t tokens = 0;
    if (__builtin_mul_overflow(setup.sequence_len, setup.micro_batch_size, &tokens) ||
        tokens > (std::int64_t{1} << 46)) {
        throw_invalid_argument("micro_batch_size ", setup.micro_batch_size,
                               " x sequence_len ", setup.sequence_len,
                               " is more tokens than can be counted in bytes");
    }
}

}  // namespace detail

/// Bytes of states that stay on the rank between steps, and those in host memory.
/// `elements` as `elements_per_rank(layout, tp, sharding_ranks)`.
///
/// With `offload_optimizer` moments, and masters where the computation is 16-bit, are in
/// host memory; parameters then stay in the compute type.
[[nodiscard]] constexpr memory_estimate state_memory(const sharded_elements& elements,
                                                     const training_setup& setup) {
    state_bytes bytes = state_bytes_of(setup.precision, setup.optimizer, setup.sharding);
    std::int64_t host = 0;
    if (setup.offload_optimizer) {
        host = bytes.optimizer;
        bytes.optimizer = 0;
        const std::int64_t compute = compute_bytes(setup.precision);
        if (bytes.parameter != compute) {
            host += bytes.parameter;
            bytes.parameter = compute;
        }
    }
    const shared_states shared = shared_by(setup.sharding);
    const auto held = [&](bool cut) { return cut ? elements.shard() : elements.whole(); };
    memory_estimate result;
    result.bytes.parameters = bytes.parameter * held(shared.parameters);
    result.bytes.gradients = bytes.gradient * held(shared.gradients);
    result.bytes.optimizer = bytes.optimizer * held(shared.optimizer);
    result.host_bytes = host * held(shared.optimizer);
    return result;
}

namespace detail {

/// Bytes of weights and gradients of one unit on their way.
struct traveling_weights {
    std::int64_t ranks, gathered_element, reduced_element, gradient_element;
    std::int64_t gather_buffers;
    bool in_place;  ///< used where they lie: nothing to gather or cast
    bool gathers, reduces;

    constexpr traveling_weights(const training_setup& setup,
                                const weight_traffic& weights)
        : ranks(setup.sharding_ranks()),
          gathered_element(weights.gathered_element_bytes),
          reduced_element(weights.reduced_element_bytes),
          gradient_element(compute_bytes(setup.precision)),
          gather_buffers(weights.gather_buffers),
          in_place(false),
          gathers(ranks > 1 && shared_by(setup.sharding).parameters),
          reduces(ranks > 1 && shared_by(setup.sharding).gradients) {
        const state_bytes states =
            state_bytes_of(setup.precision, setup.optimizer, setup.sharding);
        if (gathered_element == 0) gathered_element = gradient_element;
        if (reduced_element == 0) reduced_element = states.gradient;
        in_place =
            !gathers && (states.parameter == gathered_element || setup.offload_optimizer);
    }

    /// Whole weights in the type that computes with them.
    [[nodiscard]] constexpr std::int64_t gathered(std::int64_t elements) const {
        return in_place ? 0 : elements * gathered_element;
    }
    /// What every rank receives, padding included.
    [[nodiscard]] constexpr std::int64_t gather_buffer(std::int64_t shard) const {
        return gathers ? gather_buffers * shard * ranks * gathered_element : 0;
    }
    /// Gradients of all ranks' shards to send, and this rank's sum.
    [[nodiscard]] constexpr std::int64_t reduce_buffer(std::int64_t shard) const {
        return reduces ? shard * (ranks + 1) * reduced_element : 0;
    }
    /// Whole gradients as backward makes them.
    [[nodiscard]] constexpr std::int64_t gradients(std::int64_t elements) const {
        return elements * gradient_element;
    }
};

}  // namespace detail

/// Memory of one rank at its peak, from a model's elements on the rank and its summed
/// activations, both made once for many setups. O(1), no allocation.
///
/// @param elements  `elements_per_rank(layout, setup.mesh.tp, setup.sharding_ranks())`
/// @throws invalid_argument for a size below 1, or bytes beyond int64
[[nodiscard]] constexpr memory_estimate estimate_memory(
    const sharded_elements& elements, const activation_sums& activations,
    const training_setup& setup) {
    detail::check_memory_setup(setup);
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

    const std::int64_t chunk = activations.loss_chunk_tokens;
    const bool chunked = chunk > 0 && chunk < tokens;
    memory_bytes loss = states.bytes;
    loss.activations = row + kept + activations.head.bytes(setup, tokens);
    loss.logits = activations.loss.bytes(setup, chunked ? chunk : tokens);
    loss.gathered_parameters =
        travel.gathered((stay != 0 ? stay : head.largest) + unfreed);
    // The chunks before have left their part of the head's gradient.
    if (chunked) loss.gradients += travel.gradients(head.largest);
    consider(peak_moment::loss, loss);

    memory_bytes head_done = loss;
    head_done.logits = 0;
    head_done.gradients = states.bytes.gradients + travel.gradients(head.largest);
    head_done.communication = together ? 0 : travel.reduce_buffer(head.largest_shard);
    consider(peak_moment::head_backward, head_done);

    // The first block in backward, when the others still wait; the last, when most
    // reductions are on their way.
    memory_bytes first = states.bytes;
    first.gathered_parameters = travel.gathered(
        stay + (setup.reshard_after_forward
                    ? std::min(weights.gathered_blocks, layers) * block.largest
                    : 0));
    if (together) first.gradients += travel.gradients(head.largest);
    memory_bytes gathering = first;
    first.gradients += travel.gradients(block.largest);
    memory_bytes reducing = first;
    memory_bytes last = first;
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
    embedding.communication =
        travel.reduce_buffer(together ? ends_shard : elements.embedding.largest_shard) +
        std::min(in_flight - 1, layers) * block_reduction +
        (in_flight > layers + 1 ? head_reduction : 0);
    consider(peak_moment::embedding_backward, embedding);
    return best;
}

/// Memory of the rank that holds most, at its peak. O(different parameters of the model).
/// @throws invalid_argument as `elements_per_rank` and the overload above
[[nodiscard]] inline memory_estimate estimate_memory(
    const model_layout& layout, const training_setup& setup,
    const activation_profile& profile = pytorch_activations) {
    detail::check_memory_setup(setup);
    return estimate_memory(
        elements_per_rank(layout, setup.mesh.tp, setup.sharding_ranks()),
        activation_sums(layout.shape(), profile), setup);
}

}  // namespace packkit
