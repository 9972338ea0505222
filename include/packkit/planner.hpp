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

// IWYU pragma: begin_exports
#include <packkit/planner/advice.hpp>
#include <packkit/planner/evaluate.hpp>
#include <packkit/planner/rejection.hpp>
#include <packkit/planner/search.hpp>
#include <packkit/planner/search_options.hpp>
#include <packkit/planner/suggestions.hpp>
#include <packkit/planner/training_cost.hpp>
// IWYU pragma: end_exports
