// SPDX-License-Identifier: Apache-2.0
/// @file
/// Why a plan does not fit, and which single change would make it fit.
#pragma once

#include <packkit/detail/divisors.hpp>
#include <packkit/detail/number_text.hpp>
#include <packkit/error.hpp>
#include <packkit/estimate/memory.hpp>
#include <packkit/estimate/training_setup.hpp>
#include <packkit/planner/evaluate.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace packkit {

/// A single change to a setup that does not fit.
struct remedy {
    std::string what;  ///< "full checkpointing"
    training_setup setup;
    bool shorter_rows = false;  ///< then the workload is another, and so is the speed
};

namespace detail {

/// "fsdp without reshard, full checkpointing, sequence parallel, micro-batch 2"
[[nodiscard]] inline std::string variant_text(const training_setup& setup) {
    std::string text(to_string(setup.sharding));
    if (setup.sharding == sharding_kind::fsdp && !setup.reshard_after_forward)
        text += " without reshard";
    if (setup.checkpointing != checkpointing_kind::none)
        text += message(", ", to_string(setup.checkpointing), " checkpointing");
    if (setup.sequence_parallel) text += ", sequence parallel";
    if (setup.offload_optimizer) text += ", optimizer offloaded";
    return text + message(", micro-batch ", setup.micro_batch_size);
}

/// The largest component: "activations 71.0 GiB".
[[nodiscard]] inline std::string largest_component(const memory_bytes& bytes) {
    const std::pair<std::string_view, std::int64_t> parts[] = {
        {"parameters", bytes.parameters},
        {"gradients", bytes.gradients},
        {"optimizer state", bytes.optimizer},
        {"activations", bytes.activations},
        {"logits", bytes.logits},
        {"gathered parameters", bytes.gathered_parameters},
        {"communication buffers", bytes.communication}};
    const auto* most = &parts[0];
    for (const auto& part : parts) {
        if (part.second > most->second) most = &part;
    }
    return message(most->first, " ", byte_text(most->second));
}

}  // namespace detail

/// Single changes that save memory, the mildest first: micro-batch 1, sequence
/// parallelism, full checkpointing, shards instead of replicas, offloading, shorter rows.
[[nodiscard]] inline std::vector<remedy> remedies(const training_setup& setup) {
    std::vector<remedy> found;
    const auto add = [&](std::string what, auto change) {
        training_setup changed = setup;
        change(changed);
        found.push_back(
            {std::move(what), changed, changed.sequence_len < setup.sequence_len});
    };
    if (setup.micro_batch_size > 1)
        add("micro-batch 1", [](auto& s) { s.micro_batch_size = 1; });
    if (setup.mesh.tp > 1 && !setup.sequence_parallel)
        add("sequence parallelism", [](auto& s) { s.sequence_parallel = true; });
    if (setup.checkpointing != checkpointing_kind::full) {
        add("full checkpointing",
            [](auto& s) { s.checkpointing = checkpointing_kind::full; });
    }
    for (const std::int64_t k : detail::divisors(setup.mesh.dp_replicate)) {
        if (k == 1) continue;
        const mesh_shape mesh{setup.mesh.dp_replicate / k, setup.mesh.dp_shard * k,
                              setup.mesh.cp, setup.mesh.tp};
        add(detail::message("fsdp over dp_replicate ", mesh.dp_replicate, " x dp_shard ",
                            mesh.dp_shard),
            [&](auto& s) {
                s.mesh = mesh;
                s.sharding = sharding_kind::fsdp;
                s.reshard_after_forward = true;
            });
    }
    if (!setup.offload_optimizer && setup.optimizer != optimizer_kind::sgd) {
        add("offloading the optimizer", [](auto& s) { s.offload_optimizer = true; });
    }
    for (std::int64_t rows = setup.sequence_len / 2; rows >= 512; rows /= 2)
        add(detail::message("rows of ", rows, " tokens"),
            [&](auto& s) { s.sequence_len = rows; });
    return found;
}

/// Why a setup does not fit: "needs 93.1 GiB of 76.0 GiB (fsdp, micro-batch 1), of which
/// activations 71.0 GiB: full checkpointing would bring it to 61.0 GiB".
[[nodiscard]] inline std::string memory_refusal(plan_evaluator& evaluate,
                                                const training_setup& setup,
                                                const memory_estimate& memory) {
    using detail::byte_text;
    using detail::message;
    std::string text =
        message("needs ", byte_text(memory.bytes.total()), " of ",
                byte_text(evaluate.capacity_bytes()), " (", detail::variant_text(setup),
                "), of which ", detail::largest_component(memory.bytes));
    std::int64_t least = memory.bytes.total();
    std::string nearest;
    for (const remedy& change : remedies(setup)) {
        const memory_estimate changed = evaluate.memory(change.setup);
        const std::int64_t bytes = changed.bytes.total();
        if (evaluate.fits(changed)) {
            return text +
                   message(": ", change.what, " would bring it to ", byte_text(bytes));
        }
        if (bytes < least) {
            least = bytes;
            nearest = change.what;
        }
    }
    if (nearest.empty()) return text + ": no single change helps";
    return text + message(": no single change is enough, ", nearest,
                          " would bring it to ", byte_text(least));
}

}  // namespace packkit
