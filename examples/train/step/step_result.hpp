// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What is known of an optimizer step once it is done, equal on all ranks.

#include <packkit/estimate/communication.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace packkit::train {

/// What one rank tells all others once a step; numbers, because they travel in one
/// all-gather.
struct rank_report {
    double loss_sum = 0;      ///< Σ cross entropy over the targets of this rank's tokens
    double stop_signal = 0;   ///< the signal that asks this rank to stop, or 0
    double busy_seconds = 0;  ///< of the step before, without waiting for other ranks
};

static_assert(sizeof(rank_report) == rank_report_values * sizeof(double));

/// The outcome of a step. The parameters have been updated if it is finite, and are
/// unchanged otherwise.
struct step_result {
    double loss = 0;                        ///< mean over the step's targets
    double grad_norm = 0;                   ///< before clipping
    std::vector<rank_report> reports = {};  ///< by global rank

    [[nodiscard]] bool is_finite() const {
        for (const auto& report : reports) {
            if (!std::isfinite(report.loss_sum)) return false;
        }
        return std::isfinite(grad_norm);
    }
    /// Whether gradients are too large for their dtype, and losses are not.
    [[nodiscard]] bool overflowed() const {
        return !std::isfinite(grad_norm) &&
               std::all_of(reports.begin(), reports.end(), [](const rank_report& each) {
                   return std::isfinite(each.loss_sum);
               });
    }
    /// The signal that some rank was asked to stop by, or 0.
    [[nodiscard]] int stop_signal() const {
        for (const auto& report : reports) {
            if (report.stop_signal != 0) return static_cast<int>(report.stop_signal);
        }
        return 0;
    }
};

}  // namespace packkit::train
