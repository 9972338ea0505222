// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// How a run starts: anew, from weights, or from a checkpoint.

#include "checkpoint/output_folder.hpp"
#include "model/model.hpp"
#include "plan/run_plan.hpp"
#include "record/metrics.hpp"
#include "record/run_log.hpp"
#include "run/job_rank.hpp"
#include "step/loss_scaling.hpp"

#include <packkit/torch/optim/optimizer.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace packkit::train {

/// What the command line adds to the configuration.
struct run_options {
    bool resume = false;     ///< go on from the newest whole checkpoint of output_dir
    bool overwrite = false;  ///< remove what an earlier run left in output_dir
};

/// Rejects options that contradict each other or the configuration: what is removed
/// cannot be gone on from. Throws app::usage_error.
void check_run_options(const train_config& config, const run_options& options);

/// Where a run starts, and what its first rank writes to.
struct run_start {
    std::unique_ptr<output_folder> folder;  ///< null on other ranks
    std::unique_ptr<metrics_file> metrics;  ///< null on other ranks
    std::int64_t step = 0;                  ///< first step, from 0
    std::string checkpoint{};               ///< the one it goes on from, or ""
    std::optional<loss_scaling> scaling{};  ///< of a run in fp16
};

/// Locks output_dir and fills model and optimizer: from the checkpoint that configuration
/// or options name, the weights of base_model, or the seed. Collective.
/// @throws app::usage_error for an output_dir that cannot be used or a checkpoint of
/// another run, app::input_error for a damaged one
run_start start_or_resume(const run_plan& plan, const run_options& options,
                          const job_rank& rank, const run_log& log, model& network,
                          lt::optimizer& optimizer);

}  // namespace packkit::train
