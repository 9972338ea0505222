// SPDX-License-Identifier: Apache-2.0
#include "calibrate.hpp"

#include "common/document_field.hpp"
#include "common/errors.hpp"
#include "common/jsonl.hpp"
#include "common/numbers.hpp"

#include <Eigen/Dense>

#include <algorithm>
#include <bit>
#include <cmath>
#include <tuple>
#include <utility>

namespace packkit::plan {
namespace {

constexpr double slow_start = 1.25;     // times the median
constexpr double outlier_scale = 6;     // robust standard deviations
constexpr double outlier_share = 0.05;  // of the step's seconds
// A column whose part outside the span of the others is below this share of it is one of
// them: steps are timed to far fewer digits.
constexpr double collinear_share = 1e-6;

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2 == 1) return *middle;
    return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

double figure(const app::document_field& line, std::string_view key) {
    const auto value = line.not_negative(key);
    if (!value) line.fail(key, "is missing");
    return *value;
}

using matrix = Eigen::MatrixXd;
using vector = Eigen::VectorXd;
using mask = unsigned;  // bit t: term t

constexpr mask bit(term t) {
    return 1U << static_cast<unsigned>(t);
}

double entry(const measured_step& step, term t) {
    switch (t) {
        case term::flops:
            return step.flops;
        case term::bytes:
            return step.bytes;
        case term::collectives:
            return step.collectives;
        case term::fixed:
            return 1;
    }
    return 0;
}

/// The system for some terms, rows divided by the measured seconds so that every right
/// side is 1, columns scaled to length 1.
struct scaled_system {
    std::vector<term> terms;
    matrix columns;
    vector lengths;
};

scaled_system system_of(const std::vector<const measured_step*>& steps, mask terms) {
    scaled_system system;
    for (const term t : {term::flops, term::fixed, term::bytes, term::collectives}) {
        if ((terms & bit(t)) != 0) system.terms.push_back(t);
    }
    const auto rows = static_cast<Eigen::Index>(steps.size());
    const auto width = static_cast<Eigen::Index>(system.terms.size());
    system.columns.resize(rows, width);
    system.lengths.resize(width);
    for (Eigen::Index c = 0; c < width; ++c) {
        for (Eigen::Index r = 0; r < rows; ++r) {
            const measured_step& step = *steps[static_cast<std::size_t>(r)];
            system.columns(r, c) =
                entry(step, system.terms[static_cast<std::size_t>(c)]) / step.seconds;
        }
        system.lengths(c) = system.columns.col(c).norm();
        if (system.lengths(c) > 0) system.columns.col(c) /= system.lengths(c);
    }
    return system;
}

/// How much of `t` the other terms do not span, as a share of its length.
double own_share(const std::vector<const measured_step*>& steps, mask others, term t) {
    const scaled_system own = system_of(steps, bit(t));
    if (own.lengths(0) == 0) return 0;
    if (others == 0) return 1;
    const scaled_system span = system_of(steps, others);
    const vector target = own.columns.col(0);
    return (target - span.columns * span.columns.colPivHouseholderQr().solve(target))
        .norm();
}

struct solution {
    std::array<double, 4> values{};
    std::array<double, 4> errors{};
    double squares = 0;  ///< sum of squared relative residuals
};

solution solve(const std::vector<const measured_step*>& steps, mask terms) {
    solution found;
    const auto rows = static_cast<Eigen::Index>(steps.size());
    const vector target = vector::Ones(rows);
    const scaled_system system = system_of(steps, terms);
    const Eigen::ColPivHouseholderQR<matrix> qr(system.columns);
    const vector scaled = qr.solve(target);
    found.squares = (system.columns * scaled - target).squaredNorm();
    const Eigen::Index width = system.columns.cols();
    const double variance =
        rows > width ? found.squares / static_cast<double>(rows - width) : 0;
    // (AᵀA)⁻¹ = P R⁻¹ R⁻ᵀ Pᵀ: its diagonal are the squared lengths of the rows of P R⁻¹.
    const matrix inverse = qr.matrixR()
                               .topLeftCorner(width, width)
                               .template triangularView<Eigen::Upper>()
                               .solve(matrix::Identity(width, width));
    const matrix unpivoted = qr.colsPermutation() * inverse;
    for (Eigen::Index c = 0; c < width; ++c) {
        const auto t =
            static_cast<std::size_t>(system.terms[static_cast<std::size_t>(c)]);
        found.values[t] = scaled(c) / system.lengths(c);
        found.errors[t] =
            std::sqrt(variance) * unpivoted.row(c).norm() / system.lengths(c);
    }
    return found;
}

bool has_negative(const solution& found) {
    return std::any_of(found.values.begin(), found.values.end(),
                       [](double value) { return value < 0; });
}

/// The best of all subsets of the terms with FLOPs whose coefficients are not negative:
/// with four terms, eight systems. FLOPs alone are always one of them. Returns the terms
/// that it uses.
std::pair<solution, mask> solve_non_negative(
    const std::vector<const measured_step*>& steps, mask terms) {
    const mask least = bit(term::flops);
    std::pair<solution, mask> best{solve(steps, least), least};
    for (mask subset = 0; subset < 16; ++subset) {
        if ((subset & ~terms) != 0 || (subset & least) == 0) continue;
        const solution found = solve(steps, subset);
        if (!has_negative(found) && found.squares < best.first.squares)
            best = {found, subset};
    }
    return best;
}

double fitted_seconds(const solution& found, const measured_step& step) {
    double seconds = 0;
    for (const term t : {term::flops, term::bytes, term::collectives, term::fixed})
        seconds += found.values[static_cast<std::size_t>(t)] * entry(step, t);
    return seconds;
}

double relative_residual(const solution& found, const measured_step& step) {
    return (step.seconds - fitted_seconds(found, step)) / step.seconds;
}

/// Why a term cannot be told from those before it, and which run would tell.
std::string why_left_out(const std::vector<const measured_step*>& steps, term t,
                         mask before) {
    const bool none = std::all_of(steps.begin(), steps.end(),
                                  [&](const auto* step) { return entry(*step, t) == 0; });
    if (t == term::fixed) {
        return "every step of every file has the same FLOPs: seconds beside the compute "
               "cannot be told from it; add a run with another micro_batch_size or "
               "sequence_len";
    }
    const bool bytes = t == term::bytes;
    if (none) {
        return bytes ? "no file has bytes between ranks: their bandwidth is not fitted; "
                       "add a run of the same model on more ranks"
                     : "no file counts collectives: their latency is not fitted; add a "
                       "run on several ranks";
    }
    const std::string what = bytes ? "bytes" : "collectives";
    const std::string cost = bytes ? "their bandwidth" : "their latency";
    if ((before & bit(term::fixed)) != 0 &&
        own_share(steps, bit(term::fixed), t) <= collinear_share) {
        return "every step of every file has as many " + what + ": " + cost +
               " cannot be told from fixed seconds; add a run " +
               (bytes ? "with another dp_shard_size (2 against 4 ranks)"
                      : "with another gradient_accumulation_steps");
    }
    if (!bytes && (before & bit(term::bytes)) != 0 &&
        own_share(steps, bit(term::bytes), t) <= collinear_share) {
        return "collectives are proportional to bytes in all files: latency cannot be "
               "told from bandwidth; add a run of a model with another hidden_size";
    }
    return what + " are a combination of the other terms in all files: " + cost +
           " cannot be told apart; add a run with another number of ranks and one with "
           "another hidden_size";
}

/// The terms that the steps tell apart, in the order of what matters most.
mask independent_terms(const std::vector<const measured_step*>& steps,
                       std::vector<std::string>& warnings) {
    mask kept = bit(term::flops);
    for (const term t : {term::fixed, term::bytes, term::collectives}) {
        if (own_share(steps, kept, t) > collinear_share) {
            kept |= bit(t);
        } else {
            warnings.push_back(why_left_out(steps, t, kept));
        }
    }
    // As many unknowns as steps at most.
    for (const term t : {term::collectives, term::bytes, term::fixed}) {
        if (static_cast<std::size_t>(std::popcount(kept)) > steps.size()) kept &= ~bit(t);
    }
    return kept;
}

run_fit describe(const measured_run& run, const solution& found) {
    run_fit result;
    result.path = run.path;
    result.steps = run.steps.size();
    result.warm_up = run.warm_up;
    double worst = -1;
    double squares = 0;
    for (const measured_step& step : run.steps) {
        const double residual = relative_residual(found, step);
        squares += residual * residual;
        result.mean_seconds += step.seconds;
        result.mean_fitted_seconds += fitted_seconds(found, step);
        if (std::abs(residual) > worst) {
            worst = std::abs(residual);
            result.largest = step;
            result.largest_fitted_seconds = fitted_seconds(found, step);
        }
    }
    const auto count = static_cast<double>(run.steps.size());
    if (count > 0) {
        result.mean_seconds /= count;
        result.mean_fitted_seconds /= count;
        result.relative_rms = std::sqrt(squares / count);
    }
    return result;
}

}  // namespace

