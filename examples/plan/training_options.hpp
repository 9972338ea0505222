// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The options that say how a model is trained, named as Axolotl's keys.

#include "cluster_options.hpp"
#include "model_choice.hpp"

#include "common/command_line.hpp"

#include <packkit/estimate/training_setup.hpp>
#include <packkit/mesh.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace packkit::plan {

/// Options as they are written; empty where they were not given.
struct training_texts {
    std::string sequence_len, micro, accumulation, global;
    std::string replicate, shard, cp, tp;
    std::string sharding, checkpointing, precision, optimizer;
    bool sequence_parallel = false;
    bool offload_optimizer = false;
    bool no_reshard = false;
};

/// Adds them all to a command.
void add_training_options(CLI::App& command, training_texts& texts);

/// What is set of a way to train; the mesh may still be open.
struct training_choice {
    training_setup setup;  ///< without its mesh; of what was not given the defaults
    mesh_request mesh;
    bool sharding_given = false;
    bool checkpointing_given = false;
    std::optional<std::int64_t> micro_batch_size;
    std::optional<std::int64_t> accumulation;
    std::optional<std::int64_t> global_batch_size;
    std::vector<std::string> notes;  ///< what was decided, as sentences
};

/// @throws usage_error for values that are wrong by themselves or contradict each other
training_choice parse_training(const training_texts& texts, const chosen_model& model,
                               const cluster& gpus);

/// The one setup that is asked for: the mesh completed, the accumulation found for a
/// wanted batch.
/// @throws packkit::invalid_argument for a mesh that does not multiply to the GPUs;
/// usage_error for what the model or the batch does not allow
training_setup complete_setup(training_choice& choice, const chosen_model& model,
                              const cluster& gpus);

}  // namespace packkit::plan
