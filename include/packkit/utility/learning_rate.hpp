// SPDX-License-Identifier: Apache-2.0
/// @file
/// Learning-rate schedules as functions of the step: those of Transformers' get_scheduler
/// and those that Axolotl adds.
#pragma once

#include <packkit/error.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <optional>
#include <string>

namespace packkit {

/// Shape of a schedule. All but `constant` begin with warmup.
enum class decay_shape : std::uint8_t {
    constant,                   ///< the peak in every step; warmup_steps are ignored
    linear,                     ///< to zero
    cosine,                     ///< to zero, or to a share of the peak
    constant_with_warmup,       ///< the peak after warmup
    cosine_with_restarts,       ///< to zero, several times
    cosine_with_min_lr,         ///< to a share of the peak
    cosine_warmup_with_min_lr,  ///< the same, one step ahead: no step has rate zero
    polynomial,                 ///< to an absolute rate
    inverse_sqrt,               ///< 1/sqrt of the step
    warmup_stable_decay,        ///< warmup, the peak, then decay over given steps
    rex                         ///< reflected exponential, arXiv 2107.04197
};

/// Curve of a ramp between the lowest rate and the peak.
enum class ramp_shape : std::uint8_t { linear, cosine, one_minus_sqrt };

/// Arguments of schedules. Each shape reads only its own; names are Transformers'.
struct schedule_arguments {
    /// Waves of cosine shapes, half a wave unless set; restarts, 1 unless set.
    std::optional<double> num_cycles = {};
    /// Lowest rate as a share of the peak: cosine shapes, warmup_stable_decay, rex.
    double min_lr_ratio = 0.0;
    /// cosine: the lowest rate is reached after this share of all steps and kept.
    std::optional<double> constant_lr_ratio = {};
    bool quadratic_warmup = false;  ///< cosine: the square of linear warmup
    /// cosine_warmup_with_min_lr: share of the peak that warmup begins with.
    std::optional<double> warmup_lr_rate = {};
    double power = 1.0;    ///< polynomial
    double lr_end = 1e-7;  ///< polynomial: the last rate, not a share
    /// inverse_sqrt: steps; unless set the warmup's, or 10,000 without warmup.
    std::optional<std::int64_t> timescale = {};
    std::int64_t num_decay_steps = 0;  ///< warmup_stable_decay
    /// warmup_stable_decay; unless set the steps that warmup and decay leave.
    std::optional<std::int64_t> num_stable_steps = {};
    ramp_shape warmup_type = ramp_shape::linear;  ///< warmup_stable_decay
    ramp_shape decay_type = ramp_shape::cosine;   ///< warmup_stable_decay
};

/// The learning rate of each step.
struct learning_rate_schedule {
    double peak = 1e-3;
    std::int64_t warmup_steps = 0;
    std::int64_t total_steps = 1;
    decay_shape shape = decay_shape::cosine;
    schedule_arguments arguments = {};

    /// Returns the rate of step `step`, 0 the first: `peak` times `factor`.
    /// @throws invalid_argument for a negative step
    [[nodiscard]] double operator()(std::int64_t step) const {
        return peak * factor(step);
    }

    /// Returns what the rate of every parameter group is multiplied by in step `step`, 0
    /// the first. Values are those of Transformers 4.57 and 5, of Axolotl for
    /// quadratic_warmup, constant_lr_ratio and rex. O(1).
    /// @throws invalid_argument for a negative step
    [[nodiscard]] double factor(std::int64_t step) const {
        if (step < 0) {
            throw invalid_argument("step " + std::to_string(step) + " is negative");
        }
        switch (shape) {
            case decay_shape::constant:
                return 1.0;
            case decay_shape::cosine_warmup_with_min_lr:
                return cosine_one_step_ahead(step);
            case decay_shape::warmup_stable_decay:
                return stable_then_decay(step);
            case decay_shape::rex:
                return reflected_exponential(step + 1);
            default:
                return step < warmup_steps ? warmup(step) : after_warmup(step);
        }
    }

private:
    [[nodiscard]] static double half_cosine(double waves, double progress) {
        return 0.5 * (1.0 + std::cos(std::numbers::pi * waves * 2.0 * progress));
    }

    /// `factor` of [0, 1] between the lowest rate and the peak.
    [[nodiscard]] double above_lowest(double factor) const {
        return factor * (1.0 - arguments.min_lr_ratio) + arguments.min_lr_ratio;
    }

    [[nodiscard]] double waves() const { return arguments.num_cycles.value_or(0.5); }

    [[nodiscard]] double warmup(std::int64_t step) const {
        const double linear =
            static_cast<double>(step) / static_cast<double>(warmup_steps);
        const bool squared = shape == decay_shape::cosine && arguments.quadratic_warmup;
        return squared ? linear * linear : linear;
    }

