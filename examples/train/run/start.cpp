// SPDX-License-Identifier: Apache-2.0
#include "run/start.hpp"

#include "checkpoint/checkpoint.hpp"
#include "common/errors.hpp"

#include <optional>
#include <vector>

namespace packkit::train {
namespace {

/// The folder of the checkpoint to go on from; "" to start anew.
std::string choose_checkpoint(const train_config& config, bool resumes,
                              const run_log& log) {
    if (!config.resume_from_checkpoint.empty()) return config.resume_from_checkpoint;
    if (!resumes) return {};
    std::vector<std::string> warnings;
    const auto found = find_newest_checkpoint(config.output_dir, warnings);
    for (const auto& warning : warnings)
        log.warn(warning + "; this checkpoint is passed over");
    if (found) return found->folder;
    if (warnings.empty()) return {};
    throw app::input_error(config.output_dir,
                           "none of its " + std::to_string(warnings.size()) +
                               " checkpoints is whole (" + warnings.front() +
                               "); give --overwrite to start anew without them");
}

}  // namespace

run_start start_or_resume(const run_plan& plan, const run_options& options,
                          const job_rank& rank, const run_log& log, model& network,
                          lt::adamw& optimizer) {
    const train_config& config = plan.config;
    const bool resumes = options.resume || config.auto_resume_from_checkpoints ||
                         !config.resume_from_checkpoint.empty();
    run_start start;
    rank.on_all_ranks("output folder", [&] {
        if (rank.is_first())
            start.folder = std::make_unique<output_folder>(config.output_dir, resumes,
                                                           options.overwrite);
    });
    // Rank 0 looks and the others follow, so that all start from the same step.
    rank.on_all_ranks("newest checkpoint", [&] {
        if (rank.is_first()) start.checkpoint = choose_checkpoint(config, resumes, log);
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
            check_identity(*from, plan.identity);
            load_checkpoint(*from, network, optimizer);
            start.step = from->step;
            start.checkpoint = from->folder;
            log.say("resumed from " + from->folder + " after step " +
                    std::to_string(from->step));
        } else if (config.random_init_weights) {
            network.initialize(config.seed);
        } else {
            load_weights(config.base_model, network);
        }
        if (rank.is_first())
            start.metrics = std::make_unique<metrics_file>(
                config.output_dir + "/metrics.jsonl", start.step);
    });
    return start;
}

}  // namespace packkit::train
