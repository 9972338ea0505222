// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `packkit-train check`: what can be found wrong without training.

#include "commands/check_report.hpp"
#include "config/config.hpp"

#include <cstdint>
#include <span>
#include <string>

namespace packkit::train {

/// Throws app::usage_error when `processes` ranks do not fit the mesh asked for, or the
/// model does not.
void check_mesh(const train_config& config, std::int64_t processes);

/// Checks everything that can be checked without training: configuration, mesh of
/// `processes` ranks, model folder, tokenizer, data, weights. Prints check_report() on
/// stdout when there is no problem.
/// \details A check that depends on a wrong value is left out. The first 20 problems of
/// each data file are listed, then their remaining number.
/// \throws app::input_problems with a line for each problem: the configuration's in the
/// order of load_config(), then the others in the order above
int check(const std::string& path, std::span<const std::string> overrides,
          std::int64_t processes, const check_options& options = {});

}  // namespace packkit::train
