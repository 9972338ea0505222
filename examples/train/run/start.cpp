// SPDX-License-Identifier: Apache-2.0
#include "run/start.hpp"

#include "checkpoint/checkpoint.hpp"
#include "common/errors.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <optional>
#include <vector>

namespace packkit::train {
namespace {

/// Whether the run goes on from a checkpoint if there is one.
bool goes_on(const train_config& config, const run_options& options) {
    return options.resume || config.resume_from_newest ||
           !config.resume_from_checkpoint.empty() ||
           (config.auto_resume_from_checkpoints && !options.overwrite);
}

/// The folder of the checkpoint to go on from; "" to start anew.
/// \param asked the run must go on: a checkpoint of the model alone is then an error, and
/// is passed over where going on is only tried
std::string choose_checkpoint(const train_config& config, bool resumes, bool asked,
                              const run_log& log) {
    if (!config.resume_from_checkpoint.empty()) return config.resume_from_checkpoint;
    if (!resumes) return {};
    std::vector<std::string> warnings;
    const auto found = find_newest_checkpoint(config.output_dir, warnings, !asked);
    for (const auto& warning : warnings)
        log.warn(warning + "; this checkpoint is passed over");
    if (found) return found->folder;
    if (warnings.empty() && config.resume_from_newest) {
        throw app::input_error(config.output_dir,
                               "holds no checkpoint, which resume_from_checkpoint: true "
                               "goes on from; leave the key out to start anew");
    }
    if (warnings.empty()) return {};
    throw app::input_error(config.output_dir,
                           "none of its " + std::to_string(warnings.size()) +
                               " checkpoints is whole (" + warnings.front() +
                               "); give --overwrite to start anew without them");
}

/// Rejects what cannot be gone on from, and says what is not as it was.
void check_start(const resume_point& from, const run_identity& identity,
                 const run_log& log) {
    if (from.only_model) {
        throw app::input_error(
            from.folder,
            "cannot be resumed: it was saved with save_only_model: true, without the "
            "state of the optimizer; give another checkpoint, or start a new run with it "
            "as base_model");
    }
    const auto found = check_identity(from, identity);
    if (!found.not_recorded.empty()) {
        log.warn(
            fmt::format("{} was written by an older program and does not record {}: "
                        "whether they have changed cannot be told",
                        from.folder, fmt::join(found.not_recorded, ", ")));
    }
    if (!found.changed.empty()) {
        log.say(fmt::format("changed since step {}: {}", from.step,
                            fmt::join(found.changed, ", ")));
    }
}

}  // namespace

void check_run_options(const train_config& config, const run_options& options) {
    if (!options.overwrite) return;
    const auto refuse = [](const char* other) {
        throw app::usage_error("--overwrite",
                               std::string("contradicts ") + other +
                                   ": one removes what the other goes on from; give one "
                                   "of the two");
    };
    if (options.resume) refuse("--resume");
    if (config.resume_from_newest || !config.resume_from_checkpoint.empty())
        refuse("resume_from_checkpoint");
}

run_start start_or_resume(const run_plan& plan, const run_options& options,
                          const job_rank& rank, const run_log& log, model& network,
                          lt::optimizer& optimizer) {
    const train_config& config = plan.config;
    const bool resumes = goes_on(config, options);
    run_start start;
    if (config.fp16) start.scaling.emplace();
    rank.on_all_ranks("output folder", [&] {
        if (rank.is_first())
            start.folder = std::make_unique<output_folder>(config.output_dir, resumes,
                                                           options.overwrite);
    });
    // Rank 0 looks and the others follow, so that all start from the same step.
    rank.on_all_ranks("newest checkpoint", [&] {
        if (rank.is_first())
            start.checkpoint = choose_checkpoint(
                config, resumes, options.resume || config.resume_from_newest, log);
    });
    start.checkpoint = rank.text_of_first("resume", start.checkpoint);
    std::optional<resume_point> from;
    if (!start.checkpoint.empty()) {
        // Each rank looks through a part of the files.
        from = rank.on_all_ranks("look through " + start.checkpoint, [&] {
            return open_checkpoint(start.checkpoint, {rank.environment().rank,
                                                      rank.environment().world_size});
        });
    }
    rank.on_all_ranks("start", [&] {
        if (from) {
            check_start(*from, plan.identity, log);
            load_checkpoint(*from, network, optimizer);
            start.step = from->step;
            start.checkpoint = from->folder;
            if (config.fp16 && from->scaling) start.scaling = from->scaling;
            log.say("resumed from " + from->folder + " after step " +
                    std::to_string(from->step));
        } else if (config.random_init_weights) {
            network.initialize(config.seed);
        } else {
            const auto& inputs = plan.inputs;
            load_weights(config.base_model, network, inputs.stored_vocabulary);
            if (rank.is_first()) {
                const auto warning = unused_head_warning(config.base_model, inputs.shape);
                if (!warning.empty()) log.warn(warning);
            }
        }
        if (rank.is_first())
            start.metrics = std::make_unique<metrics_file>(
                config.output_dir + "/metrics.jsonl", start.step);
    });
    return start;
}

}  // namespace packkit::train
