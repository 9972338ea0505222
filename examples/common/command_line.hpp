// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The manners that CLI11 does not bring by itself: one-line errors with suggestions.

#include "did_you_mean.hpp"
#include "errors.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

// CLI11 is header-only and slow to compile: only files that add options include it.
namespace CLI {
class App;
}  // namespace CLI

namespace packkit::app {

/// Parses the command line. `--help` and `--version` print to standard output and end the
/// program by returning true: the caller then returns 0.
/// @throws usage_error; an unknown option gets a suggestion from those of the
/// (sub)command.
bool parse_command_line(CLI::App& app, int argc, char** argv);

/// "a,b,c" split at commas. @throws usage_error for an empty part.
std::vector<std::string> split_list(const std::string& option, std::string_view text);

/// The position of `text` among `names`: an option that takes one of a few words.
/// @param what one of them is called: "sharding"
/// @throws usage_error, as in "--sharding: unknown sharding 'fdsp'; expected one of ddp,
/// fsdp; did you mean 'fsdp'?"
template <class Names>
std::size_t parse_choice(const std::string& option, std::string_view what,
                         std::string_view text, const Names& names) {
    const auto found = std::find(std::begin(names), std::end(names), text);
    if (found == std::end(names)) {
        throw usage_error(option, "unknown " + std::string(what) + " " + in_quotes(text) +
                                      "; expected one of " + name_list(names) +
                                      did_you_mean(text, names));
    }
    return static_cast<std::size_t>(std::distance(std::begin(names), found));
}

}  // namespace packkit::app
