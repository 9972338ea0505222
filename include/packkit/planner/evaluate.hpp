// SPDX-License-Identifier: Apache-2.0
/// @file
/// What one way to train needs and how fast it is: memory, communication, time, tokens a
/// second, utilization, and what to look out for.
#pragma once

#include <packkit/detail/divisors.hpp>
#include <packkit/detail/number_text.hpp>
#include <packkit/estimate/activation_memory.hpp>
#include <packkit/estimate/communication.hpp>
#include <packkit/estimate/device.hpp>
#include <packkit/estimate/flops.hpp>
#include <packkit/estimate/memory.hpp>
#include <packkit/estimate/profile/activation_profile.hpp>
#include <packkit/estimate/profile/packkit_train.hpp>
#include <packkit/estimate/step_time.hpp>
#include <packkit/estimate/training_setup.hpp>
#include <packkit/estimate/workload.hpp>
#include <packkit/mesh/attention_heads.hpp>
#include <packkit/mesh/mesh_shape.hpp>
#include <packkit/mesh/node_placement.hpp>
#include <packkit/mesh/shard.hpp>
#include <packkit/model/layout.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace packkit {

/// What an estimate takes for granted.
struct estimate_options {
    activation_profile profile = packkit_train_activations;
    row_dealing dealing = row_dealing::shuffled;
    /// Convention of `flops_per_token`, MFU and HFU; attention over the documents that
    /// rows hold.
    flop_convention convention = flop_convention::A;
    /// Share of the device's memory that a plan may fill, see `usable_memory`.
    double memory_share = usable_memory_share;
};

/// The figures of a plan, without words.
struct plan_figures {
    training_setup setup;
    memory_estimate memory;
    communication_estimate communication;
    step_seconds seconds;
    double dp_imbalance = 1;
    double cp_imbalance = 1;
    double flops_per_token = 0;  ///< per real token, by the convention asked for
    double tokens_per_step = 0;  ///< real tokens, all ranks
    double tokens_per_second_per_gpu = 0;  ///< real tokens
    double mfu = 0;                        ///< of the device's peak at that precision
    double hfu = 0;                        ///< recomputed FLOPs count too
    std::int64_t capacity_bytes = 0;       ///< what memory.bytes.total() may reach
    bool fits = false;
};

/// A plan: its figures, and sentences about what to look out for.
struct plan_estimate : plan_figures {
    std::vector<std::string> warnings;
    /// Other variants of this mesh that fit, in a search (micro-batch, sharding,
    /// checkpointing, sequence parallelism).
    std::int64_t other_variants = 0;
};

/// Estimates plans of one model, device and workload. What depends on tp and shards
/// alone, and what depends on the workload alone, is computed once and kept: about a
/// million estimates a second. Not for several threads at once: give each a copy.
///
/// Refers to model and device, which outlive it; copies the workload.
class plan_evaluator {
public:
    /// @throws invalid_argument unless the memory share is in (0, 1]
    plan_evaluator(const model_layout& layout, const device& on, const workload& work,
                   const estimate_options& options = {})
        : layout_(&layout),
          device_(&on),
          work_(work),
          options_(options),
          activations_(layout.shape(), options.profile),
          flops_per_token_(packkit::flops_per_token(layout, options.convention,
                                                    work.attention_length())),
          capacity_(usable_memory(on, options.memory_share)) {
        for (std::size_t kind = 0; kind < hardware_flops_.size(); ++kind) {
            // As the step's time has it: selective computes no product again.
            const auto checkpointing = static_cast<checkpointing_kind>(kind);
            const recomputation again = checkpointing == checkpointing_kind::full
                                            ? recomputation_of(checkpointing)
                                            : recomputation{};
            hardware_flops_[kind] = phases_per_token(layout, options.convention,
                                                     work.attention_length(), again)
                                        .hardware();
        }
    }

    [[nodiscard]] const model_layout& layout() const { return *layout_; }
    [[nodiscard]] const device& on() const { return *device_; }
    [[nodiscard]] const workload& work() const { return work_; }
    [[nodiscard]] const estimate_options& options() const { return options_; }
    /// Bytes that a plan may fill.
    [[nodiscard]] std::int64_t capacity_bytes() const { return capacity_; }
    [[nodiscard]] bool fits(const memory_estimate& memory) const {
        return memory.bytes.total() <= capacity_;
    }

