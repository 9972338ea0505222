// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The options that say what a plan runs on: --gpus, --gpu, or a device by its numbers.

#include "common/command_line.hpp"

#include <packkit/estimate/device.hpp>
#include <packkit/estimate/training_setup.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace packkit::plan {

/// Options as they are written; empty where they were not given.
struct device_texts {
    std::string gpu, memory, peak, bandwidth, link, network, latency, per_node,
        calibration, efficiency;
};
struct cluster_texts : device_texts {
    std::string gpus, price;
};

/// A device by name or numbers, and how many of them.
struct cluster {
    device gpu;
    std::int64_t gpus = 1;
    std::int64_t gpus_per_node = 8;
    std::optional<double> price_per_gpu_hour;
    std::string calibration;  ///< the file that efficiency and latency are from
};

/// Adds --gpu and the numbers that replace or adjust it.
void add_device_options(CLI::App& command, device_texts& texts);
/// Adds --gpus, --price-per-gpu-hour and the options of a device.
void add_cluster_options(CLI::App& command, cluster_texts& texts);

/// The device of the table, with what was given in its place; or one of numbers alone,
/// named "custom", for which memory and peak are needed, and a link where there are
/// several.
/// @throws usage_error; app::input_error for a broken calibration
device parse_device(const device_texts& texts, std::int64_t gpus);

/// @throws usage_error; app::input_error for a broken calibration
cluster parse_cluster(const cluster_texts& texts);

}  // namespace packkit::plan
