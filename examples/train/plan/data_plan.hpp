// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Which samples lie in which row of which step, for every rank, from lengths and
/// configuration alone. A plan is a value: all ranks derive the same one and take their
/// part by number.

#include "batch/micro_batch.hpp"
#include "config/config.hpp"
#include "data/dataset.hpp"

#include <packkit/mesh.hpp>
#include <packkit/sampling/distributed_plan.hpp>
#include <packkit/sampling/plan_reader.hpp>

#include <cstddef>
#include <cstdint>
#include <mutex>

namespace packkit::train {

/// The core's distributed plan of a configuration, and the micro-batches that it makes.
/// Several threads may ask.
class data_plan {
public:
    /// `samples` outlives the plan; `cost` is what a document costs to train on. Throws
    /// app::input_error when there is nothing to train on.
    data_plan(const token_store& samples, const train_config& config,
              const mesh_shape& mesh, attention_cost cost);

    [[nodiscard]] std::int64_t steps_per_epoch() const {
        return static_cast<std::int64_t>(plan_.steps_per_epoch());
    }
    /// max_steps, or num_epochs × steps_per_epoch rounded up.
    [[nodiscard]] std::int64_t total_steps() const { return total_steps_; }
    [[nodiscard]] std::int64_t micro_steps() const {
        return static_cast<std::int64_t>(micro_steps_);
    }

    /// The micro-batch of data-parallel rank `rank`: `micro_batch_size` rows joined into
    /// one. Never empty: a rank without samples gets one token without a target, and
    /// takes part as all do.
    [[nodiscard]] micro_batch_content content(std::int64_t global_step,
                                              std::int64_t micro_step,
                                              std::int64_t rank) const;
    /// The tokens of that micro-batch.
    [[nodiscard]] packed_row micro_batch(std::int64_t global_step,
                                         std::int64_t micro_step,
                                         std::int64_t rank) const {
        return collate(content(global_step, micro_step, rank), samples_);
    }
    /// Work of a step over all ranks and micro-steps.
    [[nodiscard]] batch_work step(std::int64_t global_step) const;

    /// Bins and epochs.
    [[nodiscard]] const distributed_plan<>& plan() const { return plan_; }
    [[nodiscard]] const token_store& samples() const { return samples_; }
    [[nodiscard]] std::int64_t row_capacity() const { return row_capacity_; }
    /// Real tokens / (rows × capacity).
    [[nodiscard]] double efficiency() const { return efficiency_; }
    /// Shares of time that data-parallel ranks wait for the most expensive rows.
    [[nodiscard]] idle_shares idle() const {
        return estimate_rank_idle(plan_, ranks_, rows_between_waits_);
    }

private:
    const token_store& samples_;
    std::size_t rows_;  // of a micro-batch: several, or one long row
    std::int64_t row_capacity_;
    std::size_t micro_steps_;
    std::size_t ranks_;
    std::size_t rows_between_waits_;  // of a rank, before all wait for each other
    distributed_plan<> plan_;
    double efficiency_;
    std::int64_t total_steps_;
    mutable std::mutex reading_;
    mutable plan_reader<attention_cost> reader_;  // keeps the window asked for last
};

}  // namespace packkit::train
