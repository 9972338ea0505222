// SPDX-License-Identifier: Apache-2.0
// packkit-plan gpus: the devices that have a name.
#include "command.hpp"

#include "common/numbers.hpp"

#include <packkit/estimate/device.hpp>

#include <memory>
#include <string>

namespace packkit::plan {
namespace {

using app::ordered_json;

constexpr const char* description = "The GPUs that have a name, with their rates.";

constexpr const char* footer =
    R"(Peaks are dense, without sparsity. link: bytes a second that one GPU sends to the others
of its node; network: to other nodes. Memory is what the driver
gives to programs. efficiency: share of the peak that matrices reach in training, ~ where it
is a relative's and not fitted to published runs; packkit-plan calibrate measures your own.

Examples:
  packkit-plan gpus
  packkit-plan gpus --format json

Exit status: 0 done, 1 failed, 2 wrong usage or wrong input.)";

std::string rounded(double value) {
    return app::fixed(value, value < 10 ? 2 : value < 100 ? 1 : 0);
}

std::string tera(double flops) {
    return app::fixed(flops / 1e12, flops < 1e13 ? 2 : 1);
}

void run(const output_texts& texts) {
    check_output_paths({{"--output", texts.output}}, {});
    const app::output_format format = parse_format(texts);
    ordered_json rows = ordered_json::array();
    app::table shown({{"name", app::alignment::left},
                      {"memory"},
                      {"bf16 TFLOP/s"},
                      {"fp32"},
                      {"fp64"},
                      {"memory GB/s"},
                      {"link GB/s"},
                      {"network GB/s"},
                      {"a node"},
                      {"efficiency"}});
    for (const device& gpu : devices()) {
        rows.push_back({{"name", gpu.name},
                        {"memory_bytes", gpu.memory_bytes},
                        {"peak_tflops_bf16", gpu.peak_flops_bf16 / 1e12},
                        {"peak_tflops_fp32", gpu.peak_flops_fp32 / 1e12},
                        {"peak_tflops_fp64", gpu.peak_flops_fp64 / 1e12},
                        {"memory_bytes_per_second", gpu.memory_bandwidth},
                        {"link_bytes_per_second", gpu.link_bytes_per_second},
                        {"network_bytes_per_second", gpu.network_bytes_per_second},
                        {"collective_latency_seconds", gpu.collective_latency_seconds},
                        {"network_latency_seconds", gpu.network_latency_seconds},
                        {"host_bytes_per_second", gpu.host_bytes_per_second},
                        {"efficiency", gpu.efficiency},
                        {"attention_efficiency", gpu.attention_efficiency},
                        {"calibrated", gpu.calibrated},
                        {"gpus_per_node", gpu.per_node}});
        shown.add_row({std::string(gpu.name),
                       app::bytes_text(static_cast<std::uint64_t>(gpu.memory_bytes)),
                       tera(gpu.peak_flops_bf16), tera(gpu.peak_flops_fp32),
                       tera(gpu.peak_flops_fp64), rounded(gpu.memory_bandwidth / 1e9),
                       rounded(gpu.link_bytes_per_second / 1e9),
                       rounded(gpu.network_bytes_per_second / 1e9),
                       std::to_string(gpu.per_node),
                       app::percent(gpu.efficiency, 0) + (gpu.calibrated ? "" : " ~")});
    }
    write_outputs(texts, render_rows("gpus", rows, shown, format));
}

}  // namespace

void add_gpus_command(CLI::App& program, action& chosen) {
    const auto texts = std::make_shared<output_texts>();
    CLI::App& command = add_command(program, "gpus", description, footer, chosen,
                                    [texts] { run(*texts); });
    add_output_options(command, *texts);
}

}  // namespace packkit::plan
