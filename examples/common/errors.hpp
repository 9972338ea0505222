// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// How every program ends: what goes wrong is one line on stderr and one exit status.
/// Functions throw; only run_main prints.

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {

/// Exit statuses of all programs.
inline constexpr int exit_done = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_wrong_use = 2;

/// A wrong command line or configuration: exit status 2. `place` is the option or key.
struct usage_error : std::runtime_error {
    explicit usage_error(const std::string& message) : std::runtime_error(message) {}
    usage_error(const std::string& place, const std::string& message)
        : std::runtime_error(place + ": " + message) {}
};

/// Wrong input data: exit status 2. `place` is a file with its line, key or element, as
/// in "lengths.txt:17"; what() is then "lengths.txt:17: length -3 is negative".
struct input_error : std::runtime_error {
    input_error(const std::string& place, const std::string& message)
        : std::runtime_error(place + ": " + message) {}
};

/// Runs `body(argc, argv)` and returns its result as the exit status of `program`.
/// @details Catches everything: prints one line "program: what" on stderr and returns 2
/// for usage_error, input_error and packkit::invalid_argument, 1 for any other exception
/// and for a standard output that could not be written. Ignores SIGPIPE and SIGXFSZ so
/// that a closed pipe or a file-size limit is an error of the write, not a death by
/// signal, and occupies closed standard descriptors so that no opened file takes their
/// numbers.
int run_main(std::string_view program, int argc, char** argv, int (*body)(int, char**));

/// Writes all of `text` to standard output, at once and unbuffered.
/// @throws std::runtime_error naming the system's reason when it cannot be written.
void write_stdout(std::string_view text);

/// `text` with control characters and bytes that are not UTF-8 shown as \\xNN ("\\n",
/// "\\r",
/// "\\t" by name), so that a message stays one line.
std::string escaped(std::string_view text);

/// escaped(text) between single quotes for use in a message, shortened to about 60 bytes.
std::string in_quotes(std::string_view text);

/// What a message says of the names that are there, with a suggestion for the one that is
/// not: "a, b; did you mean 'b'?", "9 others", "none".
std::string names_there(std::string_view missing, const std::vector<std::string>& names);

}  // namespace packkit::app
