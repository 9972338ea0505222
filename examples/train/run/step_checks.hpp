// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What ends a run after a step: numbers that are not finite, replicas that differ.

#include "model/model.hpp"
#include "plan/run_plan.hpp"
#include "step/step_result.hpp"

#include <cstdint>

namespace packkit::train {

/// Throws std::runtime_error when the loss of a rank or the gradient norm is not finite,
/// with the samples or the parameter that it comes from; collective over `groups.world`.
void check_finite(const run_plan& plan, std::int64_t step, const step_result& result,
                  model& network, const lt::mesh_view& groups);

/// Throws std::runtime_error when ranks that repeat parameters hold different ones;
/// collective over `groups.replicate`.
void check_replicas(std::int64_t step, model& network, const lt::mesh_view& groups);

}  // namespace packkit::train
