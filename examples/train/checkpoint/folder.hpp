// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Folders of checkpoints: complete or not there at all.
///
///     output_dir/checkpoint-20/config.json            opens in Transformers
///                              trainer_state.json     step, identity of the run,
///                                                     checksums, scale of the loss
///                              tokenizer.json, …      files of the tokenizer, as they
///                                                     were read
///     and, of form full:       model.safetensors      parameters, in the master dtype
///                              optimizer.safetensors  exp_avg.<name>,
///                                                     exp_avg_sq.<name>; or
///                                                     momentum_buffer.<name>; or
///                                                     not there: nothing to save
///     or, of form sharded:     shards.index.json      where which piece lies, checksums
///                              shard-00001-of-00004.safetensors, …
/// With save_only_model the state of the optimizer is missing, in either form.
///
/// A folder is written under a temporary name, made durable and renamed; older ones are
/// removed only after that. Neither form depends on the mesh: any mesh can go on from
/// any checkpoint.

#include "common/json.hpp"
#include "common/tokenizer_files.hpp"
#include "plan/identity.hpp"
#include "step/loss_scaling.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::train {

/// A complete checkpoint found on disk.
struct resume_point {
    std::string folder;
    std::int64_t step = 0;    ///< steps done
    bool only_model = false;  ///< holds no optimizer state: no run can go on from it
    std::optional<loss_scaling> scaling = {};  ///< of runs in fp16
};

/// The part of the files of a sharded checkpoint that a rank looks through.
struct file_share {
    std::int64_t rank = 0;
    std::int64_t ranks = 1;
};

/// The newest checkpoint below `output_dir` that is whole (all files there, checksums
/// right); damaged ones are passed over, each with a line in `faults` that names the file
/// and what is wrong with it. `with_optimizer`: those of save_only_model are passed over,
/// too.
std::optional<resume_point> find_newest_checkpoint(const std::string& output_dir,
                                                   std::vector<std::string>& faults,
                                                   bool with_optimizer = false);

/// Whether a folder is a checkpoint of this program: other trainers write a
/// trainer_state.json, too, but no checksums into it.
bool is_checkpoint(const std::string& folder);

/// The checkpoint in `folder`; of its shards those of `share` are read. Throws
/// app::input_error naming the file that is missing or damaged.
resume_point open_checkpoint(const std::string& folder, file_share share = {});

/// What a run that goes on has not in common with the one that wrote its checkpoint.
struct identity_changes {
    std::vector<std::string> changed;       ///< "max_steps 4 -> 8", by name
    std::vector<std::string> not_recorded;  ///< names that an older checkpoint lacks
};

/// Compares a run with the one that wrote the checkpoint.
/// \throws app::input_error naming the first value that must not differ, and both values;
/// where data differ, the settings that made it so.
identity_changes check_identity(const resume_point& from, const run_identity& identity);

/// Whether `output_dir` holds anything of a run: checkpoints or metrics.
bool holds_a_run(const std::string& output_dir);

/// Removes checkpoints, leftovers and metrics of an earlier run.
void remove_run(const std::string& output_dir);

// --- writing ---------------------------------------------------------------------------

inline constexpr const char* full_weights_name = "model.safetensors";
inline constexpr const char* full_moments_name = "optimizer.safetensors";

/// output_dir/checkpoint-<step>.
std::filesystem::path checkpoint_path(const std::string& output_dir, std::int64_t step);

/// The folder that becomes `checkpoint`, of the process `writer` that will rename it.
std::filesystem::path unfinished_path(const std::filesystem::path& checkpoint,
                                      std::int64_t writer);

/// Makes an empty `unfinished` and removes what earlier attempts left beside it.
void begin_checkpoint(const std::filesystem::path& unfinished);

/// Writes files of the model's folder besides weights and config.json, as they are.
void write_companions(const std::filesystem::path& unfinished,
                      const app::file_texts& files);

/// The files of `folder` that belong to its model besides weights and config.json: those
/// of the tokenizer and generation_config.json. \throws app::input_error when one cannot
/// be read.
app::file_texts read_companions(const std::filesystem::path& folder);

/// Writes config.json and trainer_state.json beside the tensors' files, whose `checksums`
/// it takes by name. `config`: the text of config.json. `point`: what the checkpoint will
/// be once it is complete.
void describe_checkpoint(const std::filesystem::path& unfinished,
                         const resume_point& point, const std::string& config,
                         const run_identity& identity,
                         std::map<std::string, std::string> checksums,
                         const std::optional<loss_scaling>& scaling = {});

/// Makes `unfinished` durable and shows it as `checkpoint`; then keeps the newest `keep`
/// checkpoints beside it (0: all). Throws std::runtime_error naming the path and the
/// system's reason.
void finish_checkpoint(const std::filesystem::path& unfinished,
                       const std::filesystem::path& checkpoint, std::int64_t keep);

}  // namespace packkit::train
