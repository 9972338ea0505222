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
#include <packkit/compute_time.hpp>
#include <packkit/device.hpp>
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
[[nodiscard]] constexpr group_link link_of(const group_placement& placed,
                                           const device& on,
                                           const time_assumptions& assumed) {
    const auto here = static_cast<double>(placed.ranks_per_node);
    const auto nodes = static_cast<double>(placed.nodes);
    const double network = here * on.network_bytes_per_second;
    const bool on_link = placed.inside_node() || placed.ranks_per_node > 1;
    const double rate = placed.inside_node() ? on.link_bytes_per_second
                        : on_link            ? std::min(on.link_bytes_per_second, network)
                                             : network;
    return {rate * assumed.link_efficiency, (here - 1) * on.collective_latency_seconds +
                                                (nodes - 1) * on.network_latency_seconds};
}

[[nodiscard]] constexpr group_link link_of(const training_setup& setup, const device& on,
                                           const time_assumptions& assumed,
                                           std::initializer_list<mesh_dimension> group) {
    return link_of(placement_of(setup.mesh, group, setup.gpus_per_node), on, assumed);
}

/// Of all ranks.
[[nodiscard]] constexpr group_link link_of_world(const training_setup& setup,
                                                 const device& on,
                                                 const time_assumptions& assumed) {
    const std::int64_t ranks = setup.mesh.world_size();
    const std::int64_t node = std::max<std::int64_t>(1, setup.gpus_per_node);
    if (ranks <= node) return link_of(group_placement{ranks, ranks, 1}, on, assumed);
    return link_of(group_placement{ranks, node, (ranks + node - 1) / node}, on, assumed);
}

/// What of `communication` seconds shows beside `compute` seconds it may overlap: the
/// part before or after which there is nothing to overlap, what is longer than compute,
/// and `slowdown` for the share that is hidden.
[[nodiscard]] constexpr double exposed(double communication, double compute,
                                       double unoverlapped_share, double slowdown) {
    if (communication <= 0) return 0;
    const double alone = communication * unoverlapped_share;
    const double beside = communication - alone;
    const double hidden = std::min(beside, compute);
    return alone + (beside - hidden) + slowdown * hidden / communication;
}

