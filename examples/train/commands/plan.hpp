// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `packkit-train plan`: what a run will need, without starting it.

#include "config/config.hpp"

#include "common/table.hpp"

#include <cstdint>

namespace packkit::train {

/// Prints the plan of `processes` ranks on stdout. Reads the data and packs it; makes no
/// model and starts no process. Throws app::usage_error for a format other than table and
/// json, and as `check`.
int plan_run(const train_config& config, std::int64_t processes,
             app::output_format format);

}  // namespace packkit::train
