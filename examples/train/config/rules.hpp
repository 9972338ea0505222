// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What several keys of a configuration must fulfil together.

#include "config/config.hpp"
#include "config/reader.hpp"

#include <span>
#include <string>

namespace packkit::train {

/// A configuration and what is wrong with it.
struct checked_config {
    train_config config;  ///< defaults where there is a problem
    config_problems problems;
};

/// load_config() for who wants to go on in spite of problems.
/// \throws app::input_error as load_config(), but for problems of keys.
checked_config check_config(const std::string& path,
                            std::span<const std::string> overrides = {});

/// Contradictions that have a message of their own also where a key is not supported;
/// before read_keys().
void check_conflicts(const key_reader& keys, config_problems& problems);

/// Settles and checks, after read_keys(), what keys of the file say together: batch size,
/// padding, schedule, precision, mesh, sharding.
void apply_rules(const key_reader& keys, train_config& config, config_problems& problems);

}  // namespace packkit::train
