// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `packkit-train keys`: the keys of a configuration.

#include "common/table.hpp"

#include <span>
#include <string>

namespace packkit::train {

/// Prints the keys that contain one of `names`, all without any, on stdout.
/// \throws app::usage_error for a name that no key contains
int list_keys(std::span<const std::string> names, app::output_format format);

}  // namespace packkit::train
