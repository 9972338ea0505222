// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Where results go: the options --format, --output and further files, written whole or
/// not at all.

#include "common/command_line.hpp"
#include "common/table.hpp"

#include <string>
#include <utility>
#include <vector>

namespace packkit::plan {

/// Options as they are written; empty where they were not given.
struct output_texts {
    std::string format, output;
};

/// Adds --format and --output to a command.
void add_output_options(CLI::App& command, output_texts& texts);

/// A file to write besides the result: the option that names it, its path, its content.
struct output_file {
    std::string option;
    std::string path;
    std::string content;
};

/// The format of the result. @throws usage_error
app::output_format parse_format(const output_texts& texts);

/// Refuses, before long work, paths that cannot be written, that are the same file, or
/// that are an input. `paths`: option and path; empty paths are passed over.
/// @throws usage_error
void check_output_paths(const std::vector<std::pair<std::string, std::string>>& paths,
                        const std::vector<std::string>& inputs);

/// Writes the result to standard output or the file of --output, and the further files;
/// all are complete on disk before the first of them appears.
/// @throws std::runtime_error when something cannot be written
void write_outputs(const output_texts& texts, const std::string& result,
                   const std::vector<output_file>& files = {});

}  // namespace packkit::plan
