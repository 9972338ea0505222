// SPDX-License-Identifier: Apache-2.0
#include "run/device.hpp"

#include "common/errors.hpp"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#ifdef PACKKIT_CUDA
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDAFunctions.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>

namespace packkit::train {

at::Device choose_device(const train_config& config,
                         const rank_environment& environment) {
    const bool may = config.device != device_choice::cpu,
               must = config.device == device_choice::cuda;
#ifdef PACKKIT_CUDA
    if (may && at::hasCUDA() && c10::cuda::device_count() > 0) {
        const auto index = static_cast<c10::DeviceIndex>(environment.local_rank);
        if (index >= c10::cuda::device_count()) {
            throw app::usage_error(
                "device", "local rank " + std::to_string(environment.local_rank) +
                              " has no GPU of its own, there are " +
                              std::to_string(c10::cuda::device_count()));
        }
        if (!config.bf16 && !config.fp16 && !config.automatic_precision) {
            throw app::usage_error("bf16",
                                   "must be true or auto on a GPU, or fp16 true: its "
                                   "attention kernels compute in 16 bits");
        }
        c10::cuda::set_device(index);
        return {at::kCUDA, index};
    }
    if (must)
        throw app::usage_error("device", "cuda is asked for, and no GPU is found here");
#else
    static_cast<void>(may);
    static_cast<void>(environment);
    if (must) {
        throw app::usage_error("device",
                               "cuda is asked for, but this program was built without "
                               "it; build the cuda preset");
    }
#endif
    return at::kCPU;
}

train_config with_precision_of(train_config config, at::Device device) {
    if (!config.automatic_precision || !device.is_cuda()) return config;
#ifdef PACKKIT_CUDA
    constexpr int ampere = 8;  // the first with bf16
    config.bf16 = at::cuda::getDeviceProperties(device.index())->major >= ampere;
    if (!config.bf16) {
        throw app::usage_error("bf16",
                               "auto finds a GPU without bf16; set fp16: true or "
                               "device: cpu");
    }
#endif
    return config;
}

void choose_threads(const rank_environment& environment) {
    if (std::getenv("OMP_NUM_THREADS") != nullptr) return;
    const auto cores = static_cast<std::int64_t>(std::thread::hardware_concurrency());
    at::set_num_threads(static_cast<int>(
        std::max<std::int64_t>(1, cores / environment.local_world_size)));
}

double peak_flops(at::Device device, at::ScalarType dtype) {
#ifdef PACKKIT_CUDA
    if (device.is_cuda()) {
        const std::string name = at::cuda::getCurrentDeviceProperties()->name;
        if (name.find("H100") != std::string::npos ||
            name.find("H200") != std::string::npos) {
            return 989.5e12;
        }
        if (name.find("A100") != std::string::npos) return 312e12;
    }
#endif
    constexpr std::int64_t n = 768;
    const auto options = at::TensorOptions().device(device).dtype(dtype);
    const auto a = at::ones({n, n}, options);
    const auto b = at::ones({n, n}, options);
    using clock = std::chrono::steady_clock;
    double best = 0;
    for (const auto end = clock::now() + std::chrono::milliseconds(100);
         clock::now() < end;) {
        const auto begin = clock::now();
        static_cast<void>(at::matmul(a, b).sum().item<double>());
        const std::chrono::duration<double> seconds = clock::now() - begin;
        best = std::max(best, 2.0 * n * n * n / seconds.count());
    }
    return best;
}

}  // namespace packkit::train
