// SPDX-License-Identifier: Apache-2.0
#include "cluster_options.hpp"

#include "calibration.hpp"
#include "command.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "common/numbers.hpp"

#include <algorithm>

namespace packkit::plan {
namespace {

using app::parse_option_real;
using app::set_given_real;
using app::usage_error;

/// GPUs above this are mistakes, and their products must fit 64 bits.
constexpr std::int64_t most_gpus = 1 << 20;

device named_device(const std::string& name) {
    if (const device* const known = find_device(name)) return *known;
    const auto names = names_of(devices());
    throw usage_error("--gpu", "unknown GPU " + app::in_quotes(name) +
                                   "; expected one of " + app::name_list(names) +
                                   ", or --gpu-memory-gb, --peak-tflops and "
                                   "--link-gbps" +
                                   app::did_you_mean(name, names));
}

/// What numbers that were not given are taken to be, from those that were.
device custom_device(const device_texts& texts, std::int64_t gpus) {
    if (texts.memory.empty() || texts.peak.empty()) {
        throw usage_error(
            "--gpu is missing: a name of packkit-plan gpus, or --gpu-memory-gb, "
            "--peak-tflops and --link-gbps");
    }
    if (gpus > 1 && texts.link.empty()) {
        throw usage_error(
            "--link-gbps is missing: GB/s that a GPU sends to the others of "
            "its node");
    }
    device custom = named_device("a100-80gb");  // latency and efficiency
    custom.name = "custom";
    const double peak = parse_option_real("--peak-tflops", texts.peak) * 1e12;
    custom.memory_bandwidth = peak / 200;  // FLOPs a byte, as of an A100 or H100
    set_given_real("--link-gbps", texts.link, custom.link_bytes_per_second, 1e9);
    custom.network_bytes_per_second = std::min(50e9, custom.link_bytes_per_second);
    return custom;
}

}  // namespace

void add_device_options(CLI::App& command, device_texts& texts) {
    const option_group hardware(command, "Hardware");
    hardware.text("--gpu", texts.gpu, "NAME", "A GPU of packkit-plan gpus");
    hardware.text("--gpu-memory-gb", texts.memory, "X",
                  "Memory of a GPU, GB of 1e9 bytes");
    hardware.text("--peak-tflops", texts.peak, "X",
                  "Dense peak in the precision of the run, 1e12 FLOP/s");
    hardware.text("--memory-bandwidth-gbps", texts.bandwidth, "X",
                  "Of its own memory, GB/s (default peak / 200 FLOPs a byte)");
    hardware.text("--link-gbps", texts.link, "X",
                  "GB/s (gigabytes) that a GPU sends inside its node");
    hardware.text("--network-gbps", texts.network, "X",
                  "GB/s that a GPU sends to other nodes (default: the link, at most 50)");
    hardware.text("--latency-us", texts.latency, "X", "Of a collective, microseconds");
    hardware.text("--gpus-per-node", texts.per_node, "N", "GPUs that the link joins");
    hardware.text("--efficiency", texts.efficiency, "X",
                  "Share of the peak that matrices reach, above 0 to 1");
    hardware.text("--calibration", texts.calibration, "FILE",
                  "Step times by the constants that packkit-plan calibrate has written");
}

void add_cluster_options(CLI::App& command, cluster_texts& texts) {
    const option_group hardware(command, "Hardware");
    hardware.text("--gpus", texts.gpus, "N", "GPUs in all");
    add_device_options(command, texts);
    hardware.text("--price-per-gpu-hour", texts.price, "X",
                  "Compares plans in money, too");
}

device parse_device(const device_texts& texts, std::int64_t gpus) {
    device gpu = texts.gpu.empty() ? custom_device(texts, gpus) : named_device(texts.gpu);
    if (!texts.memory.empty()) {
        const double bytes = parse_option_real("--gpu-memory-gb", texts.memory) * 1e9;
        if (!(bytes >= 1 && bytes < 1e18)) {
            throw usage_error("--gpu-memory-gb", texts.memory +
                                                     " GB is no GPU's memory; expected "
                                                     "e.g. 80");
        }
        gpu.memory_bytes = static_cast<std::int64_t>(bytes);
    }
    if (!texts.peak.empty()) {
        const double peak = parse_option_real("--peak-tflops", texts.peak) * 1e12;
        gpu.peak_flops_bf16 = gpu.peak_flops_fp32 = gpu.peak_flops_fp64 = peak;
    }
    set_given_real("--memory-bandwidth-gbps", texts.bandwidth, gpu.memory_bandwidth, 1e9);
    set_given_real("--link-gbps", texts.link, gpu.link_bytes_per_second, 1e9);
    set_given_real("--network-gbps", texts.network, gpu.network_bytes_per_second, 1e9);
    if (!texts.per_node.empty()) {
        gpu.per_node =
            app::parse_option_integer("--gpus-per-node", texts.per_node, 1, most_gpus);
    }
    if (!texts.calibration.empty()) apply_calibration(texts.calibration, gpu);
    set_given_real("--latency-us", texts.latency, gpu.collective_latency_seconds, 1e-6);
    set_given_real("--efficiency", texts.efficiency, gpu.efficiency);
    if (gpu.efficiency > 1) {
        throw usage_error("--efficiency",
                          texts.efficiency + " is above 1: a share of the peak");
    }
    return gpu;
}

cluster parse_cluster(const cluster_texts& texts) {
    cluster result;
    if (texts.gpus.empty()) throw usage_error("--gpus is missing: how many there are");
    result.gpus = app::parse_option_integer("--gpus", texts.gpus, 1, most_gpus);
    result.gpu = parse_device(texts, result.gpus);
    result.gpus_per_node = result.gpu.per_node;
    result.calibration = texts.calibration;
    if (!texts.price.empty()) {
        result.price_per_gpu_hour =
            parse_option_real("--price-per-gpu-hour", texts.price, true);
    }
    return result;
}

}  // namespace packkit::plan
