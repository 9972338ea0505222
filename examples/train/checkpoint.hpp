// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Checkpoints: a Hugging Face folder plus what resume needs, complete or not there at
/// all.
///
///     output_dir/checkpoint-20/config.json             opens in Transformers
///                              model.safetensors       full parameters in the master
///                              dtype optimizer.safetensors   exp_avg.<name>,
///                              exp_avg_sq.<name> trainer_state.json      step, identity
///                              of the run, checksums
///
/// A folder is written under a temporary name, made durable and renamed; older ones are
/// removed only after that. Full tensors do not depend on the mesh, so any mesh can go on
/// from them.

#include "common/json.hpp"
#include "model.hpp"

#include <packkit/torch/adamw.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace packkit::train {

/// What must be the same for a run to go on from a checkpoint: name → value as text,
/// among them sequence_len.
using run_identity = std::map<std::string, std::string>;

/// A complete checkpoint found on disk.
struct resume_point {
    std::string folder;
    std::int64_t step = 0;  ///< steps done
};

/// Writes output_dir/checkpoint-<step>. Collective: every rank calls it, rank 0
/// (`is_writer`) writes; `model_config` is the config.json that the model was made from.
/// Then keeps the newest `keep` checkpoints (0: all). Returns the
/// folder. Throws std::runtime_error naming the path and the system's reason; earlier
/// checkpoints stay.
std::string save_checkpoint(const std::string& output_dir, std::int64_t step,
                            model& state, lt::adamw& optimizer,
                            const app::ordered_json& model_config,
                            const run_identity& identity, std::int64_t keep,
                            bool is_writer);

/// The newest checkpoint below `output_dir` that is whole (all files there, checksums
/// right); damaged ones are passed over, each with a line in `warnings`.
std::optional<resume_point> find_newest_checkpoint(const std::string& output_dir,
                                                   std::vector<std::string>& warnings);

/// The checkpoint in `folder`. Throws app::input_error naming the file that is missing or
/// damaged.
resume_point open_checkpoint(const std::string& folder);

/// Throws app::input_error naming the first value that differs, and both values.
void check_identity(const resume_point& from, const run_identity& identity);

/// Fills parameters and moments.
void load_checkpoint(const resume_point& from, model& state, lt::adamw& optimizer);

/// Fills the parameters from a Hugging Face folder's model.safetensors. Throws
/// app::input_error naming file and tensor when one is missing or has another shape.
void load_weights(const std::string& folder, model& state);

/// Whether `output_dir` holds anything of a run: checkpoints or metrics.
bool holds_a_run(const std::string& output_dir);

/// Removes checkpoints, leftovers and metrics of an earlier run.
void remove_run(const std::string& output_dir);

}  // namespace packkit::train
