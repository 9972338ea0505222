// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The rows of one step on one rank.

#include "batch/micro_batch.hpp"
#include "plan/run_plan.hpp"

#include <cstdint>
#include <vector>

namespace packkit::train {

/// A rank's part of a step, made before it begins.
struct rank_step {
    batch_work all;   ///< work of all ranks
    batch_work mine;  ///< work of this one
    std::vector<packed_row> micro_batches;
};

/// Makes the rows of a step. May run in a thread of its own.
rank_step prepare_step(const run_plan& plan, std::int64_t step, std::int64_t data_rank);

}  // namespace packkit::train
