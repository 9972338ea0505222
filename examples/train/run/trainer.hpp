// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A training run, top to bottom: config → data → plan → groups → model → steps →
/// checkpoints.

#include "config/config.hpp"
#include "run/failure_exchange.hpp"
#include "run/start.hpp"

namespace packkit::train {

/// Trains as one rank of the job that the environment describes, from start or checkpoint
/// to the last step. `slot`, when there is a launcher, is told the step. Returns the exit
/// status: 0, or 128 + signal after an interruption that was saved. Throws
/// app::usage_error, app::input_error, lt::communication_error, std::runtime_error.
int train(const train_config& config, const run_options& options, rank_slot* slot);

}  // namespace packkit::train
