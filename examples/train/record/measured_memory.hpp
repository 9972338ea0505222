// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What this process holds in memory, measured.

#include "record/metrics.hpp"

#include <c10/core/Device.h>

#include <cstdint>

namespace packkit::train {

/// Most resident memory of this process so far.
std::int64_t peak_memory_bytes();

/// Memory that this machine has, or this process's control group may have.
std::int64_t machine_memory_bytes();

/// From now on the peak of tensors is looked for anew.
void reset_peak_allocated(c10::Device device);

/// Fills `allocated_bytes` and `library_workspace_bytes` with what tensors took at the
/// peak since the last reset: by use on the CPU (lt::count_memory must have been called),
/// in all on a GPU.
void set_peak_allocated(step_metrics& metrics, c10::Device device);

}  // namespace packkit::train
