// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A configuration together with its problems.

#include "config/config.hpp"
#include "config/reader.hpp"

#include <span>
#include <string>

namespace packkit::train {

/// A configuration and what is wrong with it.
struct checked_config {
    train_config config;  ///< defaults where there is a problem
    config_problems problems;
    config_node root;  ///< the file with the overrides: where settings come from
};

/// Reads a configuration as load_config() does, and returns the problems of its keys.
/// \throws app::input_error for a file that cannot be read and for broken YAML
checked_config check_config(const std::string& path,
                            std::span<const std::string> overrides = {});

}  // namespace packkit::train
