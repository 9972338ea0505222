// SPDX-License-Identifier: Apache-2.0
// Keys of a run: checkpoints, log, ranks.
#include "config/keys/keys.hpp"

namespace packkit::train {
namespace {

using namespace std::string_view_literals;
using enum key_status;
using enum key_effect;
using C = train_config;
using K = config_key<train_config>;

constexpr named<bool> reductions[] = {{"fast", false}, {"canonical", true}};

}  // namespace

// A row is a line.
// clang-format off
std::vector<K> run_keys() { return {
    K("seed", &C::seed, natural{}, "seed of initial weights, data order and dropout").affecting(run),
    K("output_dir", &C::output_dir, file_path("a folder"), "checkpoints and metrics").told(),
    K("save_steps", &C::save_steps, whole{0}, "steps from checkpoint to checkpoint; 0: one at the end"),
    K("save_total_limit", &C::save_total_limit, whole{0}, "checkpoints that are kept; 0: all"),
    K("logging_steps", &C::logging_steps, whole{1}, "steps from log line to log line"),
    K("resume_from_checkpoint", &C::resume_from_checkpoint, file_path("a checkpoint's folder"), "goes on from there"),
    K("auto_resume_from_checkpoints", &C::auto_resume_from_checkpoints, truth{}, "goes on from the newest complete checkpoint in output_dir"),
    K("ddp_timeout", &C::ddp_timeout, real{{0.0, 1e9, false, true, "a number of seconds > 0"}}, "how long ranks wait for each other, in seconds"),
    K("reduction", &C::canonical_reduction, choice<bool>{reductions}, "canonical: sums whose bits do not depend on the mesh"),
    K("replica_check_steps", &C::replica_check_steps, whole{0}, "steps after which replicas compare their parameters; 0: never"),
    K("device", &C::device, choice<device_choice>{}, "auto: a GPU if there is one"),
}; }
// clang-format on

}  // namespace packkit::train
