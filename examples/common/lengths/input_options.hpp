// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The options that say how lengths are read, for every program that reads them.

#include "input.hpp"
#include "sample_table.hpp"

#include "common/command_line.hpp"

#include <packkit/lengths/excess_length.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {

/// Options as they are written; empty where they were not given.
struct input_option_texts {
    std::string input_format, column, length_field, text_field, tokenizer, ids_field,
        vocab_size;
};

/// Adds them to a command, as a group "Inputs".
void add_input_options(CLI::App& command, input_option_texts& texts);

/// How the rows of these inputs are read.
/// @throws usage_error for options that contradict each other or fit none of the inputs
row_options parse_row_options(const input_option_texts& texts,
                              const std::vector<std::string>& inputs);

/// The value of `--excess-length-strategy`; drop if that is empty. @throws usage_error
excess_length_strategy parse_excess_option(std::string_view text);

/// The samples of all inputs, in their order.
/// @param longest_allowed a longer sample is an error (excess strategy `raise`)
/// @throws usage_error, input_error as read_input
sample_table read_samples(const std::vector<std::string>& inputs,
                          const std::string& format, const row_options& rows,
                          std::int64_t longest_allowed);

}  // namespace packkit::app
