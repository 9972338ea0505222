// SPDX-License-Identifier: Apache-2.0
/// @file
/// How long an optimizer step takes: a roofline of each phase, and what of the
/// communication does not hide behind it.
///
/// Matrix products run at `device::efficiency` of the peak, the one figure that is
/// calibrated; attention at what its kernels reach; everything elementwise at the
/// memory's bandwidth (Williams et al. 2009, doi 10.1145/1498765.1498785). What is not in
/// the model: pipelines of stages, kernels too small to fill a device, data loading, and
/// waiting for ranks that are slow for other reasons than their rows.
#pragma once

#include <packkit/communication.hpp>
#include <packkit/device.hpp>
#include <packkit/error.hpp>
#include <packkit/flops.hpp>
#include <packkit/mesh.hpp>
#include <packkit/model_layout.hpp>
#include <packkit/training_setup.hpp>
#include <packkit/workload.hpp>

#include <algorithm>
#include <cstdint>
#include <initializer_list>

namespace packkit {

/// Seconds of an optimizer step, of the slowest rank.
struct step_seconds {
    double forward = 0;    ///< of all micro-batches, imbalance included
    double backward = 0;   ///< recomputation included
    double optimizer = 0;  ///< with its transfers, where it is offloaded
    double compute = 0;    ///< forward + backward + optimizer
    double communication = 0;
    double exposed_communication = 0;  ///< what compute does not hide
    double step = 0;                   ///< compute + exposed communication + fixed

    double recomputation = 0;  ///< part of backward
    double attention = 0;      ///< part of forward and backward
    double imbalance = 0;      ///< part of forward and backward: waiting for the fullest
    double fixed = 0;          ///< whatever a step costs beside
};

/// What the model of time takes for granted beside the device's figures.
struct time_assumptions {
    /// Share of a link's nominal rate that collectives reach: all-reduce of 8 A100 at 235
    /// of 300 GB/s (nccl-tests), rounded.
    double link_efficiency = 0.8;
    /// How much longer compute gets while a collective runs beside it, as a share of the
    /// collective's own time: it takes multiprocessors and memory bandwidth.
    double overlap_cost = 0.1;
    /// Seconds a step that no other term explains.
    double fixed_seconds = 0;
};

namespace detail {

/// Time of a group's collectives: bytes over the slowest link that its ring crosses, and
/// a latency for each hop.
struct group_link {
    double bytes_per_second = 1;
    double seconds_per_collective = 0;

