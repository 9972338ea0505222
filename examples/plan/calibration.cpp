// SPDX-License-Identifier: Apache-2.0
#include "calibration.hpp"

#include "common/errors.hpp"
#include "common/json.hpp"

#include <cmath>

namespace packkit::plan {
namespace {

double number(const std::string& path, const app::json& document, const char* key) {
    const auto found = document.find(key);
    if (found == document.end())
        throw app::input_error(path, std::string(key) + " is missing");
    if (!found->is_number() || !std::isfinite(found->get<double>())) {
        throw app::input_error(path, std::string(key) + ": expected a number, found " +
                                         std::string(app::json_kind(*found)));
    }
    return found->get<double>();
}

}  // namespace

void apply_calibration(const std::string& path, device& gpu) {
    const app::json document = app::read_json_file(path);
    if (!document.is_object()) {
        throw app::input_error(
            path, "expected an object, found " + std::string(app::json_kind(document)));
    }
    gpu.efficiency = number(path, document, "efficiency");
    if (!(gpu.efficiency > 0 && gpu.efficiency <= 1)) {
        throw app::input_error(path, "efficiency: " + document["efficiency"].dump() +
                                         " is not above 0 and at most 1");
    }
    gpu.collective_latency_seconds = number(path, document, "collective_latency_seconds");
    if (gpu.collective_latency_seconds < 0) {
        throw app::input_error(path, "collective_latency_seconds: " +
                                         document["collective_latency_seconds"].dump() +
                                         " is negative");
    }
    gpu.calibrated = true;
}

}  // namespace packkit::plan