    [[nodiscard]] double after_warmup(std::int64_t step) const {
        const auto since = static_cast<double>(step - warmup_steps);
        const double progress = since / at_least_one(total_steps - warmup_steps);
        switch (shape) {
            case decay_shape::linear:
                return std::max(0.0, static_cast<double>(total_steps - step) /
                                         at_least_one(total_steps - warmup_steps));
            case decay_shape::cosine:
                return cosine(step);
            case decay_shape::cosine_with_min_lr:
                return std::max(0.0, above_lowest(half_cosine(waves(), progress)));
            case decay_shape::cosine_with_restarts: {
                if (progress >= 1.0) return 0.0;
                const double wave = arguments.num_cycles.value_or(1.0) * progress;
                return half_cosine(0.5, std::fmod(wave, 1.0));
            }
            case decay_shape::polynomial:
                return polynomial(step, since);
            case decay_shape::inverse_sqrt: {
                const auto timescale = static_cast<double>(arguments.timescale.value_or(
                    warmup_steps > 0 ? warmup_steps : 10000));
                return 1.0 / std::sqrt((since + timescale) / timescale);
            }
            default:
                return 1.0;
        }
    }

    [[nodiscard]] double cosine(std::int64_t step) const {
        std::int64_t end = total_steps;
        if (arguments.constant_lr_ratio) {
            end = static_cast<std::int64_t>(static_cast<double>(total_steps) *
                                            *arguments.constant_lr_ratio);
            step = std::min(step, end);
        }
        const double progress =
            static_cast<double>(step - warmup_steps) / at_least_one(end - warmup_steps);
        return above_lowest(std::max(0.0, half_cosine(waves(), progress)));
    }

    [[nodiscard]] double polynomial(std::int64_t step, double since) const {
        const std::int64_t decay_steps = total_steps - warmup_steps;
        if (step > total_steps || decay_steps == 0) return arguments.lr_end / peak;
        const double left = 1.0 - since / static_cast<double>(decay_steps);
        return ((peak - arguments.lr_end) * std::pow(left, arguments.power) +
                arguments.lr_end) /
               peak;
    }

    [[nodiscard]] double cosine_one_step_ahead(std::int64_t step) const {
        if (step < warmup_steps) {
            const auto at = static_cast<double>(step);
            if (!arguments.warmup_lr_rate)
                return (at + 1.0) / static_cast<double>(warmup_steps);
            return *arguments.warmup_lr_rate + (1.0 - *arguments.warmup_lr_rate) * at /
                                                   at_least_one(warmup_steps - 1);
        }
        const double progress = static_cast<double>(step - warmup_steps + 1) /
                                at_least_one(total_steps - warmup_steps);
        return std::max(0.0, above_lowest(half_cosine(waves(), progress)));
    }

    [[nodiscard]] double stable_then_decay(std::int64_t step) const {
        const std::int64_t decay_steps = arguments.num_decay_steps;
        const std::int64_t stable_steps =
            arguments.num_stable_steps.value_or(total_steps - warmup_steps - decay_steps);
        if (step < warmup_steps) {
            const double progress =
                static_cast<double>(step) / at_least_one(warmup_steps);
            return std::max(0.0, above_lowest(rise(progress)));
        }
        step -= warmup_steps;
        if (step < stable_steps) return 1.0;
        step -= stable_steps;
        if (step >= decay_steps) return arguments.min_lr_ratio;
        const double progress = static_cast<double>(step) / at_least_one(decay_steps);
        return std::max(0.0, above_lowest(fall(progress)));
    }

    [[nodiscard]] double rise(double progress) const {
        switch (arguments.warmup_type) {
            case ramp_shape::cosine:
                return 0.5 * (1.0 - std::cos(std::numbers::pi * progress));
            case ramp_shape::one_minus_sqrt:
                return 1.0 - std::sqrt(1.0 - progress);
            default:
                return progress;
        }
    }

    [[nodiscard]] double fall(double progress) const {
        switch (arguments.decay_type) {
            case ramp_shape::cosine:
                return half_cosine(waves(), progress);
            case ramp_shape::one_minus_sqrt:
                return 1.0 - std::sqrt(progress);
            default:
                return 1.0 - progress;
        }
    }

    /// `step` counts from 1.
    [[nodiscard]] double reflected_exponential(std::int64_t step) const {
        if (step <= warmup_steps)
            return static_cast<double>(step) / static_cast<double>(warmup_steps);
        const std::int64_t span = total_steps - warmup_steps;
        const std::int64_t since = step - warmup_steps;
        if (since >= span) return arguments.min_lr_ratio;
        const double left = static_cast<double>(span - since) / static_cast<double>(span);
        return above_lowest(left / (0.1 + 0.9 * left));
    }

    [[nodiscard]] static double at_least_one(std::int64_t steps) {
        return static_cast<double>(std::max<std::int64_t>(1, steps));
    }
};

}  // namespace packkit
