// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Numbers of steps that may also be given as a share of all steps of a run.

#include "config/tree.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace packkit::train {

/// A number of steps, or a share of all steps of the run.
struct step_interval {
    std::int64_t steps = 0;  ///< counts where share is 0
    double share = 0.0;      ///< 0, or between 0 and 1

    /// Steps of a run that has `total` of them: a share is rounded up, as in
    /// Transformers.
    [[nodiscard]] std::int64_t in_run_of(std::int64_t total) const;

    friend bool operator==(const step_interval&, const step_interval&) = default;
};

/// A whole number of steps >= low, or a share between 0 and 1.
struct steps_or_share {
    std::int64_t low = 0;

    [[nodiscard]] std::optional<step_interval> read(const config_node& node) const;
    [[nodiscard]] std::string expected() const;
    [[nodiscard]] std::string text(const step_interval& value) const;
};

}  // namespace packkit::train
