// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The file that packkit-plan calibrate writes, and what it changes of a device.

#include "calibrate.hpp"

// Before the alias json: an enumerator of that name would shadow it.
#include "common/table.hpp"

#include "common/json.hpp"

#include <packkit/estimate/device.hpp>
#include <packkit/estimate/training_setup.hpp>

#include <string>

namespace packkit::plan {

/// A calibration as a document: `{"efficiency","peak_tflops","precision","link_gbps",
/// "latency_us","fixed_seconds","standard_errors":{…},"r_squared","relative_rms","steps",
/// "left_out":{"warm_up","outliers"},"non_negative","files":[…],"warnings":[…]}`; null
/// for a constant that was not fitted. link_gbps are GB of 1e9 bytes a second.
app::ordered_json to_json(const calibration& fitted, double peak_flops,
                          precision_kind precision);

/// Takes a file's constants for `gpu`. With "peak_tflops" the peak is that of the file
/// and `gpu.measured` follows its law; with "efficiency" alone, or with "latency_us",
/// those figures of the device change.
/// @throws app::input_error naming file, key and value
void apply_calibration(const std::string& path, device& gpu);

}  // namespace packkit::plan
