// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `packkit-train train`: trains as one rank, or starts this machine's ranks.

#include "run/launch_options.hpp"
#include "run/start.hpp"

#include <string>
#include <vector>

namespace packkit::train {

/// Trains the configuration words[0] with the settings key=value behind it. Returns the
/// exit status.
/// \throws app::usage_error for options that contradict each other or the environment
int run_training(const std::vector<std::string>& words, const run_options& options,
                 const launch_options& launch);

}  // namespace packkit::train
