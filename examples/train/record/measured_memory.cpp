// SPDX-License-Identifier: Apache-2.0
#include "record/measured_memory.hpp"

#include <packkit/torch/memory/memory_counter.hpp>

#ifdef PACKKIT_CUDA
#include <c10/cuda/CUDACachingAllocator.h>
#endif

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

namespace packkit::train {

std::int64_t peak_memory_bytes() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
}

std::int64_t machine_memory_bytes() {
    const std::int64_t all =
        static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE);
    std::int64_t limit = 0;
    // "max" where there is none.
    if (std::ifstream("/sys/fs/cgroup/memory.max") >> limit && limit > 0)
        return std::min(all, limit);
    return all;
}

void reset_peak_allocated([[maybe_unused]] c10::Device device) {
#ifdef PACKKIT_CUDA
    if (device.is_cuda()) {
        c10::cuda::CUDACachingAllocator::resetPeakStats(device.index());
        return;
    }
#endif
    lt::reset_memory_peak();
}

void set_peak_allocated(step_metrics& metrics, [[maybe_unused]] c10::Device device) {
    auto& allocated = metrics.allocated_bytes;
#ifdef PACKKIT_CUDA
    if (device.is_cuda()) {
        // The first statistic is that of all pools.
        allocated.total = c10::cuda::CUDACachingAllocator::getDeviceStats(device.index())
                              .allocated_bytes[0]
                              .peak;
        return;
    }
#endif
    using enum lt::memory_use;
    const auto peak = lt::memory_peak();
    allocated.total = peak.total();
    allocated.parts = {.parameters = peak[parameters],
                       .gradients = peak[gradients],
                       .optimizer = peak[optimizer],
                       .activations = peak[activations],
                       .logits = peak[logits],
                       .gathered_parameters = peak[gathered_parameters],
                       .communication = peak[communication]};
    allocated.other = peak[other];
    metrics.library_workspace_bytes = lt::memory_largest()[library_workspace];
}

}  // namespace packkit::train
