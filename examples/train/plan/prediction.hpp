// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What the planner says of a run before it starts.

#include "config/config.hpp"
#include "plan/data_plan.hpp"

#include <packkit/estimate/communication.hpp>
#include <packkit/estimate/memory.hpp>
#include <packkit/estimate/training_setup.hpp>
#include <packkit/estimate/workload.hpp>
#include <packkit/model/layout.hpp>

#include <cstdint>

namespace packkit::train {

/// Bytes and rows of rank 0, which holds and sends most.
struct prediction {
    workload rows;                         ///< as packed
    std::int64_t longest_micro_batch = 0;  ///< tokens, padding included
    memory_estimate memory;                ///< with a micro-batch of that length
    /// The most that kernels of libraries take beside it; see library_workspace.hpp.
    std::int64_t library_workspace = 0;
    /// Bytes of an optimizer step; `cp` and `tp`, which depend on the rows, of the first.
    communication_estimate communication;
};

/// The run as the planner's value.
training_setup setup_of(const train_config& config, const mesh_shape& mesh);

/// What rows of sequence_len hold in `plan`. Counts are exact; unequal ranks are left at
/// 1.
workload workload_of(const train_config& config, const data_plan& plan);

/// `sent` with the bytes that depend on the rows of a step, `cp` and `tp`, as rank 0
/// sends them in that step (from 0): exact.
communication_estimate communication_in_step(communication_estimate sent,
                                             const train_config& config,
                                             const model_layout& layout,
                                             const training_setup& setup,
                                             const data_plan& plan, std::int64_t step);

/// O(steps) for the longest micro-batch of rank 0; where ranks share rows, the longest
/// part of one in the first 256 steps, and the most targets of one in as many.
prediction predict(const train_config& config, const model_layout& layout,
                   const training_setup& setup, const data_plan& plan);

}  // namespace packkit::train
