// SPDX-License-Identifier: Apache-2.0
/// @file
/// Learning-rate schedules as functions of the step: linear warmup, then constant, linear
/// or cosine decay to zero.
#pragma once

#include <packkit/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>

namespace packkit {

/// Shape of the decay after warmup.
enum class decay_shape : std::uint8_t { constant, linear, cosine };

/// What the trainer multiplies each step's update by.
struct learning_rate_schedule {
    double peak = 1e-3;
    std::int64_t warmup_steps = 0;
    std::int64_t total_steps = 1;
    decay_shape shape = decay_shape::cosine;

    /// The rate of step `step` (0 = first). The values are those of Transformers'
    /// get_{constant,linear,cosine}_schedule_with_warmup, half a cosine for the last.
    [[nodiscard]] double operator()(std::int64_t step) const {
        if (step < 0) {
            throw invalid_argument("step " + std::to_string(step) + " is negative");
        }
        if (step < warmup_steps) {
            return peak * static_cast<double>(step) / static_cast<double>(warmup_steps);
        }
        const double span =
            static_cast<double>(std::max<std::int64_t>(1, total_steps - warmup_steps));
        const double progress = static_cast<double>(step - warmup_steps) / span;
        switch (shape) {
            case decay_shape::constant:
                return peak;
            case decay_shape::linear:
                return peak * std::max(0.0, 1.0 - progress);
            case decay_shape::cosine:
                return peak *
                       std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * progress)));
        }
        return peak;
    }
};

}  // namespace packkit
