// SPDX-License-Identifier: Apache-2.0
// Keys that say when checkpoints are saved and from which one a run goes on.
#include "config/rules.hpp"

#include "config/kinds.hpp"
#include "config/schema.hpp"

#include <fmt/format.h>

namespace packkit::train {
namespace {

/// Steps from checkpoint to checkpoint where save_strategy says steps and no key how
/// many, as in Transformers.
constexpr std::int64_t transformers_save_steps = 500;

/// What save_steps says, which comes before save_strategy.
void apply_save_steps(const key_reader& keys, train_config& config) {
    const bool saves = config.save_steps != step_interval{};
    if (keys.has("save_strategy")) {
        if (saves && config.save_strategy != save_time::steps) {
            keys.conflict("save_strategy",
                          "save_strategy and save_steps mismatch. Please set "
                          "save_strategy to 'steps' or remove save_steps.");
        }
        return;
    }
    config.save_strategy = saves ? save_time::steps : save_time::never;
}

/// Axolotl's arithmetic: saves_per_epoch becomes a share of the run, and gives way to
/// save_strategy where that is no share.
void apply_saves_per_epoch(const key_reader& keys, std::int64_t saves,
                           train_config& config) {
    if (config.save_steps != step_interval{}) {
        keys.conflict("saves_per_epoch",
                      "save_steps and saves_per_epoch are mutually exclusive and cannot "
                      "be used together.");
    }
    const double share = 1.0 / (static_cast<double>(saves) * config.num_epochs);
    if (share >= 1.0) return;
    if (keys.has("save_strategy") && config.save_strategy != save_time::steps) {
        config.warnings.push_back(
            fmt::format("`save_strategy: {}` has no effect: saves_per_epoch says when "
                        "checkpoints are saved",
                        to_string(config.save_strategy)));
    }
    config.save_strategy = save_time::steps;
    config.save_steps.share = share;
}

void settle_saving(const key_reader& keys, train_config& config) {
    const auto saves = keys.read("saves_per_epoch", whole{0});
    if (saves.value_or(0) > 0) {
        apply_saves_per_epoch(keys, *saves, config);
    } else if (keys.has("save_steps")) {
        apply_save_steps(keys, config);
    }
    if (config.save_strategy == save_time::steps && config.save_steps == step_interval{})
        config.save_steps.steps = transformers_save_steps;
}

}  // namespace

void apply_saving_rules(const key_reader& keys, train_config& config,
                        config_problems& problems) {
    problems.attempt_with(
        keys, {"save_steps", "saves_per_epoch", "save_strategy", "num_epochs"},
        [&] { settle_saving(keys, config); });
    if (!keys.has("output_dir"))
        config.output_dir = resolved_path(keys.file(), std::string(default_output_dir));
    // Transformers' "not set".
    if (config.max_steps && *config.max_steps <= 0) config.max_steps.reset();
}

void read_resume_from_checkpoint(const key_reader& keys, train_config& config) {
    constexpr auto key = "resume_from_checkpoint";
    const auto* const node = keys.find(key);
    const auto truth_value = node == nullptr ? std::nullopt : truth().read(*node);
    if (truth_value) {
        config.resume_from_newest = *truth_value;
        return;
    }
    const auto path = keys.read(key, file_path("a checkpoint's folder, or true"));
    if (path) config.resume_from_checkpoint = resolved_path(keys.file(), *path);
}

}  // namespace packkit::train
