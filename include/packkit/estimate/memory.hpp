// SPDX-License-Identifier: Apache-2.0
/// @file
/// Memory of one rank at its peak, by component: states exact with padded shards,
/// activations from a profile's list, weights and gradients while they travel.
/// The estimate is that of the largest phase of a step, see `memory_timeline.hpp`.
#pragma once

#include <packkit/estimate/activation_memory.hpp>
#include <packkit/estimate/memory_result.hpp>
#include <packkit/estimate/memory_timeline.hpp>
#include <packkit/estimate/profile/activation_profile.hpp>
#include <packkit/estimate/profile/packkit_train.hpp>
#include <packkit/estimate/training_setup.hpp>
#include <packkit/model/layout.hpp>

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
    const bool in_order =
        activations.weights.in_order &&
        (setup.sharding == sharding_kind::ddp || setup.sharding == sharding_kind::fsdp);
    return in_order ? detail::program_order(elements, activations, setup).peak()
                    : detail::overlapped_order(elements, activations, setup).peak();
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
