// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Everything about a run that follows from its configuration, its inputs and the number
/// of ranks, derived once: `check`, `plan` and `train` read it.

#include "config/config.hpp"
#include "plan/data_plan.hpp"
#include "plan/identity.hpp"
#include "plan/inputs.hpp"
#include "plan/parameter_rules.hpp"
#include "plan/prediction.hpp"

#include <packkit/estimate/flops.hpp>
#include <packkit/estimate/training_setup.hpp>
#include <packkit/mesh/mesh_shape.hpp>
#include <packkit/model/layout.hpp>
#include <packkit/utility/learning_rate.hpp>

#include <memory>

namespace packkit::train {

/// A plan is a value: equal on all ranks, and never changed.
struct run_plan {
    const train_config& config;
    const run_inputs& inputs;
    model_layout layout;   ///< parameters of the whole model, by unit
    training_setup setup;  ///< mesh, batch, precision, sharding: the planner's words
    std::shared_ptr<const data_plan> data;  ///< rows of every step and rank
    token_flops flops;                      ///< of the model, by convention A
    parameter_rules rules;                  ///< which parameters are trained, and how
    learning_rate_schedule schedule;
    run_identity identity;  ///< what a checkpoint must have in common with the run
    prediction predicted;   ///< memory and bytes sent of rank 0

    [[nodiscard]] const mesh_shape& mesh() const { return setup.mesh; }

    /// Bytes that rank 0 sends in that step, from 0.
    [[nodiscard]] communication_estimate communication_in_step(std::int64_t step) const {
        return train::communication_in_step(predicted.communication, config, layout,
                                            setup, *data, step);
    }
};

/// The schedule of a run of that many steps: unless warmup_steps is given, warmup_ratio
/// of all steps, or 3 % of them and at most 100, rounded down as Axolotl does.
learning_rate_schedule schedule_of(const train_config& config, std::int64_t total_steps);

/// Makes the plan of a job on `mesh` (`choose_mesh`). Reads nothing, computes without
/// LibTorch. `config` and `inputs` outlive the plan.
/// @throws app::input_error when there is no sample to train on
run_plan make_run_plan(const train_config& config, const run_inputs& inputs,
                       const mesh_shape& mesh);

}  // namespace packkit::train