std::size_t warm_up_steps(std::span<const measured_step> steps) {
    if (steps.size() < 2) return steps.size();
    const auto cost = [](const measured_step& step) {
        return step.flops > 0 ? step.seconds / step.flops : step.seconds;
    };
    std::vector<double> later;
    for (const measured_step& step : steps.subspan(steps.size() / 2))
        later.push_back(cost(step));
    const double usual = median(std::move(later));
    std::size_t left_out = 1;
    while (left_out < steps.size() && cost(steps[left_out]) > slow_start * usual)
        ++left_out;
    return left_out;
}

measured_run read_metrics(const std::string& path) {
    measured_run run;
    run.path = path;
    app::jsonl_reader lines(path);
    for (app::document_node row; lines.next(row);) {
        const app::document_field line(row, path);
        measured_step step;
        step.step = static_cast<std::int64_t>(figure(line, "step"));
        step.seconds = figure(line.member("seconds"), "step");
        if (step.seconds == 0)
            line.member("seconds").fail("step", "is 0, expected a number > 0");
        step.flops = figure(line, "flops");
        const app::document_field bytes = line.member("bytes");
        for (const auto& member : bytes.members())
            step.bytes += figure(bytes, member.key);
        if (line.has("collectives")) {
            step.collectives = figure(line, "collectives");
        } else {
            run.counts_collectives = false;
        }
        run.steps.push_back(step);
    }
    run.warm_up = warm_up_steps(run.steps);
    run.steps.erase(run.steps.begin(),
                    run.steps.begin() + static_cast<std::ptrdiff_t>(run.warm_up));
    if (run.steps.size() < 2) {
        throw app::input_error(path, "has " + std::to_string(run.steps.size()) +
                                         " steps after a warm-up of " +
                                         std::to_string(run.warm_up) +
                                         ", expected at least 2");
    }
    return run;
}

