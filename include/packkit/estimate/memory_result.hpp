// SPDX-License-Identifier: Apache-2.0
/// @file
/// Memory of one rank by component and by moment; its states, and the weights and
/// gradients of a unit on their way. What `memory.hpp` sums.
#pragma once

#include <packkit/error.hpp>
#include <packkit/estimate/profile/activation_profile.hpp>
#include <packkit/estimate/state_memory.hpp>
#include <packkit/estimate/training_setup.hpp>
#include <packkit/model/layout.hpp>
#include <packkit/utility/batch_size.hpp>

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
    check_positive("sequence_len", setup.sequence_len);
    check_positive("micro_batch_size", setup.micro_batch_size);
    check_positive("gradient_accumulation_steps", setup.gradient_accumulation_steps);
    check_positive("dp_replicate", setup.mesh.dp_replicate);
    check_positive("dp_shard", setup.mesh.dp_shard);
    check_positive("cp", setup.mesh.cp);
    check_positive("tp", setup.mesh.tp);
    if (static_cast<std::size_t>(setup.checkpointing) >= checkpointing_names.size()) {
        throw_invalid_argument("checkpointing_kind has no value ",
                               static_cast<int>(setup.checkpointing));
    }
    std::int64_t ranks = 0;
    if (__builtin_mul_overflow(setup.mesh.dp_shard, setup.mesh.cp, &ranks) ||
        ranks > (std::int64_t{1} << 24)) {
        throw_invalid_argument("dp_shard ", setup.mesh.dp_shard, " x cp ", setup.mesh.cp,
                               " is more ranks than states are shared among");
    }
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
struct in_flight_buffers {
    std::int64_t ranks, gathered_element, reduced_element, gradient_element;
    std::int64_t summed_element;  ///< of sums over chunks of a micro-batch
    std::int64_t gather_buffers;
    bool in_place;  ///< used where they lie: nothing to gather or cast
    bool gathers, reduces;
    bool accumulates;  ///< backward's gradients are added to others, or reduced

    constexpr in_flight_buffers(const training_setup& setup,
                                const weight_traffic& weights)
        : ranks(setup.sharding_ranks()),
          gathered_element(weights.gathered_element_bytes),
          reduced_element(weights.reduced_element_bytes),
          gradient_element(compute_bytes(setup.precision)),
          summed_element(std::max<std::int64_t>(gradient_element, 4)),
          gather_buffers(weights.gather_buffers),
          in_place(false),
          gathers(ranks > 1 && shared_by(setup.sharding).parameters),
          reduces(ranks > 1 && shared_by(setup.sharding).gradients),
          accumulates(true) {
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
    /// Whole gradients as backward makes them, where they are not the accumulated ones.
    [[nodiscard]] constexpr std::int64_t gradients(std::int64_t elements) const {
        return accumulates ? elements * gradient_element : 0;
    }
};

}  // namespace detail

}  // namespace packkit
