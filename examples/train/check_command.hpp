// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `packkit-train check`: what can be found wrong without training.

#include "config/config.hpp"

#include <cstdint>

namespace packkit::train {

/// Throws app::usage_error when `processes` ranks do not fit the mesh asked for, or the
/// model does not.
void check_mesh(const train_config& config, std::int64_t processes);

/// Everything that can be found wrong without training: configuration, model folder,
/// data, mesh of `processes` ranks. Prints a summary on stdout.
int check(const train_config& config, std::int64_t processes);

}  // namespace packkit::train
