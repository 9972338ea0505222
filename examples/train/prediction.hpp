// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What the planner says of a run before it starts.

#include "config.hpp"
#include "data_plan.hpp"

#include <packkit/communication.hpp>
#include <packkit/memory.hpp>
#include <packkit/training_setup.hpp>
#include <packkit/workload.hpp>

#include <cstdint>

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

/// What rows of sequence_len hold in `plan`. Counts are exact; unequal ranks are left at
/// 1.
workload workload_of(const train_config& config, const data_plan& plan);

/// O(steps) for the longest micro-batch of rank 0.
prediction predict(const train_config& config, const model_shape& shape,
                   const mesh_shape& mesh, const data_plan& plan);

}  // namespace packkit::train
