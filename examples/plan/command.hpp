// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The commands of packkit-plan. Each is a file of its own that adds its options and says
/// what it does once the line is parsed.

#include "common/command_line.hpp"
#include "common/outputs.hpp"
#include "common/report/report.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::plan {

using app::add_output_options;
using app::check_output_paths;
using app::fact;
using app::option_group;
using app::output_file;
using app::output_texts;
using app::parse_format;
using app::render_facts;
using app::render_rows;
using app::write_outputs;

/// The names of things that have one.
template <class Things>
std::vector<std::string_view> names_of(const Things& things) {
    std::vector<std::string_view> names;
    for (const auto& one : things)
        names.push_back(one.name);
    return names;
}

/// What the command on the line does; empty until one is parsed.
using action = std::function<void()>;

/// Each adds its command to the program; when that is the one on the line, `chosen` runs
/// it. @throws nothing; running throws usage_error, input_error,
/// packkit::invalid_argument
void add_estimate_command(CLI::App& program, action& chosen);
void add_search_command(CLI::App& program, action& chosen);
void add_mfu_command(CLI::App& program, action& chosen);
void add_steps_command(CLI::App& program, action& chosen);
void add_models_command(CLI::App& program, action& chosen);
void add_gpus_command(CLI::App& program, action& chosen);
void add_calibrate_command(CLI::App& program, action& chosen);

/// Adds a command; when it is the one on the line, `chosen` becomes `run`.
CLI::App& add_command(CLI::App& program, const char* name, const char* description,
                      const char* footer, action& chosen, action run);

/// Adds --dataloader-drop-last, named as the trainer's key.
void add_drop_last_switch(CLI::App& command, bool& given);

/// Adds a positional argument, empty if it was not given.
void add_argument(CLI::App& command, const char* name, std::string& text,
                  const char* description);

/// Adds files as positional arguments, any number of them.
void add_file_arguments(CLI::App& command, std::vector<std::string>& files,
                        const char* description);

}  // namespace packkit::plan