/// The law of a measured machine. Forward is a third of the FLOPs.
[[nodiscard]] inline step_seconds measured_step_time(
    const model_layout& layout, const training_setup& setup,
    const measured_machine& machine, const workload& work,
    const communication_estimate& communication) {
    const collective_bytes sent = communication.total();
    const double imbalance = work.dp_imbalance * work.cp_imbalance;
    const double tokens =
        work.tokens_per_row *
        static_cast<double>(setup.micro_batch_size * setup.gradient_accumulation_steps) /
        static_cast<double>(setup.mesh.cp * setup.mesh.tp);
    step_seconds seconds;
    const double even =
        flops_per_token(layout, flop_convention::A, work.attention_length()) * tokens /
        machine.flops_per_second;
    seconds.compute = even * imbalance;
    seconds.imbalance = even * (imbalance - 1.0);
    seconds.forward = seconds.compute / 3.0;
    seconds.backward = seconds.compute - seconds.forward;
    seconds.communication =
        static_cast<double>(sent.total()) * machine.seconds_per_byte +
        static_cast<double>(sent.collectives) * machine.seconds_per_collective;
    seconds.exposed_communication = seconds.communication;
    seconds.fixed = machine.fixed_seconds;
    seconds.step = seconds.compute + seconds.exposed_communication + seconds.fixed;
    return seconds;
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
/// - A device with `measured` follows that law instead: exposed are then all collectives,
///   at the rate that steps saw after whatever overlapped.
///
/// @throws invalid_argument as `placement_of`
[[nodiscard]] inline step_seconds estimate_step_time(
    const model_layout& layout, const training_setup& setup, const device& on,
    const workload& work, const communication_estimate& communication,
    const time_assumptions& assumed = {}) {
    using enum mesh_dimension;
    if (on.measured) {
        return detail::measured_step_time(layout, setup, *on.measured, work,
                                          communication);
    }
    const bool replicated = setup.sharding == sharding_kind::ddp;
    const auto units = static_cast<double>(layout.shape().num_hidden_layers + 1);
    const auto micro_batches = static_cast<double>(setup.gradient_accumulation_steps);

    step_seconds seconds;
    const detail::compute_phases phases =
        detail::compute_phases_of(layout, setup, on, work, assumed);
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

    // What hides behind compute slows it down by the traffic of its bytes.
    const auto slowdown = [&](std::int64_t bytes) {
        return assumed.overlap_cost * static_cast<double>(bytes) /
               (on.link_bytes_per_second * assumed.link_efficiency);
    };
    // Behind what nothing hides yet: of all micro-batches forward and backward.
    double free_forward = seconds.forward;
    double free_backward = seconds.backward;
    if (communication.cp.total() > 0) {
        const collective_bytes& sent = communication.cp;
        auto link = detail::link_of(setup, on, assumed, {cp});
        // Neighbours send to each other: a hop, not a way round.
        link.seconds_per_collective /= static_cast<double>(setup.mesh.cp - 1);
        const double ring = link.seconds(sent.total(), sent.collectives);
        seconds.communication += ring;
        // The first block is there; each other comes beside the products of the one
        // before.
        seconds.exposed_communication +=
            detail::exposed(ring, seconds.attention, 0.0, slowdown(sent.total()));
        const double hidden = std::min(ring, seconds.attention);
        const double early = hidden * phases.attention_forward / phases.attention;
        free_forward -= early;
        free_backward -= hidden - early;
    }
    const double overlapped = 1.0 - 1.0 / units;
    if (communication.dp_shard.total() > 0) {
        const auto link = detail::link_of(setup, on, assumed, {dp_shard, cp});
        const collective_bytes& sent = communication.dp_shard;
        const std::int64_t reduced = sent.reduce_scatter + sent.all_reduce;
        const double latency = link.seconds(0, sent.collectives);
        const double gather = link.seconds(sent.all_gather, 0);
        const double reduce = link.seconds(reduced, 0);
        seconds.communication += gather + reduce + latency;
        if (setup.sharding == sharding_kind::fsdp) {
            // Of the gathers, the share before forward; of all calls, a third or half.
            const double early = setup.reshard_after_forward ? 0.5 : 1.0;
            const double calls = setup.reshard_after_forward ? 1.0 / 3.0 : 0.5;
            const double forward = gather * early + latency * calls;
            const double backward =
                gather * (1.0 - early) + reduce + latency * (1.0 - calls);
            const auto gathered = static_cast<double>(sent.all_gather);
            const auto before = static_cast<std::int64_t>(gathered * early);
            seconds.exposed_communication +=
                detail::exposed(forward, free_forward, 1.0 / units, slowdown(before)) +
                detail::exposed(backward, free_backward, 1.0 / units,
                                slowdown(sent.all_gather - before + reduced));
            free_backward -= std::min(free_backward, backward * overlapped);
        } else {
            // zero1 reduces with the last micro-batch alone.
            const double share =
                setup.sharding == sharding_kind::zero1 ? 1.0 / micro_batches : 1.0;
            const double beside = free_backward * share;
            const double hidden = (reduce + latency) * overlapped;
            seconds.exposed_communication +=
                gather +
                detail::exposed(reduce + latency, beside, 1.0 / units, slowdown(reduced));
            free_backward -= std::min(free_backward, hidden / share);
        }
    }
    if (communication.dp_replicate.total() > 0) {
        const collective_bytes& sent = communication.dp_replicate;
        const double reduce =
            (replicated
                 ? detail::link_of(setup, on, assumed, {dp_replicate, dp_shard, cp})
                 : detail::link_of(setup, on, assumed, {dp_replicate}))
                .seconds(sent.total(), sent.collectives);
        seconds.communication += reduce;
        seconds.exposed_communication += detail::exposed(
            reduce, free_backward / micro_batches, 1.0 / units, slowdown(sent.total()));
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
            detail::link_of_world(setup, on, assumed)
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
