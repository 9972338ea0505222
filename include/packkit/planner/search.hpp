// SPDX-License-Identifier: Apache-2.0
/// @file
/// Every mesh of a number of GPUs, each with its best way to train: ranked by speed, or
/// refused with a reason.
#pragma once

#include <packkit/mesh/factorizations.hpp>
#include <packkit/planner/evaluate.hpp>
#include <packkit/planner/rejection.hpp>
#include <packkit/planner/search_options.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace packkit {

/// A mesh that was refused.
struct rejected_plan {
    training_setup setup;  ///< the variant that came closest
    std::string reason;
};

/// Every mesh is in exactly one of the two.
struct plan_search {
    std::vector<plan_estimate> plans;     ///< each mesh's best variant, the fastest first
    std::vector<rejected_plan> rejected;  ///< by mesh, as `factorizations` lists them
    std::int64_t variants = 0;            ///< tried in all
    std::int64_t fitting_variants = 0;
};

namespace detail {

[[nodiscard]] constexpr int dimensions_above_one(const mesh_shape& mesh) {
    return (mesh.dp_replicate > 1 ? 1 : 0) + (mesh.dp_shard > 1 ? 1 : 0) +
           (mesh.cp > 1 ? 1 : 0) + (mesh.tp > 1 ? 1 : 0);
}

/// Whether plan a comes before plan b: faster, then of fewer dimensions, then
/// lexicographic.
[[nodiscard]] inline bool ranks_before(const plan_figures& a, const plan_figures& b) {
    if (a.tokens_per_second_per_gpu != b.tokens_per_second_per_gpu)
        return a.tokens_per_second_per_gpu > b.tokens_per_second_per_gpu;
    const int dimensions = dimensions_above_one(a.setup.mesh);
    const int of_b = dimensions_above_one(b.setup.mesh);
    return dimensions != of_b ? dimensions < of_b : a.setup.mesh < b.setup.mesh;
}

/// Whether variant a of a mesh is better than b: faster, then smaller.
[[nodiscard]] inline bool better_variant(const plan_figures& a, const plan_figures& b) {
    if (a.tokens_per_second_per_gpu != b.tokens_per_second_per_gpu)
        return a.tokens_per_second_per_gpu > b.tokens_per_second_per_gpu;
    return a.memory.bytes.total() < b.memory.bytes.total();
}

/// What a mesh came to.
struct mesh_result {
    std::optional<plan_figures> best;
    std::optional<training_setup> closest;  ///< of least memory, if any was estimated
    memory_estimate closest_memory;
    std::int64_t variants = 0;
    std::int64_t fitting = 0;
    std::string refusal;  ///< of the batch or sharding, if nothing was estimated
};

/// Tries every variant of a mesh. Memory grows with the micro-batch, so larger ones than
/// the first that does not fit are not looked at: they count as tried.
[[nodiscard]] inline mesh_result search_mesh(plan_evaluator& evaluate,
                                             const search_options& options,
                                             const mesh_shape& mesh) {
    static const std::vector<bool> only_false = {false};
    mesh_result result;
    training_setup setup = base_setup(options, mesh);
    const auto try_micro_batches = [&] {
        bool full = false;
        for (const std::int64_t micro_batch_size : options.micro_batch_sizes) {
            if (micro_batch_size > 1 && mesh.cp > 1 && options.one_row_with_cp) {
                if (result.refusal.empty()) {
                    result.refusal = message("cp ", mesh.cp,
                                             " takes micro-batches of one "
                                             "row, asked for is ",
                                             micro_batch_size);
                }
                break;
            }
            const auto batch =
                choose_accumulation(options, micro_batch_size, mesh.data_parallel_size(),
                                    result.refusal.empty());
            if (batch.steps == 0) {
                if (result.refusal.empty()) result.refusal = batch.refusal;
                continue;
            }
            ++result.variants;
            if (full) continue;
            setup.micro_batch_size = micro_batch_size;
            setup.gradient_accumulation_steps = batch.steps;
            const memory_estimate memory = evaluate.memory(setup);
            if (!result.closest ||
                memory.bytes.total() < result.closest_memory.bytes.total()) {
                result.closest = setup;
                result.closest_memory = memory;
            }
            full = !evaluate.fits(memory);
            if (full) continue;
            ++result.fitting;
            const plan_figures plan = evaluate.with_memory(setup, memory);
            if (!result.best || better_variant(plan, *result.best)) result.best = plan;
        }
    };
    bool sharded = false;
    for (const sharding_kind sharding : options.shardings) {
        const bool replicates = sharding == sharding_kind::ddp;
        if (replicates ? mesh.dp_shard > 1 : mesh.effective_shard_size() == 1) continue;
        sharded = true;
        setup.sharding = sharding;
        for (const bool reshard : options.reshard_after_forward) {
            setup.reshard_after_forward = sharding != sharding_kind::fsdp || reshard;
            for (const checkpointing_kind checkpointing : options.checkpointings) {
                setup.checkpointing = checkpointing;
                for (const bool parallel :
                     mesh.tp > 1 ? options.sequence_parallel : only_false) {
                    setup.sequence_parallel = parallel;
                    try_micro_batches();
                }
            }
            if (sharding != sharding_kind::fsdp) break;
        }
    }
    if (!sharded) {
        result.refusal =
            mesh.dp_shard > 1
                ? message("ddp shards nothing: dp_shard ", mesh.dp_shard,
                          " would be as many replicas; use dp_replicate ",
                          mesh.dp_replicate * mesh.dp_shard, " x dp_shard 1, or fsdp")
                : message(
                      "there is nothing to shard over: dp_shard x cp is 1; set "
                      "dp_shard above 1, or allow ddp");
    }
    return result;
}

/// The fastest plan on the meshes that `wanted` lets pass, without reasons for the
/// others.
template <class Wanted>
[[nodiscard]] std::optional<plan_figures> best_plan(plan_evaluator& evaluate,
                                                    const search_options& options,
                                                    Wanted wanted) {
    std::optional<plan_figures> best;
    for (const mesh_shape& mesh : factorizations(options.gpus)) {
        if (!wanted(mesh) ||
            !mesh_refusal(mesh, evaluate.layout().shape(), options, evaluate.work())
                 .empty()) {
            continue;
        }
        auto result = search_mesh(evaluate, options, mesh);
        if (result.best && (!best || ranks_before(*result.best, *best)))
            best = std::move(result.best);
    }
    return best;
}

}  // namespace detail

