// SPDX-License-Identifier: Apache-2.0
#include "plan/run_plan.hpp"

#include <cmath>
#include <cstdint>

namespace packkit::train {
namespace {

learning_rate_schedule schedule_of(const train_config& config, std::int64_t total_steps) {
    const auto warmup =
        config.warmup_ratio
            ? static_cast<std::int64_t>(
                  std::ceil(*config.warmup_ratio * static_cast<double>(total_steps)))
            : config.warmup_steps;
    return {config.learning_rate, warmup, total_steps, config.lr_scheduler};
}

}  // namespace

run_plan make_run_plan(const train_config& config, const run_inputs& inputs,
                       const mesh_shape& mesh) {
    const model_layout layout(inputs.shape);
    const auto setup = setup_of(config, mesh);
    const auto data = std::make_shared<const data_plan>(
        inputs.samples, config, mesh, in_small_units(training_flops(inputs.shape)));
    return {config,
            inputs,
            layout,
            setup,
            data,
            token_flops_of(layout, flop_convention::A),
            schedule_of(config, data->total_steps()),
            identity_of(config, inputs, *data, mesh),
            predict(config, layout, setup, *data)};
}

}  // namespace packkit::train
