// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The options that bring a length histogram into a plan: --lengths with the inputs of
/// packkit-pack.

#include "common/command_line.hpp"
#include "common/lengths/input_options.hpp"
#include "common/lengths/sample_histogram.hpp"

#include <packkit/estimate/workload.hpp>
#include <packkit/model/document_cost.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace packkit::plan {

/// Options as they are written; empty where they were not given.
struct length_texts {
    std::vector<std::string> paths;
    std::string excess;
    app::input_option_texts inputs;
};

/// Adds --lengths, --excess-length-strategy and the options of inputs to a command.
void add_length_options(CLI::App& command, length_texts& texts);

[[nodiscard]] bool has_lengths(const length_texts& texts);

/// Refuses options of inputs where there are none. @throws usage_error
void check_no_length_options(const length_texts& texts);

/// Samples by length, and what becomes of those above the capacity.
struct length_data {
    app::sample_histogram histogram;
    excess_length_strategy excess = excess_length_strategy::drop;
};

/// @param capacity tokens a row: with strategy raise a longer sample is an error
/// @throws usage_error, input_error
length_data read_lengths(const length_texts& texts, std::int64_t capacity);

/// Packed rows, padded to the capacity. @throws input_error when no sample fits
workload packed_workload(const length_data& data, std::int64_t capacity,
                         const attention_cost& cost);

/// One sample a row, padded. @throws input_error when no sample fits
workload padded_workload(const length_data& data, std::int64_t capacity,
                         const attention_cost& cost, row_padding padding,
                         std::int64_t micro_batch_size);

/// Adds what was dropped or cut, as sentences.
void note_lengths(const workload& work, std::int64_t capacity,
                  std::vector<std::string>& notes);

}  // namespace packkit::plan