calibration fit(const std::vector<measured_run>& runs) {
    std::vector<const measured_step*> steps;
    for (const measured_run& run : runs) {
        for (const measured_step& step : run.steps)
            steps.push_back(&step);
    }
    if (steps.empty()) throw app::input_error("calibration", "there are no steps");
    if (std::all_of(steps.begin(), steps.end(),
                    [](const auto* step) { return step->flops == 0; })) {
        throw app::input_error(runs.front().path, "flops is 0 in every step");
    }
    calibration result;
    mask apart = 0;  // terms that the steps tell apart
    const auto solve_terms = [&](const std::vector<const measured_step*>& chosen) {
        result.warnings.clear();
        apart = independent_terms(chosen, result.warnings);
        const solution found = solve(chosen, apart);
        result.non_negative = has_negative(found);
        return result.non_negative ? solve_non_negative(chosen, apart)
                                   : std::pair{found, apart};
    };
    auto [found, terms] = solve_terms(steps);

    std::vector<double> distances;
    for (const measured_step* step : steps)
        distances.push_back(std::abs(relative_residual(found, *step)));
    const double limit =
        std::max(outlier_share, outlier_scale * 1.4826 * median(distances));
    std::vector<const measured_step*> kept;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (distances[i] <= limit) kept.push_back(steps[i]);
    }
    if (kept.size() < steps.size() && kept.size() >= 2) {
        result.outliers = steps.size() - kept.size();
        std::tie(found, terms) = solve_terms(kept);
    } else {
        kept = steps;
    }

    result.steps = kept.size();
    for (const term t : {term::flops, term::bytes, term::collectives, term::fixed}) {
        const auto i = static_cast<std::size_t>(t);
        result.terms[i] = {found.values[i], found.errors[i], (terms & bit(t)) != 0};
    }
    double mean = 0;
    for (const measured_step* step : kept)
        mean += step->seconds;
    mean /= static_cast<double>(kept.size());
    double residual = 0;
    double total = 0;
    double relative = 0;
    for (const measured_step* step : kept) {
        residual += std::pow(step->seconds - fitted_seconds(found, *step), 2);
        total += std::pow(step->seconds - mean, 2);
        relative += std::pow(relative_residual(found, *step), 2);
    }
    const auto count = static_cast<double>(kept.size());
    // Seconds that do not vary beyond rounding have nothing to explain.
    const bool varies = total > 1e-18 * mean * mean * count;
    result.r_squared = varies ? 1 - residual / total : 1;
    result.relative_rms = std::sqrt(relative / count);
    for (const measured_run& run : runs)
        result.runs.push_back(describe(run, found));

    if (result.non_negative) {
        std::string names;
        for (const term t : {term::flops, term::bytes, term::collectives, term::fixed}) {
            if ((apart & bit(t)) == 0 || (terms & bit(t)) != 0) continue;
            names += (names.empty() ? "" : ", ");
            names += term_names[static_cast<std::size_t>(t)];
        }
        result.warnings.push_back(
            "least squares gave a negative constant, which no machine has; these are "
            "taken as zero: " +
            names);
    }
    for (const term t : {term::flops, term::bytes, term::collectives, term::fixed}) {
        const coefficient& c = result[t];
        if (c.fitted && c.value > 0 && c.standard_error > c.value / 2) {
            result.warnings.push_back(
                std::string(term_names[static_cast<std::size_t>(t)]) +
                ": the standard error is " + app::percent(c.standard_error / c.value, 0) +
                " of the constant: these runs hardly tell it; add runs that differ more");
        }
    }
    for (const measured_run& run : runs) {
        if (!run.counts_collectives)
            result.warnings.push_back(
                run.path + ": lines without \"collectives\"; none are counted");
    }
    if (result.outliers > 0) {
        result.warnings.push_back(
            app::grouped(static_cast<std::int64_t>(result.outliers)) +
            " steps far off the fit were left out");
    }
    return result;
}

measured_machine machine_of(const calibration& fitted) {
    return {1 / fitted[term::flops].value, fitted[term::bytes].value,
            fitted[term::collectives].value, fitted[term::fixed].value};
}

}  // namespace packkit::plan
