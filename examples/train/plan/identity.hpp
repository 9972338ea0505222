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

using named_values = std::map<std::string, std::string>;

/// What decides the function that is trained and the order of its samples, and what may
/// change while a run goes on. Values are texts.
struct run_identity {
    /// Equal in the run that wrote a checkpoint and the one that goes on from it: model,
    /// data, order of the rows, optimizer. The mesh may differ, if the rows of a global
    /// batch are the same.
    named_values fixed;
    named_values changeable;  ///< chosen anew in every step, as the learning rate
    /// How the data is read: what may differ as long as the content, of which `fixed` has
    /// the hash, stays the same.
    named_values data;

    friend bool operator==(const run_identity&, const run_identity&) = default;
};

/// Name of the entry of `fixed` that holds the hash of the data.
inline constexpr const char* data_identity = "content of datasets (hash)";

run_identity identity_of(const train_config& config, const run_inputs& inputs,
                         const data_plan& plan, const mesh_shape& mesh);

}  // namespace packkit::train
