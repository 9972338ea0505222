// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What a run reads: the model's shape and the samples.

#include "common/json.hpp"
#include "common/tokenizer_files.hpp"
#include "config/config.hpp"
#include "data/dataset.hpp"
#include "data/tokenizer.hpp"

#include <packkit/mesh/mesh_shape.hpp>
#include <packkit/model/model_shape.hpp>

#include <cstdint>
#include <memory>
#include <string>

namespace packkit::train {

/// Model shape and samples, read and checked.
struct run_inputs {
    model_shape shape;
    app::ordered_json model_config;  ///< config.json that the shape was read from
    /// Rows of the embedding in the files of base_model; fewer than those of the shape
    /// where tokens are added.
    std::int64_t stored_vocabulary = 0;
    std::unique_ptr<const tokenizer> tokens;
    std::string tokenizer_hash;  ///< of what decides its ids
    /// Files of the tokenizer and generation_config.json, which checkpoints hold, too.
    app::file_texts companions;
    token_store samples;             ///< for training
    token_store evaluation;          ///< those of val_set_size
    std::uint64_t content_hash = 0;  ///< of the samples for training
};

/// Puts what read_datasets() has read into the inputs: the samples of val_set_size apart.
void take_samples(token_store samples, const train_config& config, run_inputs& inputs);

/// Reads model and tokenizer: all but samples and their hash.
run_inputs read_model_inputs(const train_config& config);

/// Reads model folder and data sets, and checks that the model fits the mesh
/// (`check_cut`). `is_first`: shows a bar on a terminal and keeps the companions, of
/// which one rank's are enough.
run_inputs read_inputs(const train_config& config, const mesh_shape& mesh, bool is_first);

}  // namespace packkit::train
