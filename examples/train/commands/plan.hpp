// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `packkit-train plan`: what a run will need, without starting it.

#include "config/config.hpp"

#include "common/table.hpp"
#include "run/launch_options.hpp"

namespace packkit::train {

/// Prints the plan of the ranks of `request` on stdout. Reads the data and packs it;
/// makes no model and starts no process. Throws app::usage_error for a format other than
/// table and json, and as `check`.
int plan_run(const train_config& asked, const launch_request& request,
             app::output_format format);

}  // namespace packkit::train
