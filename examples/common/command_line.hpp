// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The manners that CLI11 does not bring by itself: one-line errors with suggestions.

#include <CLI/CLI.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {

/// Parses the command line. `--help` and `--version` print to standard output and end the
/// program by returning true: the caller then returns 0.
/// @throws usage_error; an unknown option gets a suggestion from those of the
/// (sub)command.
bool parse_command_line(CLI::App& app, int argc, char** argv);

/// "a,b,c" split at commas. @throws usage_error for an empty part.
std::vector<std::string> split_list(const std::string& option, std::string_view text);

}  // namespace packkit::app
