// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"

#include <CLI/CLI.hpp>

#include <utility>

namespace packkit::plan {

CLI::App& add_command(CLI::App& program, const char* name, const char* description,
                      const char* footer, action& chosen, action run) {
    CLI::App* const command = program.add_subcommand(name, description);
    command->footer(footer);
    command->callback([&chosen, run = std::move(run)] { chosen = run; });
    return *command;
}

void add_drop_last_switch(CLI::App& command, bool& given) {
    option_group(command, "Data")
        .flag("--dataloader-drop-last", given,
              "Leave out the last, smaller step of an epoch");
}

void add_argument(CLI::App& command, const char* name, std::string& text,
                  const char* description) {
    command.add_option(name, text, description);
}

void add_file_arguments(CLI::App& command, std::vector<std::string>& files,
                        const char* description) {
    command.add_option("FILE", files, description)->type_name("FILE")->group("Input");
}

}  // namespace packkit::plan
