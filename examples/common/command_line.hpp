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
/// Parses a command line whose first argument is not the program's name; otherwise as
/// with argc and argv.
bool parse_command_line(CLI::App& app, std::vector<std::string> arguments);

/// The options of one group of a command's help. Values are read later: what is kept is
/// their text, empty where it was not given.
class option_group {
public:
    option_group(CLI::App& command, const char* group)
        : command_(&command), group_(group) {}

    /// An option with a value; the last of several counts.
    void text(const char* names, std::string& text, const char* type,
              const char* description) const;
    /// An option that may be given several times, with one value each.
    void repeated(const char* name, std::vector<std::string>& texts, const char* type,
                  const char* description) const;
    /// An option without a value.
    void flag(const char* name, bool& given, const char* description) const;

private:
    CLI::App* command_;
    const char* group_;
};

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

/// Sets an enumeration to the word that was given; without one it stays as it is.
/// @returns whether one was given
template <class Kind, class Names>
bool set_choice(const std::string& option, std::string_view what, std::string_view text,
                const Names& names, Kind& kind) {
    if (text.empty()) return false;
    kind = static_cast<Kind>(parse_choice(option, what, text, names));
    return true;
}

}  // namespace packkit::app
