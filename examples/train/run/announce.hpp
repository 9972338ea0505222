// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What the log says of a run before its first step.

#include "model/model.hpp"
#include "plan/run_plan.hpp"
#include "record/run_log.hpp"
#include "run/job_rank.hpp"

#include <packkit/torch/optim/optimizer.hpp>

namespace packkit::train {

/// Logs what the run is about to do: notes and warnings of its configuration, precision,
/// data, mesh, packing, predictions.
/// \throws app::usage_error where it needs far more memory than the machine has
void announce(const run_plan& plan, const job_rank& rank, const model& network,
              const lt::optimizer& optimizer, const run_log& log);

}  // namespace packkit::train
