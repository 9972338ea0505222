// SPDX-License-Identifier: Apache-2.0
#include "plan/prediction.hpp"

#include "batch/row_split.hpp"
#include "config/optimizer.hpp"
#include "plan/library_workspace.hpp"

#include <packkit/estimate/communication_formulas.hpp>
#include <packkit/estimate/context_traffic.hpp>
#include <packkit/estimate/profile/packkit_train.hpp>
#include <packkit/lengths/squared_lengths.hpp>
#include <packkit/mesh/attention_heads.hpp>
#include <packkit/model/model_traits.hpp>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <map>
#include <thread>
#include <vector>

namespace packkit::train {

training_setup setup_of(const train_config& config, const mesh_shape& mesh) {
    training_setup setup;
    setup.mesh = mesh;
    setup.sequence_len = config.sequence_len;
    setup.micro_batch_size = config.micro_batch_size;
    setup.gradient_accumulation_steps = config.gradient_accumulation_steps;
    setup.sharding =
        mesh.effective_shard_size() > 1 ? sharding_kind::fsdp : sharding_kind::ddp;
    setup.reshard_after_forward = config.reshard_after_forward;
    setup.prefetch_gathers = config.prefetch_gathers;
    setup.checkpointing = config.gradient_checkpointing;
    if (!is_adamw(config.optimizer)) {
        setup.optimizer =
            config.sgd.momentum == 0 ? optimizer_kind::sgd : optimizer_kind::sgd_momentum;
    }
    setup.sequence_parallel = config.sequence_parallel && mesh.tp > 1;
    // Elements of fp16 and bf16 have the same size.
    setup.precision = config.bf16 || config.fp16             ? precision_kind::bf16_mixed
                      : config.torch_dtype == dtype::float64 ? precision_kind::fp64
                                                             : precision_kind::fp32;
    return setup;
}

workload workload_of(const train_config& config, const data_plan& plan) {
    batch_work work_of_all;
    double computed = 0, squared_padding = 0;
    for (std::size_t bin = 0; bin < plan.plan().bins(); ++bin) {
        micro_batch_content row;
        row.add_row(plan.plan().samples_of(bin, 0), plan.samples(), 0,
                    plan.plan().options().padded_row);
        work_of_all += row.work;
        computed += static_cast<double>(row.tokens());
        squared_padding +=
            squared_lengths(static_cast<double>(row.tokens() - row.work.real_tokens));
    }
    const auto tokens = static_cast<double>(work_of_all.real_tokens);
    const auto squared = static_cast<double>(work_of_all.squared_lengths);
    // A bin may be several rows long.
    const auto rows = static_cast<double>(plan.plan().bins()) *
                      static_cast<double>(plan.row_capacity()) /
                      static_cast<double>(config.sequence_len);
    workload work;
    work.tokens_per_row = tokens / rows;
    work.squared_per_row = squared / rows;
    work.computed_tokens_per_row = computed / rows;
    work.computed_squared_per_row = (squared + squared_padding) / rows;
    work.rows_per_epoch = rows;
    work.samples = static_cast<std::int64_t>(plan.plan().samples());
    work.tokens = work_of_all.real_tokens;
    work.efficiency = tokens / computed;
    return work;
}

namespace {

/// Keys, values and their gradients that rank 0 sends in that step.
collective_bytes context_bytes(context_variant variant, const model_shape& shape,
                               const training_setup& setup, const data_plan& plan,
                               std::int64_t step) {
    collective_bytes sent;
    if (setup.mesh.cp == 1) return sent;
    const auto heads = static_cast<std::int64_t>(
        key_value_heads_of(shape.num_attention_heads, shape.num_key_value_heads,
                           setup.mesh.tp, 0)
            .size());
    const std::int64_t token =
        2 * heads * shape.head_dim * compute_bytes(setup.precision);
    const std::int64_t forwards = setup.checkpointing == checkpointing_kind::full ? 2 : 1;
    for (std::int64_t micro = 0; micro < plan.micro_steps(); ++micro) {
        const auto split =
            split_row(plan.content(step, micro, 0).cu_seqlens, setup.mesh.cp);
        std::map<std::int64_t, collective_bytes> by_window;
        for (std::int64_t layer = 0; layer < shape.num_hidden_layers; ++layer) {
            const auto window = attention_window(shape, layer);
            const auto [found, added] = by_window.try_emplace(window);
            if (added) {
                found->second = context_traffic(context_exchange(split, window), 0,
                                                variant, token, forwards);
            }
            sent += found->second;
        }
    }
    return sent;
}

/// Tokens of a micro-batch on the first of the ranks that share it.
std::int64_t tokens_of_rank_0(const micro_batch_content& batch, const mesh_shape& mesh) {
    return mesh.cp == 1 ? batch.tokens() : split_row(batch.cu_seqlens, mesh.cp).tokens(0);
}

/// Activations and gradients that rank 0 sends over tp in that step.
collective_bytes tensor_bytes(const model_layout& layout, const training_setup& setup,
                              const data_plan& plan, std::int64_t step) {
    std::vector<std::int64_t> tokens;
    for (std::int64_t micro = 0; micro < plan.micro_steps(); ++micro) {
        tokens.push_back(tokens_of_rank_0(plan.content(step, micro, 0), setup.mesh));
    }
    return tensor_parallel_bytes(layout, setup, tokens);
}

/// The most threads that a rank computes with.
std::int64_t most_threads() {
    if (const char* set = std::getenv("OMP_NUM_THREADS")) {
        if (const auto threads = std::strtoll(set, nullptr, 10); threads > 0)
            return threads;
    }
    return std::max<std::int64_t>(1, std::thread::hardware_concurrency());
}

/// Steps that stand for all where to look at one takes time.
constexpr std::int64_t looked_at = 256;

/// Returns how many partial sums a tree over so many values holds at most before the
/// last.
std::int64_t levels_of_sum(std::int64_t values) {
    return std::bit_width(static_cast<std::uint64_t>(values)) - 1;
}

/// What canonical sums change (packkit/torch/communication/reproducible_sum.hpp):
/// gradients of a unit leave once a step, full, for ranks that add them by a tree; and
/// until then partial sums of micro-batches are held, one for each level of the tree.
void sum_canonically(prediction& predicted, const model_layout& layout,
                     const training_setup& setup) {
    const std::int64_t shards =
        setup.sharding == sharding_kind::ddp ? 1 : setup.sharding_ranks();
    const std::int64_t replicas = setup.mesh.dp_replicate;
    const std::int64_t bytes = reduce_bytes(setup.precision);
    std::int64_t units = 0, rows = 0, full = 0, split = 0, summed = 0;
    for (const repeated_unit& unit : layout.units()) {
        std::int64_t held = 0;
        for (const parameter_extent& parameter : unit.parameters) {
            const std::int64_t here = rows_per_shard(parameter.rows, shards);
            held += here * parameter.row_elements;
            rows += unit.copies * here;
        }
        units += unit.copies;
        full += unit.copies * shards * held;
        split += unit.copies * (shards - 1) * held;
        summed += unit.copies * all_reduce_bytes(shards * held, bytes, replicas);
    }
    auto& [dp_replicate, dp_shard, cp, tp, world] = predicted.communication;
    dp_replicate = {};
    if (replicas > 1) {
        dp_replicate.all_to_all = dp_replicate.all_gather = summed / 2;
        dp_replicate.collectives = 2 * units;
    }
    if (shards > 1) {
        dp_shard.collectives -= units * (setup.gradient_accumulation_steps - 1);
        dp_shard.reduce_scatter = 0;
        dp_shard.all_to_all = split * bytes;
        world.all_reduce = 0;  // tp is 1
        world.all_gather += gather_bytes(rows, 8, shards);
    }
    predicted.memory.bytes.communication +=
        levels_of_sum(setup.gradient_accumulation_steps) * full * bytes;
}

}  // namespace

communication_estimate communication_in_step(communication_estimate sent,
                                             const train_config& config,
                                             const model_layout& layout,
                                             const training_setup& setup,
                                             const data_plan& plan, std::int64_t step) {
    sent.cp = context_bytes(config.ring_attn_func, layout.shape(), setup, plan, step);
    sent.tp = tensor_bytes(layout, setup, plan, step);
    return sent;
}

prediction predict(const train_config& config, const model_layout& layout,
                   const training_setup& setup, const data_plan& plan) {
    const mesh_shape& mesh = setup.mesh;
    prediction predicted;
    predicted.rows = workload_of(config, plan);
    // Splitting takes time, padded micro-batches are nearly all alike, and some steps
    // stand for all where targets are counted: rows without a target have no logits.
    const auto some = std::min(looked_at, plan.total_steps());
    const auto steps =
        mesh.cp > 1 || config.pad_to_sequence_len ? some : plan.total_steps();
    std::int64_t longest_part = 0, most_targets = 1;
    for (std::int64_t step = 0; step < steps; ++step) {
        for (std::int64_t micro = 0; micro < plan.micro_steps(); ++micro) {
            const auto batch = plan.content(step, micro, 0);
            predicted.longest_micro_batch =
                std::max(predicted.longest_micro_batch, batch.tokens());
            longest_part = std::max(longest_part, tokens_of_rank_0(batch, mesh));
            if (step < some)
                most_targets = std::max(most_targets, batch.work.valid_targets);
        }
    }
    auto activations = packkit_train_activations;
    activations.loss_chunk_tokens = std::min(activations.loss_chunk_tokens, most_targets);
    auto longest = setup;
    longest.micro_batch_size = 1;
    longest.sequence_len = longest_part * mesh.cp;
    predicted.memory = estimate_memory(layout, longest, activations);
    // Losses of the micro-batches done, a float64 for each level of their sum's tree.
    predicted.memory.bytes.activations +=
        8 * levels_of_sum(setup.gradient_accumulation_steps);
    predicted.library_workspace =
        library_workspace_bound(setup, layout.shape(), longest.sequence_len, most_targets,
                                most_threads(), library_instruction_set());
    predicted.communication =
        communication_in_step(estimate_communication(layout, setup, predicted.rows),
                              config, layout, setup, plan, 0);
    if (config.canonical_reduction) sum_canonically(predicted, layout, setup);
    return predicted;
}

}  // namespace packkit::train
