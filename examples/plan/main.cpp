// SPDX-License-Identifier: Apache-2.0
/// @file
/// packkit-plan: which mesh, will it fit, how fast, how long.

#include "command.hpp"

#include "common/errors.hpp"

#include <packkit/version.hpp>

#include <CLI/CLI.hpp>

namespace packkit::plan {
namespace {

constexpr const char* description =
    "Plans the training of a language model before it starts: which mesh of GPUs, does\n"
    "it fit, how fast, how long, at what cost. With a length histogram packing is part\n"
    "of the plan.";

constexpr const char* footer =
    R"(packkit-plan COMMAND --help has the options of a command.

Examples:
  packkit-plan models
  packkit-plan gpus
  packkit-plan estimate llama-3-8b --gpus 8 --gpu h100-80gb --sequence-len 8192
  packkit-plan search llama-3-70b --gpus 64 --gpu h100-80gb --sequence-len 8192 --top 5
  packkit-plan mfu llama-3-8b --gpu a100-80gb --sequence-len 8192 \
    --tokens-per-second-per-gpu 2904
  packkit-plan steps --samples 10000000 --global-batch-size 192 --seconds-per-step 0.5-0.8
  packkit-plan calibrate out/metrics.jsonl

Exit status: 0 done, 1 failed, 2 wrong usage or wrong input.)";

int run_program(int argc, char** argv) {
    CLI::App program(description, "packkit-plan");
    program.footer(footer);
    program.set_version_flag("--version", "packkit-plan " PACKKIT_VERSION);
    action chosen;
    add_estimate_command(program, chosen);
    add_search_command(program, chosen);
    add_mfu_command(program, chosen);
    add_steps_command(program, chosen);
    add_models_command(program, chosen);
    add_gpus_command(program, chosen);
    add_calibrate_command(program, chosen);
    if (app::parse_command_line(program, argc, argv)) return app::exit_done;
    if (!chosen) {
        throw app::usage_error(
            "no command: estimate, search, mfu, steps, models, gpus or calibrate; see "
            "--help");
    }
    chosen();
    return app::exit_done;
}

}  // namespace
}  // namespace packkit::plan

int main(int argc, char** argv) {
    return packkit::app::run_main("packkit-plan", argc, argv, packkit::plan::run_program);
}
