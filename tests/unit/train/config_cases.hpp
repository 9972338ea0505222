// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The small configuration with more keys, loaded or rejected.

#include <config/config.hpp>

#include "train_test.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace config_cases {

using packkit::train::load_config;
using packkit::train::train_config;
using train_test::error_of;
using train_test::run_folder;

inline const run_folder run;

inline train_config loaded(std::string_view more,
                           const std::vector<std::string>& overrides = {}) {
    return load_config(run.write(run_folder::config_with(more)), overrides);
}

inline std::string error_with(std::string_view more,
                              const std::vector<std::string>& overrides = {}) {
    const std::string path = run.write(run_folder::config_with(more));
    return error_of(run.folder, [&] { load_config(path, overrides); });
}

inline std::string override_error(std::string_view assignment) {
    return error_with("", {std::string(assignment)});
}

inline std::string in_folder(std::string_view name) {
    return run.folder / name;
}

}  // namespace config_cases
