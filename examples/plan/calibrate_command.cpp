// SPDX-License-Identifier: Apache-2.0
// packkit-plan calibrate: the constants of a machine from measured steps.
#include "calibrate.hpp"
#include "calibration.hpp"
#include "cluster_options.hpp"
#include "command.hpp"

#include "common/errors.hpp"
#include "common/numbers.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace packkit::plan {
namespace {

using app::ordered_json;
using app::usage_error;

constexpr const char* description =
    "The constants of a machine, by least squares from the steps that packkit-train has\n"
    "measured on it.";

constexpr const char* footer =
    R"(FILE…: metrics.jsonl of one or more runs, as packkit-train writes them. Fitted is
  seconds of a step = FLOPs / rate + bytes sent / bandwidth + collectives x latency + fixed
to all steps of all files at once, with relative residuals. Left out are the first step of
each file, what follows it until a step takes at most 1.25 times the median of the later
half, and steps far off the fit. What the files do not tell apart is said, with the run to
add: one mesh alone never tells latency from bandwidth.

efficiency is the rate as a share of the peak: that of --gpu, or --peak-tflops; without both
that of "cpu", or what was reached where that is more.

With --format json (or --output) the constants are a file for --calibration of
estimate and search, which then take the measured law for the time of a step.

Examples:
  packkit-plan calibrate out/metrics.jsonl
  packkit-plan calibrate dp2/metrics.jsonl dp4/metrics.jsonl wide/metrics.jsonl \
    --format json --output machine.json
  packkit-plan estimate llama-3.2-1b --gpus 4 --gpu cpu --sequence-len 2048 \
    --calibration machine.json

Exit status: 0 done, 1 failed, 2 wrong usage or wrong input.)";

struct calibrate_texts {
    std::vector<std::string> files;
    std::string gpu, peak, precision;
    output_texts output;
};

/// The peak that efficiency is a share of.
double peak_of(const calibrate_texts& texts, precision_kind precision, double reached) {
    device_texts hardware;
    hardware.gpu = texts.gpu.empty() ? "cpu" : texts.gpu;
    hardware.peak = texts.peak;
    const double peak = parse_device(hardware, 1).peak_flops(precision);
    if (reached <= peak) return peak;
    if (texts.gpu.empty() && texts.peak.empty()) return reached;
    throw usage_error(texts.peak.empty() ? "--gpu" : "--peak-tflops",
                      "the steps reach " + app::fixed(reached / 1e12, 3) +
                          " TFLOP/s, above the peak of " + app::fixed(peak / 1e12, 3));
}

std::string with_error(const coefficient& c, double value, double error, int decimals,
                       const char* unit) {
    if (!c.fitted) return "not told apart";
    return app::fixed(value, decimals) + " ± " + app::fixed(error, decimals) + unit;
}

std::vector<fact> facts_of(const calibration& fitted, double peak,
                           precision_kind precision) {
    const coefficient& flops = fitted[term::flops];
    const coefficient& bytes = fitted[term::bytes];
    const coefficient& calls = fitted[term::collectives];
    const coefficient& fixed = fitted[term::fixed];
    const double rate = 1 / flops.value;
    const double rate_error = flops.standard_error * rate * rate;
    const double bandwidth = bytes.value > 0 ? 1 / bytes.value : 0;
    const auto add = [](std::string label, std::string text) {
        return fact{"", nullptr, std::move(label), std::move(text)};
    };
    return {
        add("efficiency", app::percent(rate / peak, 1) + " ± " +
                              app::percent(rate_error / peak, 1) + " of " +
                              app::fixed(peak / 1e12, 3) + " TFLOP/s " +
                              std::string(to_string(precision))),
        add("compute", with_error(flops, rate / 1e12, rate_error / 1e12, 4, " TFLOP/s")),
        add("bandwidth",
            bytes.fitted && bytes.value <= 0
                ? "no cost seen"
                : with_error(bytes, bandwidth / 1e9,
                             bytes.standard_error * bandwidth * bandwidth / 1e9, 3,
                             " GB/s")),
        add("latency", with_error(calls, calls.value * 1e6, calls.standard_error * 1e6, 1,
                                  " µs a collective")),
        add("fixed", with_error(fixed, fixed.value * 1e3, fixed.standard_error * 1e3, 3,
                                " ms a step")),
        add("R²", app::fixed(fitted.r_squared, 5)),
        add("residual", app::percent(fitted.relative_rms, 2) + " root mean square of " +
                            app::grouped(static_cast<std::int64_t>(fitted.steps)) +
                            " steps"),
    };
}

