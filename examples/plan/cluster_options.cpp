// SPDX-License-Identifier: Apache-2.0
#include "cluster_options.hpp"

#include "calibration.hpp"
#include "command.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "common/numbers.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

namespace packkit::plan {
namespace {

using app::parse_option_real;
using app::usage_error;

/// GPUs above this are mistakes, and their products must fit 64 bits.
constexpr std::int64_t most_gpus = 1 << 20;

std::vector<std::string_view> device_names() {
    std::vector<std::string_view> names;
    for (const device& one : devices())
        names.push_back(one.name);
    return names;
}

device named_device(const std::string& name) {
    if (const device* const known = find_device(name)) return *known;
    const auto names = device_names();
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
    if (!texts.link.empty()) {
        custom.link_bytes_per_second = parse_option_real("--link-gbps", texts.link) * 1e9;
    }
    custom.network_bytes_per_second = std::min(50e9, custom.link_bytes_per_second);
    return custom;
}

}  // namespace

void add_device_options(CLI::App& command, device_texts& texts) {
    const auto option = [&](const char* names, std::string& text, const char* type,
                            const char* what) {
        add_text_option(command, "Hardware", names, text, type, what);
    };
    option("--gpu", texts.gpu, "NAME", "A GPU of packkit-plan gpus");
    option("--gpu-memory-gb", texts.memory, "X", "Memory of a GPU, GB of 1e9 bytes");
    option("--peak-tflops", texts.peak, "X",
           "Dense peak in the precision of the run, 1e12 FLOP/s");
    option("--memory-bandwidth-gbps", texts.bandwidth, "X",
           "Of its own memory, GB/s (default peak / 200 FLOPs a byte)");
    option("--link-gbps", texts.link, "X",
           "GB/s (gigabytes) that a GPU sends inside its node");
    option("--network-gbps", texts.network, "X",
           "GB/s that a GPU sends to other nodes (default: the link, at most 50)");
    option("--latency-us", texts.latency, "X", "Of a collective, microseconds");
    option("--gpus-per-node", texts.per_node, "N", "GPUs that the link joins");
    option("--efficiency", texts.efficiency, "X",
           "Share of the peak that matrices reach, above 0 to 1");
    option("--calibration", texts.calibration, "FILE",
           "Step times by the constants that packkit-plan calibrate has written");
}

void add_cluster_options(CLI::App& command, cluster_texts& texts) {
    add_text_option(command, "Hardware", "--gpus", texts.gpus, "N", "GPUs in all");
    add_device_options(command, texts);
    add_text_option(command, "Hardware", "--price-per-gpu-hour", texts.price, "X",
                    "Compares plans in money, too");
}

device parse_device(const device_texts& texts, std::int64_t gpus) {
    device gpu = texts.gpu.empty() ? custom_device(texts, gpus) : named_device(texts.gpu);
    const auto set = [](const char* option, const std::string& text, double unit,
                        double& value) {
        if (!text.empty()) value = parse_option_real(option, text) * unit;
    };
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
    set("--memory-bandwidth-gbps", texts.bandwidth, 1e9, gpu.memory_bandwidth);
    set("--link-gbps", texts.link, 1e9, gpu.link_bytes_per_second);
    set("--network-gbps", texts.network, 1e9, gpu.network_bytes_per_second);
    if (!texts.per_node.empty()) {
        gpu.per_node =
            app::parse_option_integer("--gpus-per-node", texts.per_node, 1, most_gpus);
    }
    if (!texts.calibration.empty()) apply_calibration(texts.calibration, gpu);
    set("--latency-us", texts.latency, 1e-6, gpu.collective_latency_seconds);
    set("--efficiency", texts.efficiency, 1, gpu.efficiency);
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
