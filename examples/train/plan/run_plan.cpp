// SPDX-License-Identifier: Apache-2.0
#include "plan/run_plan.hpp"

#include <algorithm>
#include <cstdint>

namespace packkit::train {
namespace {

/// Steps of warmup as Axolotl counts them: rounded down, and two where that makes one,
/// since the first step's rate is zero. A number that the user gives stays.
std::int64_t warmup_steps_of(const train_config& config, std::int64_t total_steps) {
    if (config.warmup_steps) return *config.warmup_steps;
    constexpr double usual = 0.03;
    constexpr std::int64_t most = 100;
    auto steps = static_cast<std::int64_t>(config.warmup_ratio.value_or(usual) *
                                           static_cast<double>(total_steps));
    if (!config.warmup_ratio) steps = std::min(steps, most);
    return steps == 1 ? 2 : steps;
}

schedule_arguments schedule_arguments_of(const train_config& config) {
    const auto& given = config.lr_scheduler_kwargs;
    schedule_arguments arguments;
    arguments.num_cycles = given.num_cycles;
    arguments.warmup_lr_rate = given.warmup_lr_rate;
    arguments.power = given.power.value_or(arguments.power);
    arguments.lr_end = given.lr_end.value_or(arguments.lr_end);
    arguments.timescale = given.timescale;
    arguments.num_decay_steps = given.num_decay_steps.value_or(0);
    arguments.num_stable_steps = given.num_stable_steps;
    arguments.warmup_type = given.warmup_type.value_or(arguments.warmup_type);
    arguments.decay_type = given.decay_type.value_or(arguments.decay_type);
    const double of_axolotl = config.cosine_min_lr_ratio.value_or(0.0);
    switch (config.lr_scheduler) {
        case decay_shape::cosine:
            arguments.quadratic_warmup = config.lr_quadratic_warmup;
            if (config.lr_quadratic_warmup || of_axolotl == 0) break;
            arguments.min_lr_ratio = of_axolotl;
            if (config.cosine_constant_lr_ratio.value_or(0.0) > 0)
                arguments.constant_lr_ratio = config.cosine_constant_lr_ratio;
            break;
        case decay_shape::rex:
            arguments.min_lr_ratio = of_axolotl;
            break;
        case decay_shape::warmup_stable_decay:
            arguments.min_lr_ratio = given.min_lr_ratio.value_or(0.0);
            break;
        default:
            arguments.min_lr_ratio = given.min_lr ? *given.min_lr / config.learning_rate
                                                  : given.min_lr_rate.value_or(0.0);
    }
    return arguments;
}

}  // namespace

learning_rate_schedule schedule_of(const train_config& config, std::int64_t total_steps) {
    return {config.learning_rate, warmup_steps_of(config, total_steps), total_steps,
            config.lr_scheduler, schedule_arguments_of(config)};
}

run_plan make_run_plan(const train_config& config, const run_inputs& inputs,
                       const mesh_shape& mesh) {
    auto rules = parameter_rules_of(config, inputs.shape);
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
            std::move(rules),
            schedule_of(config, data->total_steps()),
            identity_of(config, inputs, *data, mesh),
            predict(config, layout, setup, *data)};
}

}  // namespace packkit::train