app::table table_of(const calibration& fitted) {
    app::table shown({{"file", app::alignment::left},
                      {"steps"},
                      {"warm-up"},
                      {"mean"},
                      {"fitted"},
                      {"residual"},
                      {"largest, at step"}});
    for (const run_fit& run : fitted.runs) {
        const double worst =
            run.largest.seconds > 0
                ? (run.largest.seconds - run.largest_fitted_seconds) / run.largest.seconds
                : 0;
        shown.add_row(
            {run.path, std::to_string(run.steps), std::to_string(run.warm_up),
             app::duration_text(run.mean_seconds),
             app::duration_text(run.mean_fitted_seconds),
             app::percent(run.relative_rms, 2),
             app::percent(worst, 1) + " at " + std::to_string(run.largest.step)});
    }
    return shown;
}

void run(const calibrate_texts& texts) {
    check_output_paths({{"--output", texts.output.output}}, texts.files);
    const app::output_format format = parse_format(texts.output);
    if (texts.files.empty())
        throw usage_error("FILE is missing: metrics.jsonl of a run of packkit-train");
    precision_kind precision = texts.gpu.empty() || texts.gpu == "cpu"
                                   ? precision_kind::fp32
                                   : precision_kind::bf16_mixed;
    app::set_choice("--precision", "precision", texts.precision, precision_names,
                    precision);
    std::vector<measured_run> runs;
    for (const std::string& file : texts.files)
        runs.push_back(read_metrics(file));
    const calibration fitted = fit(runs);
    const double peak = peak_of(texts, precision, 1 / fitted[term::flops].value);

    std::string result;
    if (format == app::output_format::json) {
        result = to_json(fitted, peak, precision).dump(2) + "\n";
    } else {
        ordered_json rows = ordered_json::array();
        const ordered_json document = to_json(fitted, peak, precision);
        for (const auto& file : document["files"])
            rows.push_back(file);
        if (format == app::output_format::csv) {
            for (auto& row : rows) {
                const ordered_json largest = row["largest_residual"];
                row.erase("largest_residual");
                row["largest_step"] = largest["step"];
                row["largest_seconds"] = largest["seconds"];
                row["largest_fitted_seconds"] = largest["fitted_seconds"];
            }
            result = render_rows("files", rows, table_of(fitted), format);
        } else {
            result = render_facts(facts_of(fitted, peak, precision), "Calibration",
                                  fitted.warnings, format) +
                     "\n" + render_rows("files", rows, table_of(fitted), format);
        }
    }
    write_outputs(texts.output, result);
}

}  // namespace

void add_calibrate_command(CLI::App& program, action& chosen) {
    const auto texts = std::make_shared<calibrate_texts>();
    CLI::App& command = add_command(program, "calibrate", description, footer, chosen,
                                    [texts] { run(*texts); });
    add_file_arguments(command, texts->files, "metrics.jsonl of a run");
    const option_group hardware(command, "Hardware");
    hardware.text("--gpu", texts->gpu, "NAME",
                  "A GPU of packkit-plan gpus, for its peak");
    hardware.text("--peak-tflops", texts->peak, "X",
                  "Dense peak in the precision of the run, 1e12 FLOP/s");
    hardware.text("--precision", texts->precision, "NAME",
                  "Of the runs: fp64, fp32 (default on cpu), bf16-mixed, bf16");
    add_output_options(command, texts->output);
}

}  // namespace packkit::plan
