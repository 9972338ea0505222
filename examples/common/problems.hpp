// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// An error that holds several problems of an input, so that a user mends them at once.

#include "common/errors.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {

/// One or more problems of an input: exit status 2. run_main() prints a line for each.
class input_problems : public input_error {
public:
    /// @param lines at least one, each as input_error::what(): "config.yaml:7: ..."
    explicit input_problems(std::vector<std::string> lines);

    [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }
    /// All lines, separated by line feeds.
    [[nodiscard]] const char* what() const noexcept override { return all_.c_str(); }

private:
    std::vector<std::string> lines_;
    std::string all_;
};

/// A message in which no word is longer than 200 bytes: what is cut off stands for a part
/// of the input, of which the first bytes say enough.
std::string with_short_words(std::string_view message);

/// "1 row", "2 rows", "1,000 rows".
std::string counted(std::int64_t count, std::string_view noun);

}  // namespace packkit::app
