// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What a run and the checkpoint that it goes on from must have in common.

#include "config/config.hpp"
#include "plan/data_plan.hpp"
#include "plan/inputs.hpp"

#include <packkit/mesh/mesh_shape.hpp>

#include <map>
#include <string>

namespace packkit::train {

/// Name → value as text: model, data, order of the rows. The mesh may differ, if the rows
/// of a global batch are the same; so may what is chosen anew in every step, such as the
/// learning rate.
using run_identity = std::map<std::string, std::string>;

run_identity identity_of(const train_config& config, const run_inputs& inputs,
                         const data_plan& plan, const mesh_shape& mesh);

}  // namespace packkit::train
