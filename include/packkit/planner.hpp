// SPDX-License-Identifier: Apache-2.0
/// @file
/// The planner: from a model, a device and a workload to the mesh to train on.
///
/// ```cpp
/// packkit::model_layout model(packkit::find_model("llama-3-8b")->shape);
/// const packkit::workload rows = packkit::packed_rows(counts, 8192);
/// packkit::search_options options{.gpus = 64, .sequence_len = 8192};
/// const auto found =
///     packkit::search(model, *packkit::find_device("h100-80gb"), options, rows);
/// ```
///
/// - `estimate`: memory, communication, time and speed of one way to train
/// - `search`: every mesh, ranked, or refused with a reason
/// - `suggest`: what to change when nothing fits
/// - `advise`: each choice of the best plan against its alternative
/// - `compare_rows`, `cost_of_run`: packed against padded, hours and money
#pragma once

#include <packkit/plan_advice.hpp>
#include <packkit/plan_choices.hpp>
#include <packkit/plan_estimate.hpp>
#include <packkit/plan_refusal.hpp>
#include <packkit/plan_search.hpp>
#include <packkit/plan_suggestions.hpp>
#include <packkit/run_cost.hpp>
