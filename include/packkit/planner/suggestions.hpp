// SPDX-License-Identifier: Apache-2.0
/// @file
/// What to change when nothing fits, and what it costs.
#pragma once

#include <packkit/detail/number_text.hpp>
#include <packkit/planner/search.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace packkit {

/// A change of what was asked for, with the best plan that it allows.
struct suggestion {
    std::string text;
    plan_figures plan;
};

namespace detail {

/// "9,598 tokens/s/GPU on dp_replicate 1 x ... (fsdp, micro-batch 1), 61.2 of 75.1 GiB"
[[nodiscard]] inline std::string plan_text(const plan_figures& plan) {
    return message(rate_text(plan.tokens_per_second_per_gpu), " tokens/s/GPU on ",
                   to_string(plan.setup.mesh), " (", variant_text(plan.setup), "), ",
                   byte_text(plan.memory.bytes.total()), " of ",
                   byte_text(plan.capacity_bytes));
}

[[nodiscard]] inline std::optional<plan_figures> any_plan(plan_evaluator& evaluate,
                                                          const search_options& options) {
    return best_plan(evaluate, options, [](const mesh_shape&) { return true; });
}

/// The smallest number of GPUs above `options.gpus` with a plan: whole nodes, or powers
/// of two below a node; 0 if there is none up to 65,536.
[[nodiscard]] inline std::int64_t smallest_cluster(plan_evaluator& evaluate,
                                                   search_options options) {
    // Whether one fits does not depend on speed: the leanest variants are enough.
    options.micro_batch_sizes.resize(1);
    options.reshard_after_forward = {true};
    const auto smallest_checkpoint =
        std::max_element(options.checkpointings.begin(), options.checkpointings.end());
    options.checkpointings = {*smallest_checkpoint};
    const auto fits = [&](std::int64_t gpus) {
        options.gpus = gpus;
        return any_plan(evaluate, options).has_value();
    };
    const std::int64_t node = options.gpus_per_node;
    const auto next = [node](std::int64_t gpus) {
        if (gpus < node) return std::min(node, 2 * gpus);
        return (gpus / node + 1) * node;
    };
    // Doubling finds a size that fits; the smallest lies between it and the last that
    // does not.
    std::int64_t low = options.gpus;
    std::int64_t high = next(low);
    while (!fits(high)) {
        low = high;
        high = std::max(next(high), 2 * high / node * node);
        if (high > 65536) return 0;
    }
    for (std::int64_t gpus = next(low); gpus < high; gpus = next(gpus)) {
        if (fits(gpus)) return gpus;
    }
    return high;
}

}  // namespace detail

/// What would make a search without plans find one, the mildest first, each with its best
/// plan: choices that were left out (full checkpointing, sharding, micro-batch 1,
/// sequence parallelism), sizes and batches that were fixed, offloading, 8-bit optimizer,
/// shorter rows, more GPUs (the smallest number that fits). Empty if `options` have
/// plans.
///
/// Shorter rows are priced as rows full of one document.
/// @throws invalid_argument as `search`
[[nodiscard]] inline std::vector<suggestion> suggest(const model_layout& layout,
                                                     const device& on,
                                                     const search_options& options,
                                                     const workload& work) {
    using detail::message;
    detail::check_search(options);
    search_options sorted = options;
    std::sort(sorted.micro_batch_sizes.begin(), sorted.micro_batch_sizes.end());
    plan_evaluator evaluate(layout, on, work, options.estimates);
    std::vector<suggestion> found;
    if (detail::any_plan(evaluate, sorted)) return found;

    const auto consider = [&](const std::string& what, auto change) {
        search_options changed = sorted;
        change(changed);
        if (auto plan = detail::any_plan(evaluate, changed))
            found.push_back({message(what, ": ", detail::plan_text(*plan)), *plan});
    };
    const auto lacks = [](const auto& list, auto value) {
        return std::find(list.begin(), list.end(), value) == list.end();
    };
    if (options.fixed.dp_replicate || options.fixed.dp_shard || options.fixed.cp ||
        options.fixed.tp) {
        consider("leave the sizes of the mesh open",
                 [](search_options& o) { o.fixed = {}; });
    }
    if (options.global_batch_size || options.gradient_accumulation_steps ||
        options.min_global_tokens || options.max_global_tokens) {
        consider("leave the batch open", [](search_options& o) {
            o.global_batch_size = o.gradient_accumulation_steps = {};
            o.min_global_tokens = o.max_global_tokens = {};
        });
    }
    if (sorted.micro_batch_sizes.front() > 1) {
        consider("micro-batch 1", [](search_options& o) { o.micro_batch_sizes = {1}; });
    }
    if (lacks(options.shardings, sharding_kind::fsdp)) {
        consider("shard with fsdp", [](search_options& o) {
            o.shardings.push_back(sharding_kind::fsdp);
            o.reshard_after_forward = {true, false};
        });
    }
    if (lacks(options.sequence_parallel, true)) {
        consider("sequence parallelism",
                 [](search_options& o) { o.sequence_parallel = {false, true}; });
    }
    if (lacks(options.checkpointings, checkpointing_kind::full)) {
        consider("full checkpointing, a forward more in each backward",
                 [](search_options& o) {
                     o.checkpointings.push_back(checkpointing_kind::full);
                 });
    }
    if (!options.offload_optimizer && options.optimizer != optimizer_kind::sgd) {
        consider("offload the optimizer to the host",
                 [](search_options& o) { o.offload_optimizer = true; });
    }
    if (options.optimizer == optimizer_kind::adamw) {
        consider("an optimizer with 8-bit moments",
                 [](search_options& o) { o.optimizer = optimizer_kind::adamw_8bit; });
    }
    for (std::int64_t rows = options.sequence_len / 2; rows >= 256; rows /= 2) {
        const workload shorter = full_rows(rows);
        plan_evaluator of_shorter(layout, on, shorter, options.estimates);
        search_options changed = sorted;
        changed.sequence_len = rows;
        if (const auto plan = detail::any_plan(of_shorter, changed)) {
            found.push_back(
                {message("rows of ", rows, " tokens: ", detail::plan_text(*plan)),
                 *plan});
            break;
        }
    }
    if (const std::int64_t gpus = detail::smallest_cluster(evaluate, sorted)) {
        const auto use = [&](std::int64_t count, std::string_view which) {
            consider(message(count, " GPUs, ", which),
                     [count](search_options& o) { o.gpus = count; });
        };
        use(gpus, "the fewest that fit");
        const auto power =
            static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(gpus)));
        if (power != gpus) use(power, "the next power of two");
    }
    return found;
}

}  // namespace packkit
