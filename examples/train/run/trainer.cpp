// SPDX-License-Identifier: Apache-2.0
#include "run/trainer.hpp"

#include "batch/prefetch.hpp"
#include "checkpoint/checkpoint.hpp"
#include "common/errors.hpp"
#include "common/numbers.hpp"
#include "model/model.hpp"
#include "model/options.hpp"
#include "plan/inputs.hpp"
#include "plan/mesh.hpp"
#include "plan/run_plan.hpp"
#include "plan/step_events.hpp"
#include "record/measured_memory.hpp"
#include "record/metrics.hpp"
#include "record/report.hpp"
#include "record/run_log.hpp"
#include "record/slowest_rank.hpp"
#include "run/announce.hpp"
#include "run/device.hpp"
#include "run/interruption.hpp"
#include "run/job_rank.hpp"
#include "run/loss_watchdog.hpp"
#include "run/memory_check.hpp"
#include "run/rank_environment.hpp"
#include "run/rank_step.hpp"
#include "run/step_checks.hpp"
#include "step/phase_timer.hpp"
#include "step/train_step.hpp"

#include <packkit/torch/communication/reproducible_sum.hpp>
#include <packkit/torch/memory/malloc_tuning.hpp>
#include <packkit/torch/ops/reproducible_products.hpp>

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace packkit::train {
namespace {

/// Steps whose rows are made ahead.
constexpr std::size_t steps_ahead = 2;

/// Operations of the model for that work, forward and backward.
double flops_of(const run_plan& plan, const batch_work& work) {
    return plan.flops.of_documents(static_cast<double>(work.real_tokens),
                                   static_cast<double>(work.squared_lengths));
}

/// Operations a second that all ranks together reach at most; collective.
double peak_flops_of_all(const model& network, const lt::mesh_view& groups) {
    const auto& options = network.options();
    const auto sum =
        lt::upload(std::vector<double>{peak_flops(options.device, options.compute_dtype)},
                   options.device);
    groups.world->all_reduce(sum).wait();
    return sum.item<double>();
}

/// The steps of one rank, with what its set-up has made for them.
struct training_loop {
    const run_plan& plan;
    const job_rank& rank;
    const lt::mesh_groups& groups;
    model& network;
    lt::optimizer& optimizer;
    double peak_flops;  ///< of all ranks
    run_log& log;
    rank_slot* slot;
    run_start& start;

    run_summary summary{};
    double busy_seconds = 0;  ///< of the last step, without waiting for other ranks
    loss_watchdog watchdog{plan.config, plan.data->total_steps()};

    /// Runs all steps that are left. Returns the exit status.
    int run();

private:
    step_result one_step(std::int64_t step, const rank_step& work, phase_timer& timer);
    step_metrics measure(std::int64_t step, const rank_step& work,
                         const step_result& result, phase_timer& timer) const;
    /// Takes note of whether gradients overflowed in fp16.
    void follow_scaling(std::int64_t step, const step_result& result);
    /// Updates of the parameters before a step: those without an update leave the
    /// schedule where it is.
    [[nodiscard]] std::int64_t updates_before(std::int64_t step) const {
        return step - (start.scaling ? start.scaling->skipped_steps : 0);
    }
    /// Learning rates of the rate groups 1, 2, …
    [[nodiscard]] std::vector<double> group_rates(std::int64_t step) const;
    void save(std::int64_t steps_done);
    void summarize() const;
};

int training_loop::run() {
    const train_config& config = plan.config;
    const std::int64_t total = plan.data->total_steps();
    if (start.step >= total) {
        log.say("nothing to do: " + std::to_string(start.step) + " of " +
                std::to_string(total) + " steps are done");
        return app::exit_done;
    }
    log.begin_of_steps(total, logging_interval(config, total));
    const auto saves = save_schedule_of(config, total, plan.data->steps_per_epoch());
    watch_for_interruption();
    const auto data_rank = data_rank_of(plan.mesh(), rank.environment().rank);
    prefetcher<rank_step> steps(
        [this, data_rank](std::int64_t step) {
            return prepare_step(plan, step, data_rank);
        },
        start.step, total, steps_ahead);
    phase_timer timer(network.options().device);
    int stop_signal = 0;
    bool loss_is_too_high = false;
    std::int64_t step = start.step;
    for (; step < total && stop_signal == 0 && !loss_is_too_high; ++step) {
        if (slot != nullptr) slot->step.store(step + 1);
        timer.enter(step_phase::data);
        try {
            const auto result = one_step(step, steps.next(), timer);
            stop_signal = result.stop_signal();
            loss_is_too_high = watchdog.stops_after(step + 1, result.loss);
        } catch (const std::exception& fault) {
            if (const auto text = out_of_memory_text(fault, plan.predicted))
                throw std::runtime_error("step " + std::to_string(step + 1) + ": " +
                                         *text);
            throw;
        }
        if (config.replica_check_steps > 0 &&
            (step + 1) % config.replica_check_steps == 0)
            check_replicas(step, network, groups);
        if (saves.is_due(step + 1) || stop_signal != 0 || loss_is_too_high)
            save(step + 1);
    }
    log.end_of_steps();
    if (loss_is_too_high)
        log.warn(
            "Loss is too high, stopping training (loss_watchdog_threshold) after "
            "step " +
            std::to_string(step) + "; saved " + start.checkpoint);
    if (step < total && stop_signal != 0) {
        log.say("interrupted by signal " + std::to_string(stop_signal) + " after step " +
                std::to_string(step) + "; saved " + start.checkpoint +
                (config.save_only_model ? ", the model alone (save_only_model)"
                                        : "; go on with --resume"));
        return 128 + stop_signal;
    }
    if (rank.is_first()) summarize();
    return app::exit_done;
}

step_result training_loop::one_step(std::int64_t step, const rank_step& work,
                                    phase_timer& timer) {
    groups.reset_traffic();
    reset_peak_allocated(network.options().device);
    const auto rates = group_rates(step);
    const auto result =
        train_step(network, optimizer, groups, work.micro_batches,
                   {.step = updates_before(step),
                    .targets = work.all.valid_targets,
                    .learning_rate = plan.schedule(updates_before(step)),
                    .max_grad_norm = plan.config.max_grad_norm,
                    .busy_seconds = busy_seconds,
                    .stop_signal = interruption,
                    .group_rates = rates,
                    .loss_scale = start.scaling ? start.scaling->scale : 1.0},
                   &timer);
    if (!start.scaling || !result.overflowed() ||
        start.scaling->scale <= loss_scaling::least)
        check_finite(plan, step, result, network, groups);
    const auto metrics = measure(step, work, result, timer);
    if (start.scaling) follow_scaling(step, result);
    busy_seconds = metrics.seconds.step - metrics.seconds.communication;
    summary.add(metrics);
    if (start.metrics) start.metrics->append(metrics);
    log.step(metrics, rank.environment().world_size);
    return result;
}

void training_loop::follow_scaling(std::int64_t step, const step_result& result) {
    const double before = start.scaling->scale;
    start.scaling->update(result.overflowed());
    const double now = start.scaling->scale;
    if (now == before) return;
    log.say(
        "step " + std::to_string(step + 1) +
        (result.overflowed() ? ": gradients overflowed, no update was made; " : ": ") +
        "loss scale " + app::shortest(before) + " -> " + app::shortest(now));
}

std::vector<double> training_loop::group_rates(std::int64_t step) const {
    std::vector<double> rates = plan.rules.group_rates;
    for (double& rate : rates)
        rate *= plan.schedule.factor(updates_before(step));
    return rates;
}

step_metrics training_loop::measure(std::int64_t step, const rank_step& work,
                                    const step_result& result, phase_timer& timer) const {
    step_metrics metrics;
    metrics.step = step + 1;
    metrics.epoch =
        static_cast<double>(step + 1) / static_cast<double>(plan.data->steps_per_epoch());
    metrics.loss = result.loss;
    metrics.grad_norm = result.grad_norm;
    metrics.learning_rate = plan.schedule(updates_before(step));
    metrics.tokens = work.all.valid_targets;
    set_slowest_rank(metrics, result.reports);
    const auto seconds = timer.stop();
    const auto sent = groups.sent();
    metrics.seconds = {.data = seconds[0],
                       .forward = seconds[1],
                       .backward = seconds[2],
                       .optimizer = seconds[3],
                       .communication = sent.waited.count(),
                       .step = seconds[0] + seconds[1] + seconds[2] + seconds[3]};
    metrics.sent = {
        sent[lt::collective::all_reduce],     sent[lt::collective::all_gather],
        sent[lt::collective::reduce_scatter], sent[lt::collective::all_to_all],
        sent[lt::collective::send_recv],      sent.collectives};
    metrics.tokens_per_second =
        static_cast<double>(metrics.tokens) / metrics.seconds.step;
    metrics.mfu = flops_of(plan, work.all) / (metrics.seconds.step * peak_flops);
    // Ranks that share rows share the work evenly, to the split's two percent.
    metrics.flops =
        flops_of(plan, work.mine) / static_cast<double>(plan.mesh().cp * plan.mesh().tp);
    metrics.memory_bytes = peak_memory_bytes();
    set_peak_allocated(metrics, network.options().device);
    return metrics;
}

void training_loop::save(std::int64_t steps_done) {
    const train_config& config = plan.config;
    const bool is_last = steps_done == plan.data->total_steps();
    start.checkpoint = save_checkpoint(
        {config.output_dir,
         is_last ? config.final_state_dict_type : config.state_dict_type,
         config.save_total_limit, config.save_only_model, &plan.inputs.companions},
        steps_done, network, optimizer, plan.inputs.model_config, plan.identity,
        *groups.world, start.scaling);
    log.saved(start.checkpoint);
}

void training_loop::summarize() const {
    app::write_stdout(summary.text(plan.data->efficiency(), network.parameter_bytes(),
                                   start.checkpoint));
    auto expected = plan.predicted;
    expected.communication = plan.communication_in_step(summary.last().step - 1);
    app::write_stdout("\n" +
                      comparison_text(expected, summary.last(), summary.largest()));
}

}  // namespace

int train(const train_config& asked, const run_options& options, rank_slot* slot) {
    lt::make_products_reproducible();
    lt::reuse_memory();
    lt::count_memory();
    const auto environment = read_rank_environment();
    choose_threads(environment);
    run_log log(environment.rank == 0);
    const auto mesh = choose_mesh(asked, environment.world_size);

    // Collective from here on: every rank takes the same steps in the same order.
    const job_rank rank(asked, environment);
    const auto device =
        rank.on_all_ranks("device", [&] { return choose_device(asked, environment); });
    const auto config =
        rank.on_all_ranks("precision", [&] { return with_precision_of(asked, device); });
    const auto inputs = rank.on_all_ranks(
        "inputs", [&] { return read_inputs(config, mesh, rank.is_first()); });
    const auto groups = meet(config, rank, mesh, inputs, device);

    const auto plan = make_run_plan(config, inputs, mesh);
    auto model_settings = model_options_of(config, device);
    model_settings.rules = plan.rules.of_units;
    model network(inputs.shape, groups, std::move(model_settings));
    const auto optimizer = make_optimizer(config, network);
    const double peak_flops = peak_flops_of_all(network, groups);
    if (slot == nullptr) {  // otherwise the launcher has said it
        std::fprintf(stderr, "rank %lld pid %d\n",
                     static_cast<long long>(environment.rank),
                     static_cast<int>(getpid()));
    }
    announce(plan, rank, network, *optimizer, log);
    auto start = start_or_resume(plan, options, rank, log, network, *optimizer);
    return training_loop{plan,       rank, groups, network, *optimizer,
                         peak_flops, log,  slot,   start}
        .run();
}

}  // namespace packkit::train
