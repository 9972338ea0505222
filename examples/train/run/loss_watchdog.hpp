// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Ends a run whose loss stays too high, as Axolotl's LossWatchDogCallback does.

#include "config/config.hpp"
#include "plan/step_events.hpp"

#include <cstdint>
#include <optional>

namespace packkit::train {

/// Counts losses of a run above `loss_watchdog_threshold`.
/// \details A loss is the mean over `logging_steps` steps, and is looked at after every
/// step until the next one is there. Axolotl looks before it takes the mean that ends
/// with a step, so that with logging_steps 1 the run ends one step after
/// `loss_watchdog_patience` losses in a row. A resumed run counts anew.
class loss_watchdog {
public:
    loss_watchdog(const train_config& config, std::int64_t total_steps)
        : threshold_(config.loss_watchdog_threshold),
          patience_(config.loss_watchdog_patience == 0 ? 3
                                                       : config.loss_watchdog_patience),
          logging_steps_(logging_interval(config, total_steps)) {}

    /// Takes the loss of a step, from 1; equal on all ranks. Returns whether the run ends
    /// after it.
    bool stops_after(std::int64_t step, double loss) {
        if (!threshold_) return false;
        if (logged_) violations_ = *logged_ > *threshold_ ? violations_ + 1 : 0;
        sum_ += loss;
        ++steps_;
        if (step % logging_steps_ == 0) {
            logged_ = sum_ / static_cast<double>(steps_);
            sum_ = 0;
            steps_ = 0;
        }
        return violations_ >= patience_;
    }

private:
    std::optional<double> threshold_;
    std::int64_t patience_;
    std::int64_t logging_steps_;
    std::optional<double> logged_;  ///< the last mean
    double sum_ = 0;
    std::int64_t steps_ = 0;
    std::int64_t violations_ = 0;
};

}  // namespace packkit::train
