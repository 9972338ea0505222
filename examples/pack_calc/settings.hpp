// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The command line of packkit-pack as a value.

#include "common/lengths/input.hpp"
#include "common/outputs.hpp"

#include <packkit/lengths/excess_length.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace packkit::app {

/// Everything that decides the result. Sizes are positive.
struct settings {
    std::vector<std::string> inputs;
    std::string input_format;  ///< of all of them; empty: by their names
    row_options rows;

    /// In the order to report; the first of them is `--capacity` if that was given.
    std::vector<std::int64_t> capacities;
    bool main_capacity_given = false;

    /// Known names, each once; none: those that the number of samples allows.
    std::vector<std::string> algorithms;
    excess_length_strategy excess = excess_length_strategy::drop;
    std::optional<std::uint64_t> seed;  ///< shuffles the samples first
    std::optional<std::size_t> group_size;
    std::optional<std::size_t> bin_size;
    bool sequential = false;

    std::size_t micro_batch_size = 1;
    std::size_t gradient_accumulation_steps = 1;
    std::size_t ranks = 1;
    std::size_t threads = 1;  ///< algorithms that run at the same time

    output_format format = output_format::table;
    output_texts output;
    std::string bins_path;  ///< empty: none, as below
    std::string html_path;
};

/// Reads the command line. Nothing when it asked for help or the version, which are then
/// printed. @throws usage_error
std::optional<settings> parse_settings(int argc, char** argv);

}  // namespace packkit::app