    [[nodiscard]] constexpr double seconds(std::int64_t bytes,
                                           std::int64_t collectives) const {
        return static_cast<double>(bytes) / bytes_per_second +
               static_cast<double>(collectives) * seconds_per_collective;
    }
};

/// A ring over nodes leaves each node through as many network cards as the group has
/// ranks there, so k ranks of a node have k times a card's rate, but not more than their
/// own link's.
[[nodiscard]] inline group_link link_of(const training_setup& setup, const device& on,
                                        const time_assumptions& assumed,
                                        std::initializer_list<mesh_dimension> group) {
    const group_placement placed = placement_of(setup.mesh, group, setup.gpus_per_node);
    const auto here = static_cast<double>(placed.ranks_per_node);
    const auto nodes = static_cast<double>(placed.nodes);
    const double rate =
        placed.inside_node()
            ? on.link_bytes_per_second
            : std::min(placed.ranks_per_node > 1 ? on.link_bytes_per_second
                                                 : on.network_bytes_per_second,
                       here * on.network_bytes_per_second);
    return {rate * assumed.link_efficiency, (here - 1) * on.collective_latency_seconds +
                                                (nodes - 1) * on.network_latency_seconds};
}

/// Mean keys that a token sees in a layer, of documents with that attention length: half
/// of them before it, or at most a window (w − w²/2l of l).
[[nodiscard]] constexpr double keys_per_token(double attention_length,
                                              std::int64_t window) {
    const auto w = static_cast<double>(window);
    if (window == 0 || attention_length <= w) return attention_length / 2;
    return w - w * w / (2 * attention_length);
}

/// The same, summed over the layers of a model.
[[nodiscard]] constexpr double keys_of_all_layers(const model_shape& shape,
                                                  double attention_length) {
    const std::int64_t layers = shape.num_hidden_layers;
    std::int64_t windowed = 0;
    if (shape.sliding_window > 0) {
        const std::int64_t first = std::min(shape.first_sliding_layer, layers);
        windowed = layers - first;
        if (shape.full_attention_interval > 0) {
            windowed -= layers / shape.full_attention_interval -
                        first / shape.full_attention_interval;
        }
    }
    return static_cast<double>(layers - windowed) * keys_per_token(attention_length, 0) +
           static_cast<double>(windowed) *
               keys_per_token(attention_length, shape.sliding_window);
}

/// Bytes that the elementwise operations of a block move for a token in forward: norms
/// (read, write), residual sums (two read, one written), rotary embedding of queries and
/// keys, the function between the matrices (its inputs read, its output written). With
/// tensor parallelism the first two are not cut unless sequence parallelism cuts them.
[[nodiscard]] constexpr double elementwise_bytes(const model_shape& shape,
                                                 const training_setup& setup) {
    const auto tp = static_cast<double>(setup.mesh.tp);
    const auto hidden = static_cast<double>(shape.hidden_size);
    const auto heads =
        static_cast<double>(shape.num_attention_heads + shape.num_key_value_heads);
    const bool sparse = shape.num_experts > 0;
    const double width =
        sparse ? static_cast<double>(expert_size(shape) * shape.num_experts_per_tok)
               : static_cast<double>(shape.intermediate_size);
    const bool gated = traits_of(shape).gated;
    const double residual = 10.0 * hidden / (setup.sequence_parallel ? tp : 1.0);
    const double rotary = 2.0 * heads * static_cast<double>(shape.head_dim) / tp;
    const double activation = (gated ? 3.0 : 2.0) * width / tp;
    return (residual + rotary + activation) *
           static_cast<double>(compute_bytes(setup.precision));
}

/// Bytes that the optimizer moves for a parameter: reads and writes parameter and
/// moments, reads the gradient, which the norm has read and zeroing writes.
[[nodiscard]] constexpr double optimizer_bytes(const training_setup& setup) {
    const auto element = static_cast<double>(reduce_bytes(setup.precision));
    switch (setup.optimizer) {
        case optimizer_kind::adamw:
            return 9 * element;
        case optimizer_kind::adamw_8bit:
            return 5 * element + 4;
        case optimizer_kind::sgd:
            return 5 * element;
    }
    throw_invalid_argument("optimizer_kind has no value ",
                           static_cast<int>(setup.optimizer));
}

/// Seconds of all micro-batches on one rank, without imbalance and communication.
struct compute_phases {
    double forward = 0;
    double backward = 0;
    double recomputation = 0;
    double attention = 0;
    double attention_forward = 0;
};

[[nodiscard]] inline compute_phases compute_phases_of(const model_layout& layout,
                                                      const training_setup& setup,
                                                      const device& on,
                                                      const workload& work) {
    const model_shape& shape = layout.shape();
    const auto tp = static_cast<double>(setup.mesh.tp);
    const auto micro_batches = static_cast<double>(setup.gradient_accumulation_steps);
    const double tokens = work.computed_tokens_per_row *
                          static_cast<double>(setup.micro_batch_size) * micro_batches /
                          static_cast<double>(setup.mesh.cp);
    const auto bytes = static_cast<double>(compute_bytes(setup.precision));
    const double peak = on.peak_flops(setup.precision);

    const auto table = static_cast<double>(layout.embedding_parameters());
    const double all = static_cast<double>(active_parameters(layout));
    const double positions =
        traits_of(shape).positions == position_kind::learned
            ? static_cast<double>(shape.max_position_embeddings * shape.hidden_size)
            : 0.0;
    const double blocks =
        all - (shape.tie_word_embeddings ? 1.0 : 2.0) * table - positions;

    // A product takes its FLOPs, or its weights' way from memory if the rows are few.
    const auto products = [&](double parameters, double stored) {
        return std::max(2.0 * parameters / tp * tokens / (peak * on.efficiency),
                        stored / tp * bytes * micro_batches / on.memory_bandwidth);
    };
    const double idle = static_cast<double>(layout.parameters()) - all;
    const double linear = products(blocks, blocks + idle);
    const double head = products(table, table);

    const double width = static_cast<double>(shape.num_attention_heads * shape.head_dim);
    const double scores =
        4.0 * width * keys_of_all_layers(shape, work.computed_attention_length());
    const double attention = scores / tp * tokens / (peak * on.attention_efficiency);

    const double elementwise = elementwise_bytes(shape, setup) * tokens *
                               static_cast<double>(shape.num_hidden_layers) /
                               on.memory_bandwidth;
    // Logits once in the compute type and read and written in float32 by the loss.
    const double logits = static_cast<double>(shape.vocab_size) / tp * (bytes + 8.0) *
                          tokens / on.memory_bandwidth;

    compute_phases phases;
    const double block_forward = linear + attention + elementwise;
    phases.forward = block_forward + head + logits;
    // Attention's backward has five products to forward's two: it computes the scores
    // again (Dao 2023, arXiv 2307.08691, section 3.1.2).
    phases.backward = 2.0 * (linear + elementwise + head) + 2.5 * attention + logits;
    const recomputation again = recomputation_of(setup.checkpointing);
    phases.recomputation =
        again.linear * (linear + elementwise) + again.attention * attention;
    phases.backward += phases.recomputation;
    phases.attention = (3.5 + again.attention) * attention;
    phases.attention_forward = attention;
    return phases;
}

/// What of `communication` seconds shows beside `compute` seconds it may overlap: what is
/// longer, the part before or after which there is nothing to overlap, and what the rest
/// costs compute.
[[nodiscard]] constexpr double exposed(double communication, double compute,
                                       double unoverlapped_share, double overlap_cost) {
    const double alone = communication * unoverlapped_share;
    const double beside = communication - alone;
    const double hidden = std::min(beside, compute);
    return alone + (beside - hidden) + overlap_cost * hidden;
}

}  // namespace detail

/// Seconds of an optimizer step. No allocation where the mesh's sizes and nodes divide
/// each other; a few hundred nanoseconds.
///
/// - Forward and backward: products at the peak times efficiency, or as fast as their
///   weights can be read; attention over the documents of `work`; elementwise operations
///   at the memory's bandwidth; full checkpointing computes the blocks again. All of it
///   takes as long as on the rank whose rows cost most (`dp_imbalance`, `cp_imbalance`).
/// - fsdp: gathers of a unit run beside the compute of the one before, reductions beside
///   the backward of the next: the first gather and the last reduction are exposed, and
///   what is longer than compute. zero1 and zero2 gather after the optimizer: exposed.
/// - Gradients of replicas are reduced beside the last micro-batch's backward.
/// - cp's ring runs beside attention. tp's collectives are exposed, and those of the
///   world.
/// - The optimizer moves its bytes through memory, or if offloaded to the host and back.
///
/// @throws invalid_argument as `placement_of`
[[nodiscard]] inline step_seconds estimate_step_time(
    const model_layout& layout, const training_setup& setup, const device& on,
    const workload& work, const communication_estimate& communication,
    const time_assumptions& assumed = {}) {
    using enum mesh_dimension;
    const bool replicated = setup.sharding == sharding_kind::ddp;
    const auto units = static_cast<double>(layout.shape().num_hidden_layers + 1);
    const auto micro_batches = static_cast<double>(setup.gradient_accumulation_steps);

    step_seconds seconds;
    const detail::compute_phases phases =
        detail::compute_phases_of(layout, setup, on, work);
    const double imbalance = work.dp_imbalance * work.cp_imbalance;
    seconds.forward = phases.forward * imbalance;
    seconds.backward = phases.backward * imbalance;
    seconds.recomputation = phases.recomputation * imbalance;
    seconds.attention = phases.attention * imbalance;
    seconds.imbalance = (phases.forward + phases.backward) * (imbalance - 1.0);

    const double held = static_cast<double>(layout.parameters()) /
                        static_cast<double>(setup.mesh.tp) /
                        static_cast<double>(replicated ? 1 : setup.sharding_ranks());
    const double moved = held * detail::optimizer_bytes(setup);
    seconds.optimizer = moved / on.memory_bandwidth;
    if (setup.offload_optimizer) {
        // Gradients go down, parameters come back; beside them the host's own traffic.
        const double transferred =
            held * static_cast<double>(2 * reduce_bytes(setup.precision));
        seconds.optimizer = (moved + transferred) / on.host_bytes_per_second;
    }

    // FSDP: gathers before forward, gathers and reductions within backward.
    if (communication.dp_shard.total() > 0) {
        const auto link = detail::link_of(setup, on, assumed, {dp_shard, cp});
        const collective_bytes& sent = communication.dp_shard;
        const double latency =
            static_cast<double>(sent.collectives) * link.seconds_per_collective;
        const double gather = link.seconds(sent.all_gather, 0);
        const double reduce = link.seconds(sent.reduce_scatter + sent.all_reduce, 0);
        seconds.communication += gather + reduce + latency;
        if (setup.sharding == sharding_kind::fsdp) {
            const bool again = setup.reshard_after_forward;
            const double calls = again ? 3.0 : 2.0;
            const double forward = gather / (again ? 2.0 : 1.0) + latency / calls;
            const double backward =
                (again ? gather / 2.0 + latency / calls : 0.0) + reduce + latency / calls;
            seconds.exposed_communication +=
                detail::exposed(forward, seconds.forward, 1.0 / units,
                                assumed.overlap_cost) +
                detail::exposed(backward, seconds.backward, 1.0 / units,
                                assumed.overlap_cost);
        } else {
            const double beside = setup.sharding == sharding_kind::zero1
                                      ? seconds.backward / micro_batches
                                      : seconds.backward;
            seconds.exposed_communication +=
                gather + detail::exposed(reduce + latency, beside, 1.0 / units,
                                         assumed.overlap_cost);
        }
    }
    if (communication.dp_replicate.total() > 0) {
        const auto link =
            replicated ? detail::link_of(setup, on, assumed, {dp_replicate, dp_shard, cp})
                       : detail::link_of(setup, on, assumed, {dp_replicate});
        const double all = link.seconds(communication.dp_replicate.total(),
                                        communication.dp_replicate.collectives);
        seconds.communication += all;
        seconds.exposed_communication += detail::exposed(
            all, seconds.backward / micro_batches, 1.0 / units, assumed.overlap_cost);
    }
    if (communication.cp.total() > 0) {
        const auto link = detail::link_of(setup, on, assumed, {cp});
        // Neighbours send to each other: one hop each.
        const double ring =
            link.seconds(communication.cp.total(), 0) +
            static_cast<double>(communication.cp.collectives) *
                link.seconds_per_collective /
                static_cast<double>(std::max<std::int64_t>(1, setup.mesh.cp - 1));
        seconds.communication += ring;
        // The first block is there; the others come beside the products of the one
        // before.
        seconds.exposed_communication +=
            detail::exposed(ring, seconds.attention, 0.0, assumed.overlap_cost);
    }
    if (communication.tp.total() > 0) {
        const double sums =
            detail::link_of(setup, on, assumed, {tp})
                .seconds(communication.tp.total(), communication.tp.collectives);
        seconds.communication += sums;
        seconds.exposed_communication += sums;
    }
    if (communication.world.total() > 0) {
        const double reports =
            detail::link_of(setup, on, assumed, {dp_replicate, dp_shard, cp, tp})
                .seconds(communication.world.total(), communication.world.collectives);
        seconds.communication += reports;
        seconds.exposed_communication += reports;
    }

    seconds.compute = seconds.forward + seconds.backward + seconds.optimizer;
    seconds.fixed = assumed.fixed_seconds;
    seconds.step = seconds.compute + seconds.exposed_communication + seconds.fixed;
    return seconds;
}

}  // namespace packkit
