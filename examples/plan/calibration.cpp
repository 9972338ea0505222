// SPDX-License-Identifier: Apache-2.0
#include "calibration.hpp"

#include "common/errors.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

namespace packkit::plan {
namespace {

using app::input_error;
using app::ordered_json;

std::optional<double> number(const std::string& path, const app::json& document,
                             const char* key) {
    const auto found = document.find(key);
    if (found == document.end() || found->is_null()) return std::nullopt;
    if (!found->is_number()) {
        throw input_error(path, std::string(key) + ": expected a number, found " +
                                    std::string(app::json_kind(*found)));
    }
    const double value = found->get<double>();
    if (!(value >= 0) || std::isinf(value)) {
        throw input_error(
            path, std::string(key) + " is " + found->dump() + ", expected a number >= 0");
    }
    return value;
}

double& peak_of(device& gpu, precision_kind precision) {
    switch (precision) {
        case precision_kind::fp64:
            return gpu.peak_flops_fp64;
        case precision_kind::fp32:
            return gpu.peak_flops_fp32;
        case precision_kind::bf16_mixed:
        case precision_kind::bf16:
            break;
    }
    return gpu.peak_flops_bf16;
}

precision_kind precision_of(const std::string& path, const app::json& document) {
    const auto found = document.find("precision");
    if (found == document.end() || !found->is_string()) {
        throw input_error(path, found == document.end()
                                    ? "precision is missing beside peak_tflops"
                                    : "precision: expected a string");
    }
    const auto name = found->get<std::string>();
    const auto at = std::find(precision_names.begin(), precision_names.end(), name);
    if (at == precision_names.end())
        throw input_error(path, "precision: unknown precision " + app::in_quotes(name));
    return static_cast<precision_kind>(at - precision_names.begin());
}

/// Value and error of 1 / c, in units: d(1/c) = dc / c².
std::pair<ordered_json, ordered_json> inverse(const coefficient& c, double unit) {
    if (!c.fitted || c.value <= 0) return {nullptr, nullptr};
    return {1 / c.value / unit, c.standard_error / (c.value * c.value) / unit};
}

std::pair<ordered_json, ordered_json> scaled(const coefficient& c, double unit) {
    if (!c.fitted) return {nullptr, nullptr};
    return {c.value / unit, c.standard_error / unit};
}

ordered_json to_json(const run_fit& run) {
    return {{"path", run.path},
            {"steps", run.steps},
            {"warm_up", run.warm_up},
            {"mean_seconds", run.mean_seconds},
            {"mean_fitted_seconds", run.mean_fitted_seconds},
            {"relative_rms", run.relative_rms},
            {"largest_residual",
             {{"step", run.largest.step},
              {"seconds", run.largest.seconds},
              {"fitted_seconds", run.largest_fitted_seconds}}}};
}

}  // namespace

ordered_json to_json(const calibration& fitted, double peak_flops,
                     precision_kind precision) {
    const auto [efficiency, efficiency_error] = inverse(fitted[term::flops], peak_flops);
    const auto [link, link_error] = inverse(fitted[term::bytes], 1e9);
    const auto [latency, latency_error] = scaled(fitted[term::collectives], 1e-6);
    const auto [fixed, fixed_error] = scaled(fitted[term::fixed], 1);
    std::size_t warm_up = 0;
    ordered_json files = ordered_json::array();
    for (const run_fit& run : fitted.runs) {
        warm_up += run.warm_up;
        files.push_back(to_json(run));
    }
    return {{"efficiency", efficiency},
            {"peak_tflops", peak_flops / 1e12},
            {"precision", to_string(precision)},
            {"link_gbps", link},
            {"latency_us", latency},
            {"fixed_seconds", fixed},
            {"standard_errors",
             {{"efficiency", efficiency_error},
              {"link_gbps", link_error},
              {"latency_us", latency_error},
              {"fixed_seconds", fixed_error}}},
            {"r_squared", fitted.r_squared},
            {"relative_rms", fitted.relative_rms},
            {"steps", fitted.steps},
            {"left_out", {{"warm_up", warm_up}, {"outliers", fitted.outliers}}},
            {"non_negative", fitted.non_negative},
            {"files", files},
            {"warnings", fitted.warnings}};
}

void apply_calibration(const std::string& path, device& gpu) {
    const app::json document = app::read_json_file(path);
    if (!document.is_object()) {
        throw input_error(
            path, "expected an object, found " + std::string(app::json_kind(document)));
    }
    const auto efficiency = number(path, document, "efficiency");
    if (!efficiency) throw input_error(path, "efficiency is missing");
    if (!(*efficiency > 0 && *efficiency <= 1)) {
        throw input_error(path, "efficiency: " + document["efficiency"].dump() +
                                    " is not above 0 and at most 1");
    }
    const auto peak = number(path, document, "peak_tflops");
    const auto link = number(path, document, "link_gbps");
    const auto latency = number(path, document, "latency_us");
    const auto fixed = number(path, document, "fixed_seconds");
    if (link == 0.0) throw input_error(path, "link_gbps is 0, expected a number > 0");
    gpu.efficiency = *efficiency;
    if (latency) gpu.collective_latency_seconds = *latency * 1e-6;
    gpu.calibrated = true;
    if (!peak) return;
    if (*peak == 0.0) throw input_error(path, "peak_tflops is 0, expected a number > 0");
    peak_of(gpu, precision_of(path, document)) = *peak * 1e12;
    gpu.measured =
        measured_machine{*efficiency * *peak * 1e12, link ? 1 / (*link * 1e9) : 0.0,
                         latency.value_or(0) * 1e-6, fixed.value_or(0)};
}

}  // namespace packkit::plan
