// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A command line as people bring it from other launchers, as the words that this program
/// takes.

#include <span>
#include <string>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace packkit::train {

/// A command line for the program's own parser.
struct translated_arguments {
    std::vector<std::string> words;     ///< options of the program, commands, key=value
    std::vector<std::string> warnings;  ///< options that have no effect here
};

/// Translates a command line without the program's name.
/// \details Options of `app` may be written with underscores. Keys of the configuration
/// may be options: --max-steps 5, --max_steps=5, --sample-packing, --no-sample-packing
/// become key=value; these then stand behind commands and files. Options of `axolotl` and
/// `accelerate launch` that change nothing here become warnings. A lone -- is left out.
/// \throws app::usage_error for an option that is none of these, with the nearest that
/// there is; for one of another launcher, with what stands for it here; for a key without
/// its value
translated_arguments translate_arguments(const CLI::App& app,
                                         std::span<const std::string> arguments);

}  // namespace packkit::train
