// SPDX-License-Identifier: Apache-2.0
#include "plan/step_events.hpp"

#include <algorithm>

namespace packkit::train {

save_schedule save_schedule_of(const train_config& config, std::int64_t total_steps,
                               std::int64_t steps_per_epoch) {
    save_schedule schedule{total_steps, 0, config.save_first_step};
    switch (config.save_strategy) {
        case save_time::never:
            break;
        case save_time::epoch:
            schedule.every = steps_per_epoch;
            break;
        case save_time::steps:
            schedule.every = config.save_steps.in_run_of(total_steps);
            break;
    }
    return schedule;
}

std::int64_t logging_interval(const train_config& config, std::int64_t total_steps) {
    if (config.logging_steps) return config.logging_steps->in_run_of(total_steps);
    const auto share =
        static_cast<std::int64_t>(0.005 * static_cast<double>(total_steps));
    return std::clamp<std::int64_t>(share, 1, 10);
}

}  // namespace packkit::train
