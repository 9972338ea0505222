// SPDX-License-Identifier: Apache-2.0
#include "command_line.hpp"

#include "did_you_mean.hpp"
#include "errors.hpp"

#include <CLI/CLI.hpp>

namespace packkit::app {
namespace {

/// The subcommand that was named last, or the program itself: whose options count.
CLI::App& named_command(CLI::App& app) {
    CLI::App* command = &app;
    while (true) {
        const auto named = command->get_subcommands();
        if (named.empty()) return *command;
        command = named.back();
    }
}

std::vector<std::string> option_names(CLI::App& command) {
    std::vector<std::string> names;
    for (const CLI::Option* option : command.get_options()) {
        for (const std::string& name : option->get_lnames())
            names.push_back("--" + name);
    }
    return names;
}

std::vector<std::string> command_names(CLI::App& command) {
    std::vector<std::string> names;
    for (const CLI::App* sub : command.get_subcommands([](CLI::App*) { return true; })) {
        names.push_back(sub->get_name());
    }
    return names;
}

[[noreturn]] void refuse_extras(CLI::App& app) {
    CLI::App& command = named_command(app);
    // The program keeps what its subcommands leave over.
    const auto extras = app.remaining(true);
    const std::string first = extras.empty() ? std::string() : extras.front();
    if (first.starts_with("-") && first.size() > 1) {
        const std::string name = first.substr(0, first.find('='));
        throw usage_error("unknown option " + in_quotes(name) +
                          did_you_mean(name, option_names(command)));
    }
    const auto commands = command_names(command);
    if (!commands.empty()) {
        throw usage_error("unknown command " + in_quotes(first) + "; expected one of " +
                          name_list(commands) + did_you_mean(first, commands));
    }
    throw usage_error("unexpected argument " + in_quotes(first));
}

/// Runs parse(); its outcomes become text, errors or false.
template <class Parse>
bool parse_by(CLI::App& app, Parse parse) {
    try {
        parse();
        return false;
    } catch (const CLI::CallForHelp&) {
        write_stdout(named_command(app).help());
    } catch (const CLI::CallForAllHelp&) {
        write_stdout(app.help("", CLI::AppFormatMode::All));
    } catch (const CLI::CallForVersion& version) {
        write_stdout(std::string(version.what()) + "\n");
    } catch (const CLI::ExtrasError&) {
        refuse_extras(app);
    } catch (const CLI::ArgumentMismatch& error) {
        const std::string what = error.what();  // "--capacity: 1 required N missing"
        throw usage_error(what.substr(0, what.find(':')), "its value is missing");
    } catch (const CLI::ParseError& error) {
        throw usage_error(std::string(error.what()) + "; see --help");
    }
    return true;
}

}  // namespace

bool parse_command_line(CLI::App& app, int argc, char** argv) {
    return parse_by(app, [&] { app.parse(argc, argv); });
}

bool parse_command_line(CLI::App& app, std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
    return parse_by(app, [&] { app.parse(std::move(arguments)); });
}

void option_group::text(const char* names, std::string& text, const char* type,
                        const char* description) const {
    command_->add_option(names, text, description)
        ->type_name(type)
        ->group(group_)
        ->take_last();
}

void option_group::repeated(const char* name, std::vector<std::string>& texts,
                            const char* type, const char* description) const {
    command_->add_option(name, texts, description)
        ->type_name(type)
        ->group(group_)
        ->allow_extra_args(false)
        ->take_all();
}

void option_group::flag(const char* name, bool& given, const char* description) const {
    command_->add_flag(name, given, description)->group(group_);
}

std::vector<std::string> split_list(const std::string& option, std::string_view text) {
    std::vector<std::string> parts;
    while (true) {
        const auto comma = text.find(',');
        const std::string_view part = text.substr(0, comma);
        if (part.empty()) throw usage_error(option, "has an empty part between commas");
        parts.emplace_back(part);
        if (comma == std::string_view::npos) return parts;
        text.remove_prefix(comma + 1);
    }
}

}  // namespace packkit::app
