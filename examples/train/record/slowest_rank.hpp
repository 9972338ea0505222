// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What the ranks' reports say of how evenly they are busy.

#include "record/metrics.hpp"
#include "step/step_result.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace packkit::train {

/// A step is as slow as its slowest rank: which one that was in the step before.
inline void set_slowest_rank(step_metrics& metrics,
                             const std::vector<rank_report>& reports) {
    double sum = 0;
    for (std::size_t rank = 0; rank < reports.size(); ++rank) {
        const double seconds = reports[rank].busy_seconds;
        sum += seconds;
        if (seconds >
            reports[static_cast<std::size_t>(metrics.slowest_rank)].busy_seconds)
            metrics.slowest_rank = static_cast<std::int64_t>(rank);
    }
    const double slowest =
        reports[static_cast<std::size_t>(metrics.slowest_rank)].busy_seconds;
    if (sum > 0)
        metrics.slowest_over_mean = slowest * static_cast<double>(reports.size()) / sum;
}

/// " communication 12.3 % slowest rank 3 (1.04 x mean)"
inline std::string communication_text(const step_metrics& metrics) {
    return fmt::format(" communication {:.1f} % slowest rank {} ({:.2f} x mean)",
                       100.0 * metrics.seconds.communication / metrics.seconds.step,
                       metrics.slowest_rank, metrics.slowest_over_mean);
}

}  // namespace packkit::train