    /// Memory alone: enough to see whether a plan fits.
    /// @throws invalid_argument as `estimate_memory`
    [[nodiscard]] memory_estimate memory(const training_setup& setup) {
        return estimate_memory(elements(setup), activations_, setup);
    }

    /// All figures. @throws invalid_argument as the calculators
    [[nodiscard]] plan_figures operator()(const training_setup& setup) {
        return with_memory(setup, memory(setup));
    }

    /// All figures, of memory that is known.
    [[nodiscard]] plan_figures with_memory(const training_setup& setup,
                                           const memory_estimate& memory) {
        plan_figures plan;
        plan.setup = setup;
        plan.memory = memory;
        plan.capacity_bytes = capacity_;
        plan.fits = fits(memory);
        balance(setup);
        plan.dp_imbalance = work_.dp_imbalance;
        plan.cp_imbalance = work_.cp_imbalance;
        plan.communication =
            estimate_communication(*layout_, elements(setup), setup, work_);
        plan.seconds =
            estimate_step_time(*layout_, setup, *device_, work_, plan.communication);
        plan.flops_per_token = flops_per_token_;
        plan.tokens_per_step =
            static_cast<double>(setup.global_rows()) * work_.tokens_per_row;
        plan.tokens_per_second_per_gpu =
            plan.seconds.step > 0
                ? plan.tokens_per_step /
                      (plan.seconds.step * static_cast<double>(setup.mesh.world_size()))
                : 0.0;
        const double peak = device_->peak_flops(setup.precision);
        plan.mfu = flops_per_token_ * plan.tokens_per_second_per_gpu / peak;
        plan.hfu = hardware_flops_[static_cast<std::size_t>(setup.checkpointing)] *
                   plan.tokens_per_second_per_gpu / peak;
        return plan;
    }

private:
    [[nodiscard]] const sharded_elements& elements(const training_setup& setup) {
        const std::int64_t shards =
            setup.sharding == sharding_kind::ddp ? 1 : setup.sharding_ranks();
        if (setup.mesh.tp != elements_tp_ || shards != elements_shards_) {
            elements_ = elements_per_rank(*layout_, setup.mesh.tp, shards);
            elements_tp_ = setup.mesh.tp;
            elements_shards_ = shards;
        }
        return elements_;
    }

    void balance(const training_setup& setup) {
        const std::int64_t ranks = setup.mesh.data_parallel_size();
        const std::int64_t rows = rows_between_waits(setup);
        if (ranks != balanced_ranks_ || rows != balanced_rows_) {
            const auto [at, added] = dp_imbalance_.try_emplace({ranks, rows}, 1.0);
            if (added) at->second = dp_imbalance_of(work_, setup, options_.dealing);
            work_.dp_imbalance = at->second;
            balanced_ranks_ = ranks;
            balanced_rows_ = rows;
        }
        if (setup.mesh.cp != balanced_cp_) {
            const auto [at, added] = cp_imbalance_.try_emplace(setup.mesh.cp, 1.0);
            if (added) at->second = cp_imbalance_of(work_, setup.mesh.cp);
            work_.cp_imbalance = at->second;
            balanced_cp_ = setup.mesh.cp;
        }
    }

    const model_layout* layout_;
    const device* device_;
    workload work_;  // with the imbalances of the last setup
    estimate_options options_;
    activation_sums activations_;
    double flops_per_token_;
    std::array<double, 3> hardware_flops_{};  // by checkpointing_kind
    std::int64_t capacity_;

    sharded_elements elements_;
    std::int64_t elements_tp_ = 0;
    std::int64_t elements_shards_ = 0;
    std::map<std::pair<std::int64_t, std::int64_t>, double> dp_imbalance_;
    std::map<std::int64_t, double> cp_imbalance_;
    std::int64_t balanced_ranks_ = 0;
    std::int64_t balanced_rows_ = 0;
    std::int64_t balanced_cp_ = 0;
};

