// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The MODEL of a command line: a built-in name, or a Hugging Face config.json.

#include "common/command_line.hpp"

#include <packkit/model/layout.hpp>
#include <packkit/model/model_shape.hpp>

#include <cstdint>
#include <string>

namespace packkit::plan {

/// A model, and where it came from.
struct chosen_model {
    std::string name;  ///< as given; of a folder its last part
    model_shape shape;
    std::int64_t context_length = 0;  ///< the longest sequence it is made for; 0: unknown
    std::string folder;               ///< with its config.json; empty: built in
};

/// Adds the argument MODEL to a command.
void add_model_argument(CLI::App& command, std::string& model);

/// A built-in model by its name, else the config.json at, or in the folder at, that path.
/// @throws usage_error for an unknown name, with a suggestion; app::input_error for a
/// broken file
chosen_model choose_model(const std::string& name);

}  // namespace packkit::plan
