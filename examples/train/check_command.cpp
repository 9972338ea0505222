// SPDX-License-Identifier: Apache-2.0
#include "check_command.hpp"

#include "checkpoint/checkpoint.hpp"
#include "common/errors.hpp"
#include "common/numbers.hpp"
#include "data/inputs.hpp"
#include "model/mesh.hpp"
#include "model/model.hpp"
#include "model/model_config.hpp"
#include "plan/run_plan.hpp"

#include <packkit/flops.hpp>
#include <packkit/torch/communicator.hpp>

#include <cstdio>
#include <string>

namespace packkit::train {

void check_mesh(const train_config& config, std::int64_t processes) {
    const auto mesh = choose_mesh(config, processes);
    if (mesh.tp > 1) check_cut(read_model_config(config.base_model), mesh);
}

int check(const train_config& config, std::int64_t processes) {
    const auto mesh = choose_mesh(config, processes);
    const auto inputs = read_inputs(config, mesh, true);
    const auto plan = make_run_plan(config, inputs, mesh);
    if (!config.random_init_weights) {
        lt::single_communicator alone("check");
        model probe(inputs.shape, lt::mesh_view::alone(alone), {});
        load_weights(config.base_model, probe);
    }
    for (const auto& warning : config.warnings) {
        std::fprintf(stderr, "warning: %s\n", warning.c_str());
    }
    app::write_stdout(
        "no problem found: " + app::grouped(inputs.samples.report().samples) +
        " samples, " + app::grouped(plan.data->total_steps()) + " steps on " +
        to_string(mesh) + ", row efficiency " + app::fixed(plan.data->efficiency(), 4) +
        ", activation checkpointing " +
        std::string(to_string(config.gradient_checkpointing)) + "\n");
    return app::exit_done;
}

}  // namespace packkit::train
