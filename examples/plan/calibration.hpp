// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The file that packkit-plan calibrate writes, and what it changes of a device.

#include <packkit/device.hpp>

#include <string>

namespace packkit::plan {

/// Sets efficiency and latency of `gpu` to those of the file.
/// @throws app::input_error naming file, key and value
void apply_calibration(const std::string& path, device& gpu);

}  // namespace packkit::plan
