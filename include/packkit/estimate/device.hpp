// SPDX-License-Identifier: Apache-2.0
/// @file
/// Devices that models are trained on: memory, peaks, links, and the share of the peak
/// that training reaches.
///
/// Peaks are of dense matrices as the makers' data sheets print them (the figures with
/// sparsity halved); links are per direction. Memory is what the driver gives to
/// programs, `cudaMemGetInfo`'s total: less than the data sheet's, and in GiB, as it
/// stands in messages "GPU 0 has a total capacity of 79.15 GiB". A program's CUDA context
/// takes about half a GiB of that (PyTorch's messages count it as non-PyTorch memory).
#pragma once

#include <packkit/error.hpp>
#include <packkit/estimate/training_setup.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace packkit {

/// What a machine's own steps say of it, with the system that ran them:
/// seconds = flops / rate + bytes x a + collectives x b + fixed, FLOPs by convention A
/// over real tokens and bytes as one rank sends them. `packkit-plan calibrate` fits it.
struct measured_machine {
    double flops_per_second = 0;
    double seconds_per_byte = 0;
    double seconds_per_collective = 0;
    double fixed_seconds = 0;

    friend constexpr bool operator==(const measured_machine&,
                                     const measured_machine&) = default;
};

/// One GPU, or one rank's share of a CPU, with its links. A plain value: change what your
/// machine has otherwise.
struct device {
    std::string_view name;
    std::int64_t memory_bytes = 0;
    double peak_flops_bf16 = 0;  ///< dense, accumulated in float32
    double peak_flops_fp32 = 0;  ///< without TF32
    double peak_flops_fp64 = 0;
    double memory_bandwidth = 0;            ///< bytes a second
    double link_bytes_per_second = 0;       ///< inside a node, per GPU and direction
    double network_bytes_per_second = 0;    ///< between nodes, per GPU and direction
    double host_bytes_per_second = 0;       ///< to the host's memory, per direction
    double collective_latency_seconds = 0;  ///< a hop of a collective inside a node
    double network_latency_seconds = 0;     ///< a hop between nodes
    /// Share of the peak that matrix products reach in training. The one figure that is
    /// fitted: to the published runs of mpt-3b with 2,048 tokens on this device, where
    /// `calibrated` says so, so that 96 % of all other runs in
    /// tests/unit/core/published/throughput.csv come out within 15 %. Otherwise that of
    /// the nearest relative, or for AMD and CPUs a guess.
    double efficiency = 0;
    /// Share of the peak that attention kernels reach, masked half not counted: of
    /// FlashAttention-2 on documents of some thousand tokens.
    double attention_efficiency = 0;
    std::int64_t per_node = 8;
    bool calibrated = false;
    /// If set, step times follow this law and not the figures above.
    std::optional<measured_machine> measured = {};

    /// FLOP/s of matrix products at that precision.
    [[nodiscard]] constexpr double peak_flops(precision_kind precision) const {
        switch (precision) {
            case precision_kind::fp64:
                return peak_flops_fp64;
            case precision_kind::fp32:
                return peak_flops_fp32;
            case precision_kind::bf16_mixed:
            case precision_kind::bf16:
                return peak_flops_bf16;
        }
        detail::throw_invalid_argument("precision_kind has no value ",
                                       static_cast<int>(precision));
    }

    friend constexpr bool operator==(const device&, const device&) = default;
};

