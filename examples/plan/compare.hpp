// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// What a plan is for, and what packing brings to it.

#include "cluster_options.hpp"
#include "length_options.hpp"
#include "report.hpp"

#include "common/command_line.hpp"

#include <optional>
#include <string>
#include <vector>

namespace packkit::plan {

/// Options as they are written; empty where they were not given.
struct subject_texts {
    std::string model, samples, tokens, epochs, convention, system, memory_share;
    bool no_packing = false;
    bool drop_last = false;
    cluster_texts gpus;
    length_texts lengths;
};

/// Adds MODEL, the hardware, the data, --convention and --system to a command.
void add_subject_options(CLI::App& command, subject_texts& texts);

/// Everything but the workload. @throws usage_error, app::input_error
plan_subject parse_subject(const subject_texts& texts);

/// @throws usage_error for a subject of another system than packkit-train
void check_system_writes_yaml(const plan_subject& subject);

/// Reads --lengths, or takes rows that one document fills, and sets the workload.
/// @returns the lengths, where there are any
/// @throws usage_error, app::input_error
std::optional<length_data> set_workload(const subject_texts& texts,
                                        const training_setup& setup,
                                        plan_subject& subject,
                                        std::vector<std::string>& notes);

/// Packed, padded to the row and padded to the longest of each micro-batch.
std::vector<arrangement> arrangements_of(const plan_subject& subject,
                                         const model_layout& layout,
                                         const length_data& lengths,
                                         const training_setup& setup);

/// What packing saves, as a sentence; empty where there is nothing to compare.
std::string packing_sentence(const std::vector<arrangement>& arrangements);

}  // namespace packkit::plan
