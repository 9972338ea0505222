// SPDX-License-Identifier: Apache-2.0
#include "plan/mesh.hpp"

#include "common/errors.hpp"

#include <packkit/error.hpp>
#include <packkit/mesh/attention_heads.hpp>
#include <packkit/mesh/mesh_request.hpp>

#include <bit>
#include <string>

namespace packkit::train {
namespace {

/// The tree of a canonical sum has 2^k leaves on each level.
void check_canonical(const train_config& config, const mesh_shape& mesh) {
    const auto refuse = [](const std::string& what, std::int64_t value,
                           const std::string& expected) {
        throw app::usage_error("reduction", "canonical with " + what + " " +
                                                std::to_string(value) + "; expected " +
                                                expected);
    };
    if (mesh.tp > 1) refuse("tensor_parallel_size", mesh.tp, "1");
    const auto power = [&](const std::string& what, std::int64_t value) {
        if (!std::has_single_bit(static_cast<std::uint64_t>(value)))
            refuse(what, value, "a power of two");
    };
    power("dp_replicate_size", mesh.dp_replicate);
    power("dp_shard_size × context_parallel_size", mesh.effective_shard_size());
    power("gradient_accumulation_steps", config.gradient_accumulation_steps);
}

mesh_resolution resolve(const train_config& config, std::int64_t world_size) {
    try {
        return resolve_mesh_noted(world_size, config.mesh);
    } catch (const invalid_argument& fault) {
        throw app::usage_error("mesh", fault.what());
    }
}

}  // namespace

mesh_shape choose_mesh(const train_config& config, std::int64_t world_size) {
    const auto mesh = resolve(config, world_size).shape;
    if (config.canonical_reduction) check_canonical(config, mesh);
    return mesh;
}

std::string mesh_note_of(const train_config& config, std::int64_t world_size) {
    return to_string(resolve(config, world_size));
}

void check_cut(const model_shape& shape, const mesh_shape& mesh) {
    const auto refusal =
        attention_cut_refusal(shape.num_attention_heads, mesh.tp, mesh.world_size());
    if (!refusal.empty()) throw app::usage_error("tensor_parallel_size", refusal);
}

}  // namespace packkit::train