namespace detail {

/// GiB as drivers print them, to whole MiB.
constexpr std::int64_t gib(double value) {
    return static_cast<std::int64_t>(value * 1024.0 + 0.5) << 20;
}

inline constexpr double tera = 1e12;
inline constexpr double giga = 1e9;
inline constexpr double micro = 1e-6;
// Latency of a ring's hop as NCCL's own model has it (src/graph/tuning.cc, ring, simple
// protocol: NVLink, PCIe, network).
inline constexpr double link_hop = 3.4 * micro;
inline constexpr double pcie_hop = 5.7 * micro;
inline constexpr double network_hop = 9.6 * micro;

inline constexpr device known_devices[] = {
    // NVIDIA V100 data sheet; fp16 tensor cores, it has no bf16. DGX-2: 8 x 100 Gb/s for
    // 16 GPUs. PCIe 3.
    {"v100-32gb", gib(31.74), 125 * tera, 15.7 * tera, 7.8 * tera, 900 * giga, 150 * giga,
     6.25 * giga, 16 * giga, link_hop, network_hop, 0.78, 0.3, 8, false},
    // NVIDIA A100 data sheet; DGX A100: 8 x 200 Gb/s. NVLink 3: 300 GB/s a direction.
    // Attention: 50 to 73 % of the peak (Dao 2023, arXiv 2307.08691).
    {"a100-40gb", gib(39.39), 312 * tera, 19.5 * tera, 9.7 * tera, 1555 * giga,
     300 * giga, 25 * giga, 32 * giga, link_hop, network_hop, 0.78, 0.55, 8, true},
    {"a100-80gb", gib(79.15), 312 * tera, 19.5 * tera, 9.7 * tera, 2039 * giga,
     300 * giga, 25 * giga, 32 * giga, link_hop, network_hop, 0.82, 0.55, 8, true},
    // RTX A6000 data sheet: 309.7 with sparsity; bridges join pairs only, so PCIe 4.
    {"a6000", gib(47.53), 154.8 * tera, 38.7 * tera, 0.605 * tera, 768 * giga, 32 * giga,
     12.5 * giga, 32 * giga, pcie_hop, network_hop, 0.78, 0.45, 8, false},
    // A10G: 70 dense, AWS G5 with 8 and 100 Gb/s.
    {"a10g", gib(22.18), 70 * tera, 35 * tera, 0.49 * tera, 600 * giga, 32 * giga,
     1.5625 * giga, 32 * giga, pcie_hop, network_hop, 0.78, 0.45, 8, false},
    // L4 and L40S data sheets: 242 and 733 with sparsity (L40S 362.05 dense).
    {"l4", gib(21.96), 121 * tera, 30.3 * tera, 0.473 * tera, 300 * giga, 32 * giga,
     1.5625 * giga, 32 * giga, pcie_hop, network_hop, 0.78, 0.45, 8, false},
    {"l40s", gib(44.42), 362.05 * tera, 91.6 * tera, 1.431 * tera, 864 * giga, 32 * giga,
     12.5 * giga, 32 * giga, pcie_hop, network_hop, 0.78, 0.45, 8, false},
    // H100 data sheet: 1979 with sparsity, NVLink 4: 450 GB/s a direction; DGX H100:
    // 8 x 400 Gb/s. Attention: FlashAttention-2, up to 335 TFLOP/s (the same).
    {"h100-80gb", gib(79.10), 989.5 * tera, 66.9 * tera, 33.5 * tera, 3350 * giga,
     450 * giga, 50 * giga, 64 * giga, link_hop, network_hop, 0.64, 0.33, 8, true},
    // H100 PCIe and NVL: bridges join pairs only, so PCIe 5.
    {"h100-pcie", gib(79.11), 756 * tera, 51.2 * tera, 25.6 * tera, 2039 * giga,
     64 * giga, 25 * giga, 64 * giga, pcie_hop, network_hop, 0.64, 0.33, 8, false},
    {"h100-nvl", gib(93.10), 835 * tera, 60 * tera, 30 * tera, 3938 * giga, 64 * giga,
     25 * giga, 64 * giga, pcie_hop, network_hop, 0.64, 0.33, 8, false},
    {"h200-141gb", gib(139.80), 989.5 * tera, 66.9 * tera, 33.5 * tera, 4800 * giga,
     450 * giga, 50 * giga, 64 * giga, link_hop, network_hop, 0.64, 0.33, 8, false},
    // GH200, nodes of four (NVLink to each other, 400 Gb/s each); the host's memory is
    // behind NVLink-C2C: 450 GB/s a direction.
    {"gh200-96gb", gib(94.50), 989.5 * tera, 66.9 * tera, 33.5 * tera, 4000 * giga,
     450 * giga, 50 * giga, 450 * giga, link_hop, network_hop, 0.64, 0.33, 4, false},
    // DGX B200 data sheet: 72 PFLOP/s of fp8 with sparsity for 8 GPUs, of which dense
    // bf16
    // is a quarter; NVLink 5: 900 GB/s a direction.
    {"b200", gib(178.35), 2250 * tera, 75 * tera, 37 * tera, 7700 * giga, 900 * giga,
     50 * giga, 64 * giga, link_hop, network_hop, 0.64, 0.35, 8, false},
    // Ada and Ampere GeForce white papers, tensor cores with float32 accumulation; no
    // peer-to-peer on most boards.
    {"rtx-4090", gib(23.64), 165.2 * tera, 82.6 * tera, 1.29 * tera, 1008 * giga,
     25 * giga, 3.125 * giga, 32 * giga, pcie_hop, network_hop, 0.78, 0.45, 8, false},
    {"rtx-3090", gib(23.68), 71 * tera, 35.6 * tera, 0.556 * tera, 936 * giga, 25 * giga,
     3.125 * giga, 32 * giga, pcie_hop, network_hop, 0.78, 0.45, 8, false},
    // MI250X: one of its two dies, which programs see as a device each; Frontier's nodes
    // have 4 boards and 4 x 200 Gb/s. MI300X data sheet: 2614.9 with sparsity, 7 links of
    // 64 GB/s.
    {"mi250x-gcd", gib(63.98), 191.5 * tera, 23.9 * tera, 23.9 * tera, 1638 * giga,
     100 * giga, 12.5 * giga, 36 * giga, pcie_hop, network_hop, 0.50, 0.30, 8, false},
    {"mi300x", gib(191.98), 1307.4 * tera, 163.4 * tera, 81.7 * tera, 5300 * giga,
     448 * giga, 50 * giga, 64 * giga, pcie_hop, network_hop, 0.45, 0.25, 8, false},
    // One rank on a few cores of a CPU with AVX2, collectives through Gloo: an order of
    // magnitude; `packkit-plan calibrate` finds a machine's own.
    {"cpu", gib(16), 0.05 * tera, 0.1 * tera, 0.05 * tera, 15 * giga, 1 * giga, 1 * giga,
     15 * giga, 50 * micro, 100 * micro, 0.5, 0.3, 64, false},
};

}  // namespace detail

