// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What the planner says of a run before it starts, and how what was measured compares.

#include "config.hpp"
#include "data_plan.hpp"
#include "metrics.hpp"

#include <packkit/communication.hpp>
#include <packkit/memory.hpp>
#include <packkit/training_setup.hpp>
#include <packkit/workload.hpp>

#include <string>

namespace packkit::train {

/// Of rank 0, which holds and sends most.
struct prediction {
    training_setup setup;
    workload rows;                         ///< as packed
    std::int64_t longest_micro_batch = 0;  ///< tokens, padding included
    memory_estimate memory;                ///< with a micro-batch of that length
    communication_estimate communication;  ///< of an optimizer step
};

/// The run as the planner's value.
training_setup setup_of(const train_config& config, const mesh_shape& mesh);

/// What the rows of `plan` hold. Counts are exact; unequal ranks are left at 1.
workload workload_of(const data_plan& plan);

/// O(steps) for the longest micro-batch of rank 0.
prediction predict(const train_config& config, const model_shape& shape,
                   const mesh_shape& mesh, const data_plan& plan);

/// One line for the log.
std::string to_log_line(const prediction& predicted);

/// A table of what was predicted and measured: bytes sent in a step, and memory in the
/// step that held most, in all and by component.
std::string compare(const prediction& predicted, const step_metrics& step,
                    const step_metrics& largest);

}  // namespace packkit::train
