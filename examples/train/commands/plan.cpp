// SPDX-License-Identifier: Apache-2.0
#include "commands/plan.hpp"

#include "common/command_line.hpp"
#include "common/errors.hpp"
#include "common/table.hpp"
#include "model/options.hpp"
#include "plan/inputs.hpp"
#include "plan/mesh.hpp"
#include "plan/run_plan.hpp"
#include "record/measured_memory.hpp"
#include "record/report.hpp"
#include "run/device.hpp"

#include <packkit/estimate/device.hpp>
#include <packkit/estimate/flops.hpp>
#include <packkit/estimate/profile/packkit_train.hpp>
#include <packkit/planner/evaluate.hpp>

#ifdef PACKKIT_CUDA
#include <ATen/cuda/CUDAContext.h>
#endif

namespace packkit::train {
namespace {

/// One rank's share of this machine: its memory, and the peak that is measured now.
device this_machine(const train_config& config, const launch_request& request,
                    at::Device on) {
    device machine = *find_device("cpu");
    machine.name = "this machine";
    machine.memory_bytes = machine_memory_bytes() / request.ranks_here;
#ifdef PACKKIT_CUDA
    if (on.is_cuda()) {
        machine = *find_device("h100-80gb");
        machine.name = "this GPU";
        machine.memory_bytes = static_cast<std::int64_t>(
            at::cuda::getCurrentDeviceProperties()->totalGlobalMem);
    }
#endif
    const double peak = peak_flops(on, model_options_of(config, on).compute_dtype);
    machine.peak_flops_bf16 = machine.peak_flops_fp32 = machine.peak_flops_fp64 = peak;
    return machine;
}

}  // namespace

int plan_run(const train_config& asked, const launch_request& request,
             app::output_format format) {
    if (format != app::output_format::table && format != app::output_format::json)
        throw app::usage_error("--format", "plan prints table or json");
    rank_environment environment;
    environment.world_size = request.world_size;
    environment.local_world_size = request.ranks_here;
    const auto on = choose_device(asked, environment);
    choose_threads(environment);
    const auto config = with_precision_of(asked, on);
    const auto mesh = choose_mesh(config, request.world_size);
    const auto inputs = read_inputs(config, mesh, true);
    const auto plan = make_run_plan(config, inputs, mesh);
    const auto machine = this_machine(config, request, on);

    const auto& predicted = plan.predicted;
    plan_evaluator evaluate(plan.layout, machine, predicted.rows,
                            {.profile = packkit_train_activations});
    plan_estimate figures{evaluate.with_memory(plan.setup, predicted.memory), {}, 0};
    figures.warnings = plan_warnings(figures, plan.layout, machine, predicted.rows);
    app::write_stdout(plan_report(plan, figures, format));
    return app::exit_done;
}

}  // namespace packkit::train
