// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Where results go: the options --format, --output and further files, written whole or
/// not at all.

#include "atomic_file.hpp"
#include "command_line.hpp"
#include "table.hpp"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace packkit::app {

/// Options as they are written; empty where they were not given.
struct output_texts {
    std::string format, output;
};

/// Adds --format and --output to a command.
void add_output_options(CLI::App& command, output_texts& texts);

/// A file to write besides the result, unless its path is empty.
struct output_file {
    output_file(std::string path_, std::string content)
        : path(std::move(path_)),
          write([text = std::move(content)](atomic_file& file) { file.write(text); }) {}
    /// For content that is not held in memory.
    output_file(std::string path_, std::function<void(atomic_file&)> write_)
        : path(std::move(path_)), write(std::move(write_)) {}

    std::string path;
    std::function<void(atomic_file&)> write;
};

/// The format of the result. @throws usage_error
output_format parse_format(const output_texts& texts);

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

}  // namespace packkit::app