/// All known devices.
[[nodiscard]] constexpr std::span<const device> devices() {
    return detail::known_devices;
}

/// The device of that name, or null.
[[nodiscard]] constexpr const device* find_device(std::string_view name) {
    for (const device& known : devices()) {
        if (known.name == name) return &known;
    }
    return nullptr;
}

/// Share of a device's memory that tensors may fill unless told otherwise; the rest is
/// left to the contexts of driver and communication library, and to fragmentation.
inline constexpr double usable_memory_share = 0.95;

/// Bytes of a device that tensors may fill: the one limit that decides whether a plan
/// fits.
/// @throws invalid_argument unless the share is above 0 and at most 1
[[nodiscard]] constexpr std::int64_t usable_memory(const device& on,
                                                   double share = usable_memory_share) {
    if (!(share > 0 && share <= 1)) {
        detail::throw_invalid_argument("memory_share is ", share,
                                       ", expected above 0 and at most 1");
    }
    return static_cast<std::int64_t>(static_cast<double>(on.memory_bytes) * share);
}

/// Checks a device that a user described.
/// @throws invalid_argument naming the figure that is not positive, or an efficiency
///   outside (0, 1]
constexpr void check_device(const device& on) {
    const auto positive = [&](std::string_view figure, double value) {
        if (!(value > 0.0)) {
            detail::throw_invalid_argument("device ", on.name, ": ", figure, " is ",
                                           value, ", expected a number > 0");
        }
    };
    positive("memory_bytes", static_cast<double>(on.memory_bytes));
    positive("peak_flops_bf16", on.peak_flops_bf16);
    positive("peak_flops_fp32", on.peak_flops_fp32);
    positive("peak_flops_fp64", on.peak_flops_fp64);
    positive("memory_bandwidth", on.memory_bandwidth);
    positive("link_bytes_per_second", on.link_bytes_per_second);
    positive("network_bytes_per_second", on.network_bytes_per_second);
    positive("host_bytes_per_second", on.host_bytes_per_second);
    positive("per_node", static_cast<double>(on.per_node));
    for (const double latency :
         {on.collective_latency_seconds, on.network_latency_seconds}) {
        if (!(latency >= 0.0)) {
            detail::throw_invalid_argument("device ", on.name, ": latency is ", latency,
                                           " seconds, expected a number >= 0");
        }
    }
    if (on.measured) positive("measured FLOP/s", on.measured->flops_per_second);
    for (const double share : {on.efficiency, on.attention_efficiency}) {
        if (!(share > 0.0 && share <= 1.0)) {
            detail::throw_invalid_argument("device ", on.name, ": efficiency is ", share,
                                           ", expected above 0 and at most 1");
        }
    }
}

}  // namespace packkit
