// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// A plan as a configuration for packkit-train.

#include "length_options.hpp"
#include "report.hpp"

#include "common/command_line.hpp"

#include <packkit/estimate/training_setup.hpp>

#include <string>
#include <vector>

namespace packkit::plan {

/// Options as they are written; empty where they were not given.
struct yaml_texts {
    std::string path;
    std::vector<std::string> datasets;
    std::string base_model, tokenizer, output_dir, learning_rate;
};

/// Adds --yaml and what fills in the file to a command.
void add_yaml_options(CLI::App& command, yaml_texts& texts);

/// What a configuration says besides the setup.
struct yaml_run {
    const plan_subject& subject;
    const plan_estimate& plan;
    const length_texts* lengths = nullptr;  ///< where samples are, if that was given
    std::string origin{};                   ///< of the plan, for its first comment
};

/// Why packkit-train does not run this; empty when it does. One phrase each, as
/// "--tensor-parallel-size 8 (it shards data only)".
std::vector<std::string> trainer_gaps(const training_setup& setup,
                                      const model_shape& model);

/// Refuses a plan that packkit-train does not run. @throws usage_error with all reasons
void check_trainer_runs(const training_setup& setup, const model_shape& model);

/// The file's text. Paths in it are relative to the folder of `texts.path`, as
/// packkit-train reads them. @throws usage_error for paths that are not UTF-8
std::string render_yaml(const yaml_texts& texts, const yaml_run& run);

}  // namespace packkit::plan
