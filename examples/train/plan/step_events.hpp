// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// After which steps of a run something is due.

#include "config/config.hpp"

#include <cstdint>

namespace packkit::train {

/// Steps after which a checkpoint is saved.
struct save_schedule {
    std::int64_t total_steps = 0;  ///< after the last one there is always a checkpoint
    std::int64_t every = 0;        ///< steps from one to the next; 0: only at the end
    bool first_step = false;       ///< after the first one, too

    /// Whether a checkpoint is due once `steps_done` steps are done, from 1.
    [[nodiscard]] bool is_due(std::int64_t steps_done) const {
        return steps_done == total_steps || (first_step && steps_done == 1) ||
               (every > 0 && steps_done % every == 0);
    }
};

/// The schedule of save_strategy, save_steps and save_first_step in a run of that many
/// steps.
save_schedule save_schedule_of(const train_config& config, std::int64_t total_steps,
                               std::int64_t steps_per_epoch);

/// Steps from log line to log line: logging_steps, or as Axolotl 0.5 % of the run,
/// rounded down, from 1 to 10.
std::int64_t logging_interval(const train_config& config, std::int64_t total_steps);

}  // namespace packkit::train