/// Every factorisation of the GPUs into dp_replicate x dp_shard x cp x tp: its fastest
/// variant that fits, or one reason why there is none. Ranked by real tokens a second and
/// GPU, then fewer dimensions above 1, then lexicographically. Deterministic; 4,096 GPUs
/// (455 meshes, some thousand variants) in well under 100 ms.
/// @throws invalid_argument for a size below 1 or an empty list of choices
[[nodiscard]] inline plan_search search(const model_layout& layout, const device& on,
                                        const search_options& given,
                                        const workload& work) {
    detail::check_search(given);
    search_options options = given;
    std::sort(options.micro_batch_sizes.begin(), options.micro_batch_sizes.end());
    plan_evaluator evaluate(layout, on, work, options.estimates);
    plan_search found;
    for (const mesh_shape& mesh : factorizations(options.gpus)) {
        std::string refusal = detail::mesh_refusal(mesh, layout.shape(), options, work);
        if (!refusal.empty()) {
            found.rejected.push_back(
                {detail::base_setup(options, mesh), std::move(refusal)});
            continue;
        }
        detail::mesh_result result = detail::search_mesh(evaluate, options, mesh);
        found.variants += result.variants;
        found.fitting_variants += result.fitting;
        if (result.best) {
            plan_estimate plan{*result.best, {}, result.fitting - 1};
            found.plans.push_back(std::move(plan));
        } else if (result.closest) {
            found.rejected.push_back(
                {*result.closest,
                 memory_refusal(evaluate, *result.closest, result.closest_memory)});
        } else {
            found.rejected.push_back(
                {detail::base_setup(options, mesh), std::move(result.refusal)});
        }
    }
    std::sort(found.plans.begin(), found.plans.end(), detail::ranks_before);
    for (plan_estimate& plan : found.plans)
        plan.warnings = plan_warnings(plan, layout, on, work);
    return found;
}

}  // namespace packkit
