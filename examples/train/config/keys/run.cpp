// SPDX-License-Identifier: Apache-2.0
// Keys of a run: checkpoints, log, ranks.
#include "config/keys/keys.hpp"
#include "config/rules.hpp"

namespace packkit::train {
namespace {

using namespace key_rows;

constexpr rejected_name other_save_times[] = {
    {"best", "is not supported: nothing is evaluated while training; expected"}};

std::string resume_text(const train_config& config) {
    return config.resume_from_newest ? truth().text(true) : config.resume_from_checkpoint;
}

constexpr named<bool> reductions[] = {{"fast", false}, {"canonical", true}};

}  // namespace

// A row is a line.
// clang-format off
std::vector<K> run_keys() { return {
    K("seed", &C::seed, natural{}, "seed of initial weights, data order and dropout").affecting(run),
    K("output_dir", &C::output_dir, file_path("a folder"), "checkpoints and metrics").by_default("./model-out").told(),
    K("save_strategy", &C::save_strategy, choice<save_time>{names_of<save_time>, other_save_times}, "saves a checkpoint after each epoch, after save_steps (500) steps, or at the end of the run alone, where there is always one").affecting(change).told("saves_per_epoch"),
    K("save_steps", &C::save_steps, steps_or_share{}, "steps from checkpoint to checkpoint, or the share of the run; 0: one at the end").by_default("as save_strategy says").affecting(change),
    K("saves_per_epoch", whole{0}, "checkpoints an epoch, instead of save_steps: one after each 1 / (saves_per_epoch x num_epochs) of the run"),
    K("save_first_step", &C::save_first_step, truth{}, "saves a checkpoint after the first step, too").affecting(change),
    K("save_only_model", &C::save_only_model, truth{}, "checkpoints hold the model alone; no run can go on from them").affecting(change),
    K("save_total_limit", &C::save_total_limit, whole{0}, "newest checkpoints that are kept; 0: all").affecting(change).told(),
    K("logging_steps", &C::logging_steps, steps_or_share{1}, "steps from log line to log line, or the share of the run").by_default("0.5 % of the run, from 1 to 10").affecting(change).told(),
    K("resume_from_checkpoint", &C::resume_from_checkpoint, file_path("a checkpoint's folder, or true"), "goes on from there; true: from the newest checkpoint in output_dir").reading(read_resume_from_checkpoint).printed("resume_from_checkpoint", resume_text),
    K("auto_resume_from_checkpoints", &C::auto_resume_from_checkpoints, truth{}, "goes on from the newest complete checkpoint in output_dir, if there is one and --overwrite is not given"),
    K("ddp_timeout", &C::ddp_timeout, real{{0.0, 1e9, false, true, "a number of seconds > 0"}}, "how long ranks wait for each other, in seconds"),
    K("reduction", &C::canonical_reduction, choice<bool>{reductions}, "canonical: sums whose bits do not depend on the mesh").affecting(run),
    K("replica_check_steps", &C::replica_check_steps, whole{0}, "steps after which replicas compare their parameters; 0: never"),
    K("device", &C::device, choice<device_choice>{}, "auto: a GPU if there is one"),
}; }
// clang-format on

}  // namespace packkit::train
