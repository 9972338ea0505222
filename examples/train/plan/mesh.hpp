// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The mesh of a job: what the configuration asks for, made to fit ranks and model.

#include "config/config.hpp"

#include <packkit/mesh/mesh_shape.hpp>
#include <packkit/model/model_shape.hpp>

#include <cstdint>
#include <string>

namespace packkit::train {

/// The mesh of `world_size` ranks. Throws app::usage_error.
mesh_shape choose_mesh(const train_config& config, std::int64_t world_size);

/// How choose_mesh() has used the ranks that no size of the configuration takes: a
/// sentence for the log, or "" where it had nothing to decide. Throws app::usage_error.
std::string mesh_note_of(const train_config& config, std::int64_t world_size);

/// Throws app::usage_error when the ranks of tp cannot cut the model.
void check_cut(const model_shape& shape, const mesh_shape& mesh);

}  // namespace packkit::train