/// What to look out for in a plan: a sentence each, with its numbers. None for a plan
/// without surprises.
[[nodiscard]] inline std::vector<std::string> plan_warnings(const plan_figures& plan,
                                                            const model_layout& layout,
                                                            const device& on,
                                                            const workload& work) {
    using detail::byte_text;
    using detail::message;
    using detail::second_text;
    const training_setup& setup = plan.setup;
    const mesh_shape& mesh = setup.mesh;
    const model_shape& shape = layout.shape();
    std::vector<std::string> warnings;
    const auto warn = [&](const auto&... parts) {
        warnings.push_back(message(parts...));
    };

    const std::int64_t needed = plan.memory.bytes.total();
    if (!plan.fits) {
        warn("does not fit: needs ", byte_text(needed), " of ",
             byte_text(plan.capacity_bytes));
    } else if (static_cast<double>(needed) >
               0.92 * static_cast<double>(on.memory_bytes)) {
        warn("memory is tight: ", byte_text(needed), " of ", byte_text(on.memory_bytes),
             " (",
             detail::percent(static_cast<double>(needed) /
                             static_cast<double>(on.memory_bytes)),
             "); contexts and fragmentation need some of the rest");
    }
    if (plan.memory.host_bytes > 0) {
        const std::int64_t ranks = std::min(setup.gpus_per_node, mesh.world_size());
        warn("offloading keeps ", byte_text(plan.memory.host_bytes),
             " a GPU in host memory: ", byte_text(plan.memory.host_bytes * ranks),
             " a node");
    }

    const auto uneven = [&](std::string_view what, std::int64_t size) {
        if (size % mesh.tp == 0) return;
        const std::int64_t most = rows_per_shard(size, mesh.tp);
        const std::int64_t last = std::max<std::int64_t>(0, size - most * (mesh.tp - 1));
        warn(what, " ", size, " over tp ", mesh.tp, " is uneven: shards of ", most,
             ", the last of ", last);
    };
    uneven("vocabulary", shape.vocab_size);
    uneven("intermediate size", shape.intermediate_size);
    if (const std::string refusal =
            attention_cut_refusal(shape.num_attention_heads, mesh.tp, mesh.tp);
        !refusal.empty()) {
        warn(refusal);
    } else if (shape.num_key_value_heads % mesh.tp != 0) {
        warn("tp ", mesh.tp, " does not divide ", shape.num_key_value_heads,
             " key-value heads: ranks share them, and exchange keys and values");
    }
    const group_placement tp =
        placement_of(mesh, {mesh_dimension::tp}, setup.gpus_per_node);
    if (!tp.inside_node()) {
        warn("tp ", mesh.tp, " crosses ", tp.nodes, " nodes: each GPU sends ",
             byte_text(plan.communication.tp.total()),
             " a step for it over the network, ",
             second_text(static_cast<double>(plan.communication.tp.total()) /
                         on.network_bytes_per_second),
             " at least, in a step of ", second_text(plan.seconds.step));
    }
    if (plan.seconds.exposed_communication > 0.2 * plan.seconds.step) {
        warn(
            "communication is exposed: ", second_text(plan.seconds.exposed_communication),
            " of a step of ", second_text(plan.seconds.step));
    }
    if (plan.dp_imbalance > 1.05) {
        warn("ranks wait for the most expensive rows: ",
             detail::percent(plan.dp_imbalance - 1),
             " above the mean when rows are dealt at random, ",
             detail::percent(work.rows.balanced_imbalance() - 1),
             " when they are dealt by cost");
    }
    if (work.rows_per_epoch > 0 &&
        static_cast<double>(setup.global_rows()) > work.rows_per_epoch) {
        warn("a step takes ", detail::grouped(setup.global_rows()),
             " rows, an epoch has ",
             detail::grouped(static_cast<std::int64_t>(work.rows_per_epoch)),
             ": some rows of the step are empty");
    }
    return warnings;
}

/// The estimate of one way to train. Imbalances come from the workload's rows. The setup
/// is taken as it is: what does not divide, or does not fit, is said in the warnings.
/// @throws invalid_argument for a size below 1, or as the calculators
[[nodiscard]] inline plan_estimate estimate(const model_layout& layout,
                                            const training_setup& setup, const device& on,
                                            const workload& work,
                                            const estimate_options& options = {}) {
    detail::check_memory_setup(setup);
    plan_evaluator evaluate(layout, on, work, options);
    plan_estimate plan{evaluate(setup), {}};
    plan.warnings = plan_warnings(plan, layout, on, work);
    return plan;
}

}  // namespace packkit
