// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Predictions for people and for programs: before a run, at its start, and beside what
/// was measured at its end.

#include "plan/prediction.hpp"
#include "record/metrics.hpp"

#include <packkit/planner/evaluate.hpp>

#include <string>

namespace packkit::app {
enum class output_format;
}

namespace packkit::train {

struct run_plan;

/// One line for the log: "predicted: …".
std::string to_log_line(const prediction& predicted);

/// A table of what was predicted and measured: bytes sent in a step, and memory in the
/// step that held most, in all and by component.
std::string comparison_text(const prediction& predicted, const step_metrics& step,
                            const step_metrics& largest);

/// What `packkit-train plan` prints: mesh, batch, packing, memory as bars, bytes by
/// collective, warnings; or one JSON object, keys as packkit-plan's estimate.
/// @param figures time on this machine's ranks, with the prediction's memory
/// @param format table or json
std::string plan_report(const run_plan& plan, const plan_estimate& figures,
                        app::output_format format);

}  // namespace packkit::train
