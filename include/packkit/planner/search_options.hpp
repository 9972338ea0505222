// SPDX-License-Identifier: Apache-2.0
/// @file
/// What a search of plans may choose and what it has to keep to; which meshes and batches
/// that leaves.
#pragma once

#include <packkit/detail/divisors.hpp>
#include <packkit/detail/length_access.hpp>
#include <packkit/detail/number_text.hpp>
#include <packkit/error.hpp>
#include <packkit/estimate/training_setup.hpp>
#include <packkit/estimate/workload.hpp>
#include <packkit/mesh/attention_heads.hpp>
#include <packkit/mesh/mesh_request.hpp>
#include <packkit/mesh/mesh_shape.hpp>
#include <packkit/model/model_shape.hpp>
#include <packkit/planner/evaluate.hpp>
#include <packkit/utility/batch_size.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace packkit {

/// What a search may choose, and what it has to keep to. Lists are tried in their order;
/// of variants that are equally fast the one with less memory wins, then the first.
struct search_options {
    std::int64_t gpus = 1;
    std::int64_t gpus_per_node = 8;
    std::int64_t sequence_len = 0;  ///< tokens of a row
    precision_kind precision = precision_kind::bf16_mixed;
    optimizer_kind optimizer = optimizer_kind::adamw;
    bool offload_optimizer = false;

    mesh_request fixed;  ///< sizes that are given; `fully_sharded` is not looked at
    std::vector<std::int64_t> micro_batch_sizes = {1, 2, 4, 8, 16};
    /// ddp only on meshes that shard nothing, the others only on meshes that do.
    std::vector<sharding_kind> shardings = {sharding_kind::ddp, sharding_kind::fsdp};
    std::vector<bool> reshard_after_forward = {true, false};
    std::vector<checkpointing_kind> checkpointings = {checkpointing_kind::none,
                                                      checkpointing_kind::selective,
                                                      checkpointing_kind::full};
    std::vector<bool> sequence_parallel = {false, true};  ///< true only with tp above 1
    /// With cp above 1 a micro-batch is one row, as Axolotl has it for packed rows;
    /// packkit-train takes any.
    bool one_row_with_cp = false;

    /// Rows of a step over all ranks: accumulation follows. Else accumulation steps as
    /// given; else as many as reach `min_global_tokens`; else 1.
    std::optional<std::int64_t> global_batch_size{};
    std::optional<std::int64_t> gradient_accumulation_steps{};
    std::optional<std::int64_t> min_global_tokens{};  ///< rows of a step x sequence_len
    std::optional<std::int64_t> max_global_tokens{};

    estimate_options estimates = {};
};

