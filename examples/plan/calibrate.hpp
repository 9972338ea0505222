// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The constants of a machine by least squares from measured steps: how fast it computes,
/// how fast its ranks send, what a collective and a step cost beside.
///
///     seconds = flops / rate + bytes / bandwidth + collectives x latency + fixed

#include <packkit/estimate/device.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::plan {

/// One step as one rank saw it.
struct measured_step {
    std::int64_t step = 0;
    double seconds = 0;
    double flops = 0;
    double bytes = 0;        ///< sent, all collectives
    double collectives = 0;  ///< taken part in
};

/// The steps of one run, in its order.
struct measured_run {
    std::string path;
    std::vector<measured_step> steps;  ///< without those left out
    std::size_t warm_up = 0;           ///< steps left out at the start
    bool counts_collectives = true;    ///< false: lines without "collectives"
};

/// How many steps at the start are left out: the first, in which allocators fill and
/// kernels are chosen, and each further one until a step takes at most 1.25 times the
/// median seconds a FLOP of the later half of the run.
std::size_t warm_up_steps(std::span<const measured_step> steps);

/// Reads a metrics.jsonl as packkit-train writes it, and leaves out the warm-up. Lines
/// without "collectives" count none.
/// @throws app::input_error for a line that is no step, negative or missing figures, or a
///   file with fewer than two steps after the warm-up
measured_run read_metrics(const std::string& path);

/// The terms of the model.
enum class term : std::uint8_t { flops, bytes, collectives, fixed };
inline constexpr std::array<std::string_view, 4> term_names = {"flops", "bytes",
                                                               "collectives", "fixed"};

/// A coefficient: seconds for one FLOP, byte, collective or step.
struct coefficient {
    double value = 0;
    double standard_error = 0;
    /// False: the steps do not tell it from other terms, and it is taken as zero.
    bool fitted = false;
};

/// How one run comes out.
struct run_fit {
    std::string path;
    std::size_t steps = 0;
    std::size_t warm_up = 0;
    double mean_seconds = 0;
    double mean_fitted_seconds = 0;
    double relative_rms = 0;  ///< root mean square of residual / seconds
    measured_step largest;    ///< the step with the largest relative residual
    double largest_fitted_seconds = 0;
};

/// A fit, with all that is needed to doubt it.
struct calibration {
    std::array<coefficient, 4> terms;
    double r_squared = 0;  ///< of the seconds; 1 if they do not vary and are met
    double relative_rms = 0;
    std::size_t steps = 0;
    std::size_t outliers = 0;   ///< left out of the second fit
    bool non_negative = false;  ///< least squares gave a negative coefficient
    std::vector<run_fit> runs;
    std::vector<std::string> warnings;

    [[nodiscard]] const coefficient& operator[](term t) const {
        return terms[static_cast<std::size_t>(t)];
    }
};

/// Fits all runs together, by least squares of the relative residuals (steps of long and
/// of short runs count alike), with a column-pivoting QR.
///
/// - A term that is a combination of those before it (flops, fixed, bytes, collectives)
/// is
///   left out, and a warning says which run to add.
/// - If a coefficient comes out negative, the best fit without negative ones is taken.
/// - Steps whose residual is more than six robust standard deviations (of the median's
///   absolute deviation) and 5 % off are left out of a second fit, and counted.
///
/// @throws app::input_error without steps or without FLOPs
calibration fit(const std::vector<measured_run>& runs);

/// What an estimate takes from a calibration: terms that were not fitted are zero.
measured_machine machine_of(const calibration& fitted);

}  // namespace packkit::plan
