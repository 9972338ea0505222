// SPDX-License-Identifier: Apache-2.0
#include "calibration.hpp"

#include "common/document_field.hpp"

#include <utility>

namespace packkit::plan {
namespace {

using app::ordered_json;

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

precision_kind precision_of(const app::document_field& file) {
    const auto name = file.find("precision");
    if (!name) file.fail("precision is missing beside peak_tflops");
    return static_cast<precision_kind>(name->one_of(precision_names));
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
    const app::document_node document = app::read_json_document(path);
    const app::document_field file(document, path);
    const auto efficiency = file.not_negative("efficiency");
    if (!efficiency) file.fail("efficiency is missing");
    if (!(*efficiency > 0 && *efficiency <= 1)) {
        file.fail("efficiency", app::describe_json(file.member("efficiency").node()) +
                                    " is not above 0 and at most 1");
    }
    const auto peak = file.positive("peak_tflops");
    const auto link = file.positive("link_gbps");
    const auto latency = file.not_negative("latency_us");
    const auto fixed = file.not_negative("fixed_seconds");
    gpu.efficiency = *efficiency;
    if (latency) gpu.collective_latency_seconds = *latency * 1e-6;
    gpu.calibrated = true;
    if (!peak) return;
    peak_of(gpu, precision_of(file)) = *peak * 1e12;
    gpu.measured =
        measured_machine{*efficiency * *peak * 1e12, link ? 1 / (*link * 1e9) : 0.0,
                         latency.value_or(0) * 1e-6, fixed.value_or(0)};
}

}  // namespace packkit::plan
