// SPDX-License-Identifier: Apache-2.0
/// @file
/// Memory of one rank at its peak, by component: states exact with padded shards,
/// activations from a profile's list, weights and gradients while they travel.
///
/// Three moments can be the peak: the loss, when every block's activations and the logits
/// are alive; the backward of a block, when its working set, its gathered weights and its
/// full gradients join what the other blocks still keep; the optimizer, when nothing but
/// states is left. The estimate is that of the largest.
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
enum class peak_moment : std::uint8_t { loss, block_backward, optimizer };

inline constexpr std::array<std::string_view, 3> peak_moment_names = {
    "loss", "block backward", "optimizer"};

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

inline void check_memory_setup(const training_setup& setup) {
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

/// Memory of one rank at its peak, from a model's elements on the rank and its summed
/// activations, both made once for many setups. O(1), no allocation.
///
/// @param elements  `elements_per_rank(layout, setup.mesh.tp, setup.sharding_ranks())`
/// @throws invalid_argument for a size below 1, or bytes beyond int64
[[nodiscard]] inline memory_estimate estimate_memory(const sharded_elements& elements,
                                                     std::int64_t layers,
                                                     const activation_sums& activations,
                                                     const training_setup& setup) {
    detail::check_memory_setup(setup);
    const memory_estimate states = state_memory(elements, setup);
    const weight_traffic& weights = activations.weights;
    const auto kind = static_cast<std::size_t>(setup.checkpointing);
    const std::int64_t tokens = setup.micro_tokens();
    const std::int64_t ranks = setup.sharding_ranks();
    const state_bytes element =
        state_bytes_of(setup.precision, setup.optimizer, setup.sharding);
    const std::int64_t compute = compute_bytes(setup.precision);
    const bool sharded = setup.sharding == sharding_kind::fsdp && ranks > 1;
    const bool reduced = ranks > 1 && (sharded || setup.sharding == sharding_kind::zero2);
    const std::int64_t gathered_element =
        weights.gathered_element_bytes != 0 ? weights.gathered_element_bytes : compute;
    const std::int64_t reduced_element = weights.reduced_element_bytes != 0
                                             ? weights.reduced_element_bytes
                                             : element.gradient;
    // Weights are used where they lie when nothing has to be gathered or cast.
    const bool held =
        !sharded && (element.parameter == gathered_element || setup.offload_optimizer);

    const auto gathered = [&](std::int64_t unit_elements) {
        return held ? 0 : unit_elements * gathered_element;
    };
    const auto gather_buffer = [&](std::int64_t shard_elements) {
        return sharded
                   ? weights.gather_buffers * shard_elements * ranks * gathered_element
                   : 0;
    };
    const auto reduce_buffer = [&](std::int64_t shard_elements) {
        return reduced ? weights.reductions_in_flight * shard_elements * (ranks + 1) *
                             reduced_element
                       : 0;
    };
    const auto& head = elements.head.copies != 0 ? elements.head : elements.embedding;
    const auto& block = elements.blocks;
    const std::int64_t stays = !setup.reshard_after_forward ? elements.whole()
                               : weights.embedding_with_head
                                   ? elements.embedding.whole + elements.head.whole
                                   : 0;

    const std::int64_t row = activations.row.bytes(setup, tokens);
    const std::int64_t kept = activations.block_kept[kind].bytes(setup, tokens);
    const std::int64_t all_kept = row + layers * kept;
    memory_estimate best = states;
    const auto consider = [&](peak_moment at, const memory_bytes& held_then) {
        if (held_then.total() > best.bytes.total()) {
            best.bytes = held_then;
            best.at = at;
        }
    };

    // The loss: every block waits, the head's weights are there.
    const std::int64_t chunk = activations.loss_chunk_tokens;
    const bool chunked = chunk > 0 && chunk < tokens;
    memory_bytes loss = states.bytes;
    loss.activations = all_kept + activations.head.bytes(setup, tokens);
    loss.logits = activations.loss.bytes(setup, chunked ? chunk : tokens);
    loss.gathered_parameters = gathered(stays != 0 ? stays : head.largest);
    if (chunked) loss.gradients += head.largest * gathered_element;
    consider(peak_moment::loss, loss);

    // The head's gradients are reduced: logits are gone.
    memory_bytes head_reduced = loss;
    head_reduced.logits = 0;
    head_reduced.gradients = states.bytes.gradients + head.largest * compute;
    head_reduced.communication = reduce_buffer(head.largest_shard);
    consider(peak_moment::loss, head_reduced);

    // The last block, first in backward.
    memory_bytes backward = states.bytes;
    backward.activations =
        all_kept + activations.block_working[kind].bytes(setup, tokens);
    const std::int64_t blocks = std::min(weights.gathered_blocks, layers);
    backward.gathered_parameters =
        gathered(setup.reshard_after_forward ? stays + blocks * block.largest : stays);
    backward.gradients += block.largest * compute;
    if (setup.mesh.cp > 1) {
        backward.communication += activations.ring.bytes(setup, tokens);
    }
    consider(peak_moment::block_backward, backward);

    memory_bytes moved = backward;
    moved.activations = all_kept;
    moved.communication = reduce_buffer(block.largest_shard);
    consider(peak_moment::block_backward, moved);
    moved.gradients = states.bytes.gradients;
    moved.communication = gather_buffer(block.largest_shard);
    consider(peak_moment::block_backward, moved);
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
        layout.shape().num_hidden_layers, activation_sums(layout.shape(), profile),
        setup);
}

}  // namespace packkit
