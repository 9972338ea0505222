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

#include <packkit/estimate/communication.hpp>
#include <packkit/estimate/compute_time.hpp>
#include <packkit/estimate/device.hpp>
#include <packkit/estimate/flops.hpp>
#include <packkit/estimate/training_setup.hpp>
#include <packkit/estimate/workload.hpp>
#include <packkit/mesh/mesh_shape.hpp>
#include <packkit/mesh/node_placement.hpp>
#include <packkit/model/layout.hpp>

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

/// Returns the link that a collective of all ranks uses.
[[nodiscard]] constexpr group_link link_of_world(const training_setup& setup,
                                                 const device& on,
                                                 const time_assumptions& assumed) {
    const std::int64_t ranks = setup.mesh.world_size();
    const std::int64_t node = std::max<std::int64_t>(1, setup.gpus_per_node);
    if (ranks <= node) return link_of(group_placement{ranks, ranks, 1}, on, assumed);
    return link_of(group_placement{ranks, node, (ranks + node - 1) / node}, on, assumed);
}

/// Seconds of `communication` that `compute` seconds do not hide: the
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

/// Adds up a step, phase after phase: computation first, then each dimension's
/// communication behind what computation still hides nothing. Refers to its arguments.
class step_timeline {
public:
    step_timeline(const model_layout& layout, const training_setup& setup,
                  const device& on, const workload& work, const time_assumptions& assumed)
        : setup_(setup),
          on_(on),
          assumed_(assumed),
          units_(static_cast<double>(layout.shape().num_hidden_layers + 1)),
          micro_batches_(static_cast<double>(setup.gradient_accumulation_steps)),
          phases_(compute_phases_of(layout, setup, on, work, assumed)) {
        const double imbalance = work.dp_imbalance * work.cp_imbalance;
        seconds_.forward = phases_.forward * imbalance;
        seconds_.backward = phases_.backward * imbalance;
        seconds_.recomputation = phases_.recomputation * imbalance;
        seconds_.attention = phases_.attention * imbalance;
        seconds_.imbalance = (phases_.forward + phases_.backward) * (imbalance - 1.0);
        seconds_.fixed = assumed.fixed_seconds;
        free_forward_ = seconds_.forward;
        free_backward_ = seconds_.backward;
        add_optimizer(layout);
    }

    /// The ring's first block is there; each other comes beside the products of the one
    /// before.
    void add_ring(const collective_bytes& sent) {
        if (sent.total() == 0) return;
        auto link = link_of(setup_, on_, assumed_, {mesh_dimension::cp});
        // Neighbours send to each other: a hop, not a way round.
        link.seconds_per_collective /= static_cast<double>(setup_.mesh.cp - 1);
        const double ring = link.seconds(sent.total(), sent.collectives);
        add(ring, exposed(ring, seconds_.attention, 0.0, slowdown(sent.total())));
        const double hidden = std::min(ring, seconds_.attention);
        const double early = hidden * phases_.attention_forward / phases_.attention;
        free_forward_ -= early;
        free_backward_ -= hidden - early;
    }

    /// Gathers and reductions among the ranks that share states.
    void add_shards(const collective_bytes& sent) {
        if (sent.total() == 0) return;
        const auto link = link_of(setup_, on_, assumed_,
                                  {mesh_dimension::dp_shard, mesh_dimension::cp});
        const double latency = link.seconds(0, sent.collectives);
        const double gather = link.seconds(sent.all_gather, 0);
        const double reduce = link.seconds(reduced(sent), 0);
        add(gather + reduce + latency,
            setup_.sharding == sharding_kind::fsdp
                ? exposed_fsdp(sent, gather, reduce, latency)
                : exposed_zero(sent, gather, reduce + latency));
    }

    /// Gradients of replicas are reduced beside the last micro-batch's backward.
    void add_replicas(const collective_bytes& sent) {
        using enum mesh_dimension;
        if (sent.total() == 0) return;
        const auto link =
            setup_.sharding == sharding_kind::ddp
                ? link_of(setup_, on_, assumed_, {dp_replicate, dp_shard, cp})
                : link_of(setup_, on_, assumed_, {dp_replicate});
        const double reduce = link.seconds(sent.total(), sent.collectives);
        add(reduce, exposed(reduce, free_backward_ / micro_batches_, 1.0 / units_,
                            slowdown(sent.total())));
    }

