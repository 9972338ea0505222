// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Predictions for people and for programs: before a run, at its start, and beside what
/// was measured at its end.

#include "config.hpp"
#include "data_plan.hpp"
#include "metrics.hpp"
#include "prediction.hpp"

#include <packkit/model_layout.hpp>
#include <packkit/plan_estimate.hpp>

#include <string>

namespace packkit::train {

/// One line for the log: "predicted: …".
std::string to_log_line(const prediction& predicted);

/// A table of what was predicted and measured: bytes sent in a step, and memory in the
/// step that held most, in all and by component.
std::string comparison_text(const prediction& predicted, const step_metrics& step,
                            const step_metrics& largest);

/// What `packkit-train plan` says.
struct run_plan {
    const train_config& config;
    const model_layout& layout;
    const data_plan& data;
    prediction predicted;
    plan_estimate figures;  ///< time on this machine's ranks; memory is the prediction's
};

/// Mesh, batch, packing, memory as bars, bytes by collective, warnings.
std::string plan_text(const run_plan& plan);

/// The same as one JSON object, keys as packkit-plan's estimate.
std::string plan_json(const run_plan& plan);

}  // namespace packkit::train
