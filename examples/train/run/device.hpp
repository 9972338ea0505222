// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What a rank computes on: which device, how many threads, how fast.

#include "config/config.hpp"
#include "run/rank_environment.hpp"

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace packkit::train {

/// The GPU of this rank's number on its machine, or the CPU, as the configuration asks
/// and the machine has. Throws app::usage_error.
at::Device choose_device(const train_config& config, const rank_environment& environment);

/// The configuration with the precision that it leaves to the device: bf16 on a GPU that
/// computes in it, the dtype of the parameters elsewhere.
train_config with_precision_of(train_config config, at::Device device);

/// This rank's share of the machine's cores, unless OMP_NUM_THREADS says otherwise.
void choose_threads(const rank_environment& environment);

/// Operations a second that this device reaches in `dtype`: its published dense peak if
/// known (CUDA), else the rate of a matrix product measured now, in about a tenth of a
/// second.
double peak_flops(at::Device device, at::ScalarType dtype);

}  // namespace packkit::train