    /// Collectives that computation waits for.
    void add_exposed(const collective_bytes& sent, const group_link& link) {
        if (sent.total() == 0) return;
        const double seconds = link.seconds(sent.total(), sent.collectives);
        add(seconds, seconds);
    }

    [[nodiscard]] step_seconds total() {
        seconds_.compute = seconds_.forward + seconds_.backward + seconds_.optimizer;
        seconds_.step =
            seconds_.compute + seconds_.exposed_communication + seconds_.fixed;
        return seconds_;
    }

private:
    void add(double communication, double shown) {
        seconds_.communication += communication;
        seconds_.exposed_communication += shown;
    }

    void add_optimizer(const model_layout& layout) {
        const bool replicated = setup_.sharding == sharding_kind::ddp;
        const double held = static_cast<double>(layout.parameters()) /
                            static_cast<double>(setup_.mesh.tp) /
                            static_cast<double>(replicated ? 1 : setup_.sharding_ranks());
        const double moved = held * optimizer_bytes(setup_);
        seconds_.optimizer = moved / on_.memory_bandwidth;
        if (!setup_.offload_optimizer) return;
        // Gradients go down, parameters come back; beside them the host's own traffic.
        const double transferred =
            held * static_cast<double>(2 * reduce_bytes(setup_.precision));
        seconds_.optimizer = (moved + transferred) / on_.host_bytes_per_second;
    }

    [[nodiscard]] static std::int64_t reduced(const collective_bytes& sent) {
        return sent.reduce_scatter + sent.all_reduce;
    }

    /// Seconds by which bytes that hide behind computation slow it down.
    [[nodiscard]] double slowdown(std::int64_t bytes) const {
        return assumed_.overlap_cost * static_cast<double>(bytes) /
               (on_.link_bytes_per_second * assumed_.link_efficiency);
    }

    [[nodiscard]] double exposed_fsdp(const collective_bytes& sent, double gather,
                                      double reduce, double latency) {
        // Gathers count by the share before forward, all calls by a third or half.
        const double early = setup_.reshard_after_forward ? 0.5 : 1.0;
        const double calls = setup_.reshard_after_forward ? 1.0 / 3.0 : 0.5;
        const double forward = gather * early + latency * calls;
        const double backward = gather * (1.0 - early) + reduce + latency * (1.0 - calls);
        const auto before =
            static_cast<std::int64_t>(static_cast<double>(sent.all_gather) * early);
        const double shown =
            exposed(forward, free_forward_, 1.0 / units_, slowdown(before)) +
            exposed(backward, free_backward_, 1.0 / units_,
                    slowdown(sent.all_gather - before + reduced(sent)));
        free_backward_ -= std::min(free_backward_, backward * (1.0 - 1.0 / units_));
        return shown;
    }

    [[nodiscard]] double exposed_zero(const collective_bytes& sent, double gather,
                                      double reduce) {
        // zero1 reduces with the last micro-batch alone.
        const double share =
            setup_.sharding == sharding_kind::zero1 ? 1.0 / micro_batches_ : 1.0;
        const double shown = gather + exposed(reduce, free_backward_ * share,
                                              1.0 / units_, slowdown(reduced(sent)));
        free_backward_ -= std::min(free_backward_, reduce * (1.0 - 1.0 / units_) / share);
        return shown;
    }

    const training_setup& setup_;
    const device& on_;
    const time_assumptions& assumed_;
    double units_;
    double micro_batches_;
    compute_phases phases_;
    step_seconds seconds_;
    /// Computation of all micro-batches behind which nothing is hidden yet.
    double free_forward_ = 0, free_backward_ = 0;
};

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
    if (on.measured) {
        return detail::measured_step_time(layout, setup, *on.measured, work,
                                          communication);
    }
    detail::step_timeline step(layout, setup, on, work, assumed);
    step.add_ring(communication.cp);
    step.add_shards(communication.dp_shard);
    step.add_replicas(communication.dp_replicate);
    step.add_exposed(communication.tp,
                     detail::link_of(setup, on, assumed, {mesh_dimension::tp}));
    step.add_exposed(communication.world, detail::link_of_world(setup, on, assumed));
    return step.total();
}

}  // namespace packkit
