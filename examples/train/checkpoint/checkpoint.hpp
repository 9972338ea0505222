// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Checkpoints of a model in training, written and read by all its ranks
/// (folder.hpp: what they look like).

#include "checkpoint/folder.hpp"
#include "common/json.hpp"
#include "common/tokenizer_files.hpp"
#include "config/config.hpp"
#include "model/model.hpp"

#include <packkit/torch/optim/optimizer.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace packkit::train {

/// Where and how checkpoints are saved.
struct save_settings {
    std::string output_dir;
    checkpoint_form form = checkpoint_form::full;
    std::int64_t keep = 0;    ///< the newest so many stay; 0: all
    bool only_model = false;  ///< without the optimizer's state
    /// Further files of the model's folder, as its tokenizer's; rank 0 writes them.
    const app::file_texts* companions = nullptr;
};

/// Writes output_dir/checkpoint-<step>. Collective over `world`, all ranks of the model:
/// of a full one rank 0 writes what is gathered unit by unit, of a sharded one each rank
/// of the first replica its own slices, into a folder that all share; rank 0 shows the
/// folder once all are done. `model_config` is the config.json that the model was made
/// from. Returns the folder.
/// \throws std::runtime_error naming the path and the system's reason; where another rank
/// has failed lt::communication_error naming that rank. Earlier checkpoints stay, and
/// nothing of the new one.
std::string save_checkpoint(const save_settings& settings, std::int64_t step,
                            model& state, lt::optimizer& optimizer,
                            const app::ordered_json& model_config,
                            const run_identity& identity, lt::communicator& world,
                            const std::optional<loss_scaling>& scaling = {});

/// Fills this rank's slices of parameters and moments, whatever mesh wrote them.
/// \throws app::input_error naming file and tensor.
void load_checkpoint(const resume_point& from, model& state, lt::optimizer& optimizer);

/// Fills the parameters from a Hugging Face folder or a checkpoint. Throws
/// app::input_error naming file and tensor when one is missing or has another shape.
/// \param stored_vocabulary rows of embedding and head in the files, where the model has
/// more: each new row is the mean of the stored ones, in float64 and then rounded to the
/// parameters' dtype, the same bits on every mesh. 0: as many as the model has.
void load_weights(const std::string& folder, model& state,
                  std::int64_t stored_vocabulary = 0);

/// One sentence about a stored head that is not used, because config.json ties the head
/// to the embedding; "" when there is none, or none that differs from the embedding.
/// Reads both. \throws app::input_error when the files cannot be opened.
std::string unused_head_warning(const std::string& folder, const model_shape& shape);

}  // namespace packkit::train