namespace detail {

inline void check_search(const search_options& options) {
    check_positive("gpus", options.gpus);
    check_positive("gpus_per_node", options.gpus_per_node);
    check_positive("sequence_len", options.sequence_len);
    const auto check = [](std::string_view name, std::optional<std::int64_t> size) {
        if (size) check_positive(name, *size);
    };
    check("dp_replicate", options.fixed.dp_replicate);
    check("dp_shard", options.fixed.dp_shard);
    check("cp", options.fixed.cp);
    check("tp", options.fixed.tp);
    check("global_batch_size", options.global_batch_size);
    check("gradient_accumulation_steps", options.gradient_accumulation_steps);
    check("min_global_tokens", options.min_global_tokens);
    check("max_global_tokens", options.max_global_tokens);
    for (const std::int64_t size : options.micro_batch_sizes)
        check_positive("micro_batch_size", size);
    const auto some = [](std::string_view name, bool empty) {
        if (empty) throw_invalid_argument("a search needs at least one of ", name);
    };
    some("micro_batch_sizes", options.micro_batch_sizes.empty());
    some("shardings", options.shardings.empty());
    some("reshard_after_forward", options.reshard_after_forward.empty());
    some("checkpointings", options.checkpointings.empty());
    some("sequence_parallel", options.sequence_parallel.empty());
}

/// Why a mesh cannot be used whatever the memory; empty if it can.
[[nodiscard]] inline std::string mesh_refusal(const mesh_shape& mesh,
                                              const model_shape& shape,
                                              const search_options& options,
                                              const workload& work) {
    const auto differs = [](std::string_view name, std::int64_t size,
                            std::optional<std::int64_t> fixed) {
        return fixed && *fixed != size
                   ? message(name, " is ", size, ", asked for is ", *fixed)
                   : std::string();
    };
    for (const std::string& reason :
         {differs("dp_replicate", mesh.dp_replicate, options.fixed.dp_replicate),
          differs("dp_shard", mesh.dp_shard, options.fixed.dp_shard),
          differs("cp", mesh.cp, options.fixed.cp),
          differs("tp", mesh.tp, options.fixed.tp)}) {
        if (!reason.empty()) return reason;
    }
    if (std::string refusal =
            attention_cut_refusal(shape.num_attention_heads, mesh.tp, options.gpus);
        !refusal.empty()) {
        return refusal;
    }
    // Balanced slices take two parts of a row for each rank.
    if (mesh.cp > 1 &&
        work.computed_tokens_per_row < 2.0 * static_cast<double>(mesh.cp)) {
        return message("cp ", mesh.cp, " is more than rows of ",
                       fixed(work.computed_tokens_per_row, 0),
                       " tokens hold: each rank needs two slices of a row, cp at most ",
                       static_cast<std::int64_t>(work.computed_tokens_per_row / 2));
    }
    return {};
}

inline constexpr std::int64_t most_accumulation_steps = 100'000;

/// Accumulation steps for a micro-batch on that many ranks, or why there are none.
struct accumulation_choice {
    std::int64_t steps = 0;
    std::string refusal;
};

[[nodiscard]] inline accumulation_choice choose_accumulation(
    const search_options& options, std::int64_t micro_batch_size, std::int64_t ranks,
    bool explain) {
    const std::int64_t rows =
        checked_multiply(micro_batch_size, ranks, "rows of a micro-step");
    const auto refused = [&](auto... parts) {
        return accumulation_choice{0, explain ? message(parts...) : std::string()};
    };
    std::int64_t steps = options.gradient_accumulation_steps.value_or(1);
    if (options.global_batch_size) {
        const std::int64_t wanted = *options.global_batch_size;
        if (wanted % rows != 0 ||
            (options.gradient_accumulation_steps &&
             wanted != rows * *options.gradient_accumulation_steps)) {
            const std::int64_t below = wanted / rows * rows;
            return refused(
                "a global batch of ", grouped(wanted), " rows is not reachable: ", ranks,
                " data-parallel ranks with micro-batches of ", micro_batch_size, " take ",
                options.gradient_accumulation_steps
                    ? message(*options.gradient_accumulation_steps, " x ")
                    : std::string(),
                grouped(rows), " rows; nearest ", grouped(below == 0 ? rows : below),
                " or ", grouped(below == 0 ? 2 * rows : below + rows));
        }
        steps = wanted / rows;
    } else if (!options.gradient_accumulation_steps && options.min_global_tokens) {
        steps = ceil_divide(
            *options.min_global_tokens,
            checked_multiply(rows, options.sequence_len, "tokens of a micro-step"));
    }
    // Bytes of a step stay within 64 bits, even of a trillion parameters.
    if (steps > most_accumulation_steps) {
        return refused("it takes ", grouped(steps),
                       " gradient accumulation steps, more than the ",
                       grouped(most_accumulation_steps), " that are looked at");
    }
    const std::int64_t tokens =
        checked_multiply(steps * rows, options.sequence_len, "tokens of a step");
    if (options.max_global_tokens && tokens > *options.max_global_tokens) {
        const std::int64_t most = *options.max_global_tokens /
                                  (options.sequence_len * micro_batch_size * steps);
        return refused("its smallest step, ", grouped(steps * rows), " rows of ",
                       grouped(options.sequence_len), " tokens, is ", grouped(tokens),
                       " tokens, above the ", grouped(*options.max_global_tokens),
                       " allowed: at most ", most, " data-parallel ranks");
    }
    return {steps, {}};
}

/// The setup that all variants of a mesh share.
[[nodiscard]] inline training_setup base_setup(const search_options& options,
                                               const mesh_shape& mesh) {
    training_setup setup;
    setup.mesh = mesh;
    setup.sequence_len = options.sequence_len;
    setup.precision = options.precision;
    setup.optimizer = options.optimizer;
    setup.offload_optimizer = options.offload_optimizer;
    setup.gpus_per_node = options.gpus_per_node;
    return setup;
}

}  // namespace detail

}  // namespace packkit
