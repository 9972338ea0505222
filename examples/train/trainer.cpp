// SPDX-License-Identifier: Apache-2.0
#include "trainer.hpp"

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/identity.hpp"
#include "checkpoint/output_folder.hpp"
#include "common/errors.hpp"
#include "common/numbers.hpp"
#include "data/data_plan.hpp"
#include "data/inputs.hpp"
#include "interruption.hpp"
#include "metrics.hpp"
#include "model/device.hpp"
#include "model/mesh.hpp"
#include "model/model.hpp"
#include "model/options.hpp"
#include "phase_timer.hpp"
#include "prediction/measured_memory.hpp"
#include "prediction/memory_check.hpp"
#include "prediction/prediction.hpp"
#include "prediction/report.hpp"
#include "prefetch.hpp"
#include "ranks/environment.hpp"
#include "ranks/meeting.hpp"
#include "ranks/report.hpp"
#include "run_log.hpp"

#include <packkit/flops.hpp>
#include <packkit/learning_rate.hpp>
#include <packkit/torch/canonical_sum.hpp>
#include <packkit/torch/gradient_norm.hpp>
#include <packkit/torch/memory_reuse.hpp>
#include <packkit/torch/replica_check.hpp>

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>

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

/// Floating-point operations of this work, with Σ l² for packed documents.
double flops_of(const token_flops& law, const step_plan& work) {
    return static_cast<double>(law.linear) * static_cast<double>(work.real_tokens) +
           static_cast<double>(law.attention) * static_cast<double>(work.squared_lengths);
}

/// A rank's part of a step, made ahead of it.
struct rank_step {
    step_plan all;   ///< work of all ranks
    step_plan mine;  ///< work of this one
    std::vector<packed_row> micro_batches;
};

/// Steps whose rows are made ahead.
constexpr std::size_t steps_ahead = 2;

class run {
public:
    run(const train_config& config, const run_options& options, rank_slot* slot)
        : config_(config),
          slot_(slot),
          environment_(read_rank_environment()),
          log_(first_rank()),
          mesh_(choose_mesh(config, environment_.world_size)),
          store_(open_store(config, environment_)),
          device_(all_or_none(store_.get(), environment_, "device", timeout_of(config),
                              [&] { return choose_device(config, environment_); })),
          inputs_(all_or_none(store_.get(), environment_, "inputs", timeout_of(config),
                              [&] { return read_inputs(config, mesh_, first_rank()); })),
          groups_(meet(config, environment_, mesh_, inputs_, device_, store_)),
          parameters_(parameter_count(inputs_.shape)),
          flops_(token_flops_of(model_layout(inputs_.shape), flop_convention::A)),
          plan_(inputs_.samples, config, mesh_),
          identity_(identity_of(config, inputs_.shape, plan_, inputs_.samples, mesh_)),
          model_(inputs_.shape,
                 {groups_.shard.get(), groups_.replicate.get(), groups_.cp.get(),
                  groups_.tp.get()},
                 model_options_of(config, device_)),
          optimizer_(model_.units(), {config.adam_beta1, config.adam_beta2,
                                      config.adam_epsilon, config.weight_decay}),
          schedule_(schedule_of(config, plan_.total_steps())),
          peak_flops_(peak_flops_of_all()),
          prediction_(predict(config, inputs_.shape, mesh_, plan_)) {
        announce();
        start_or_resume(options);
    }

    int execute();

private:
    [[nodiscard]] bool first_rank() const { return environment_.rank == 0; }
    /// Data-parallel rank: which rows this rank takes.
    [[nodiscard]] std::int64_t data_rank() const {
        return data_rank_of(mesh_, environment_.rank);
    }

    /// work() on every rank; fails on all when it fails on one.
    template <class Work>
    void together(const std::string& name, Work work) {
        all_or_none(store_.get(), environment_, name, timeout_of(config_), work);
    }

    void announce() const;
    void start_or_resume(const run_options& options);
    std::optional<resume_point> choose_resume_point(const run_options& options);

    /// This rank's rows of a step. Of data_plan, only the thread that runs this uses what
    /// changes.
    [[nodiscard]] rank_step prepare(std::int64_t step) const;
    step_metrics one_step(std::int64_t step, const rank_step& work, phase_timer& timer,
                          int& stop_signal);
    /// Forward and backward of all micro-batches. Returns this rank's Σ loss, a float64
    /// scalar on the device.
    at::Tensor accumulate_gradients(const rank_step& work, phase_timer& timer);
    /// Every rank's rank_report: (ranks, 3), float64, on the device.
    at::Tensor exchange(const at::Tensor& loss_sum);
    /// Σ loss of the step over all ranks.
    [[nodiscard]] double loss_of_all(const std::vector<rank_report>& reports) const;
    /// Operations a second of all ranks together.
    double peak_flops_of_all();
    void refuse_non_finite(std::int64_t step, const std::vector<rank_report>& reports,
                           double norm);
    /// Throws when ranks that repeat parameters hold different ones.
    void check_replicas(std::int64_t step);
    void record(const step_metrics& metrics);
    void save(std::int64_t steps_done);
    void summarize() const;

    const train_config& config_;
    rank_slot* slot_;
    rank_environment environment_;
    run_log log_;
    mesh_shape mesh_;
    c10::intrusive_ptr<c10d::Store> store_;
    at::Device device_;
    run_inputs inputs_;
    lt::mesh_groups groups_;
    std::int64_t parameters_;  // of the whole model
    token_flops flops_;
    data_plan plan_;
    run_identity identity_;
    model model_;
    lt::adamw optimizer_;
    learning_rate_schedule schedule_;
    double peak_flops_;  // of all ranks
    prediction prediction_;

    std::optional<output_folder> folder_;
    std::optional<metrics_file> metrics_;
    std::int64_t first_step_ = 0;
    std::string saved_;  // newest checkpoint
    run_summary summary_;
    double busy_seconds_ = 0;  // of the last step, waiting for others aside
};

void run::announce() const {
    if (slot_ == nullptr) {  // otherwise the launcher has said it
        std::fprintf(stderr, "rank %lld pid %d\n",
                     static_cast<long long>(environment_.rank),
                     static_cast<int>(getpid()));
    }
    for (const auto& warning : config_.warnings)
        log_.warn(warning);
    if (config_.offload_params && device_.is_cpu())
        log_.warn(
            "fsdp_config.offload_params has no effect without a GPU: parameters are in "
            "host memory anyway");
    log_.data(inputs_.samples);
    log_.mesh(mesh_);
    log_.packing(config_, plan_);
    log_.say(std::string(mesh_.effective_shard_size() > 1 ? "FSDP" : "DDP") + ": " +
             app::grouped(model_.parameter_bytes()) + " bytes of parameters per rank, " +
             app::grouped(parameters_) + " parameters in all");
    log_.say("activation checkpointing: " +
             std::string(to_string(config_.gradient_checkpointing)));
    log_.say(to_log_line(prediction_));
    if (device_.is_cpu()) {
        if (const auto warning =
                memory_warning(prediction_, environment_.local_world_size))
            log_.warn(*warning);
    }
}

std::optional<resume_point> run::choose_resume_point(const run_options& options) {
    // Rank 0 looks and the others follow, so that all start from the same step.
    std::string folder;
    together("newest checkpoint", [&] {
        if (!first_rank()) return;
        if (!config_.resume_from_checkpoint.empty()) {
            folder = config_.resume_from_checkpoint;
        } else if (options.resume || config_.auto_resume_from_checkpoints) {
            std::vector<std::string> warnings;
            const auto found = find_newest_checkpoint(config_.output_dir, warnings);
            for (const auto& warning : warnings)
                log_.warn(warning + "; this checkpoint is passed over");
            if (found) {
                folder = found->folder;
            } else if (!warnings.empty()) {
                throw app::input_error(config_.output_dir,
                                       "none of its " + std::to_string(warnings.size()) +
                                           " checkpoints is whole (" + warnings.front() +
                                           "); give --overwrite to start anew without "
                                           "them");
            }
        }
    });
    if (environment_.world_size > 1) {
        folder = lt::exchange_values(*store_, "resume", environment_.rank,
                                     environment_.world_size, folder, timeout_of(config_))
                     .front();
    }
    if (folder.empty()) return std::nullopt;
    // Each rank looks through a part of the files.
    resume_point found;
    together("look through " + folder, [&] {
        found = open_checkpoint(folder, {environment_.rank, environment_.world_size});
    });
    return found;
}

void run::start_or_resume(const run_options& options) {
    const bool resumes = options.resume || config_.auto_resume_from_checkpoints ||
                         !config_.resume_from_checkpoint.empty();
    together("output folder", [&] {
        if (first_rank()) folder_.emplace(config_.output_dir, resumes, options.overwrite);
    });
    const auto from = choose_resume_point(options);
    together("start", [&] {
        if (from) {
            check_identity(*from, identity_);
            load_checkpoint(*from, model_, optimizer_);
            first_step_ = from->step;
            saved_ = from->folder;
            log_.say("resumed from " + from->folder + " after step " +
                     std::to_string(from->step));
        } else if (config_.random_init_weights) {
            model_.initialize(config_.seed);
        } else {
            load_weights(config_.base_model, model_);
        }
        if (first_rank())
            metrics_.emplace(config_.output_dir + "/metrics.jsonl", first_step_);
    });
}

int run::execute() {
    const std::int64_t total = plan_.total_steps();
    if (first_step_ >= total) {
        log_.say("nothing to do: " + std::to_string(first_step_) + " of " +
                 std::to_string(total) + " steps are done");
        return app::exit_done;
    }
    log_.begin_of_steps(total, config_.logging_steps);
    watch_for_interruption();
    prefetcher<rank_step> steps([this](std::int64_t step) { return prepare(step); },
                                first_step_, total, steps_ahead);
    phase_timer timer(device_);
    int stop_signal = 0;
    std::int64_t step = first_step_;
    for (; step < total && stop_signal == 0; ++step) {
        if (slot_ != nullptr) slot_->step.store(step + 1);
        timer.enter(step_phase::data);
        try {
            record(one_step(step, steps.next(), timer, stop_signal));
        } catch (const std::exception& fault) {
            if (const auto text = out_of_memory_text(fault, prediction_))
                throw std::runtime_error("step " + std::to_string(step + 1) + ": " +
                                         *text);
            throw;
        }
        if (config_.replica_check_steps > 0 &&
            (step + 1) % config_.replica_check_steps == 0)
            check_replicas(step);
        const bool due = config_.save_steps > 0 && (step + 1) % config_.save_steps == 0;
        if (due || step + 1 == total || stop_signal != 0) save(step + 1);
    }
    log_.end_of_steps();
    if (step < total) {
        log_.say("interrupted by signal " + std::to_string(stop_signal) + " after step " +
                 std::to_string(step) + "; saved " + saved_ + "; go on with --resume");
        return 128 + stop_signal;
    }
    if (first_rank()) summarize();
    return app::exit_done;
}

rank_step run::prepare(std::int64_t step) const {
    rank_step work{plan_.step(step), plan_.step_of_rank(step, data_rank()), {}};
    const auto micro_steps = plan_.micro_steps();
    for (std::int64_t micro = 0; micro < micro_steps; ++micro) {
        // Canonical sums take them in the order of their tree.
        const auto number =
            config_.canonical_reduction ? lt::bit_reversed(micro, micro_steps) : micro;
        work.micro_batches.push_back(plan_.micro_batch(step, number, data_rank()));
    }
    return work;
}

// Nothing here waits for a GPU before the read of the reports at the end: whether the
// update may be made is decided on the device.
step_metrics run::one_step(std::int64_t step, const rank_step& work, phase_timer& timer,
                           int& stop_signal) {
    groups_.reset_traffic();
    reset_peak_allocated(device_);
    const auto loss_sum = accumulate_gradients(work, timer);

    timer.enter(step_phase::optimizer);
    model_.sum_partial_gradients();
    const auto norm =
        config_.canonical_reduction
            ? lt::canonical_gradient_norm(model_.units(), *groups_.shard)
            : lt::gradient_norm(model_.units(), *groups_.shard, groups_.tp.get());
    const auto reports = exchange(loss_sum);
    const auto finite = at::isfinite(reports).all().logical_and(at::isfinite(norm));
    if (config_.max_grad_norm > 0)
        lt::clip_gradients(model_.units(), norm, config_.max_grad_norm);
    const double rate = schedule_(step);
    optimizer_.update(rate, step, finite.logical_not().to(at::kFloat));

    // The one read of a step.
    const auto read = at::cat({norm.view({1}), reports.view({-1})}).cpu();
    const auto* values = read.const_data_ptr<double>();
    std::vector<rank_report> of_ranks;
    for (const auto* row = values + 1; row < values + read.numel(); row += 3)
        of_ranks.push_back({row[0], row[1], row[2]});
    refuse_non_finite(step, of_ranks, values[0]);

    step_metrics metrics;
    metrics.step = step + 1;
    metrics.learning_rate = rate;
    metrics.tokens = work.all.valid_targets;
    metrics.grad_norm = values[0];
    for (const auto& report : of_ranks) {
        if (report.stop_signal != 0) stop_signal = static_cast<int>(report.stop_signal);
    }
    set_slowest_rank(metrics, of_ranks);
    metrics.loss = loss_of_all(of_ranks) /
                   static_cast<double>(std::max<std::int64_t>(1, metrics.tokens));
    metrics.epoch =
        static_cast<double>(step + 1) / static_cast<double>(plan_.steps_per_epoch());
    const auto seconds = timer.stop();
    metrics.seconds.data = seconds[0];
    metrics.seconds.forward = seconds[1];
    metrics.seconds.backward = seconds[2];
    metrics.seconds.optimizer = seconds[3];
    metrics.seconds.step = seconds[0] + seconds[1] + seconds[2] + seconds[3];
    const auto sent = groups_.sent();
    metrics.seconds.communication = sent.waited.count();
    busy_seconds_ = metrics.seconds.step - metrics.seconds.communication;
    metrics.bytes = {sent[lt::collective::all_reduce], sent[lt::collective::all_gather],
                     sent[lt::collective::reduce_scatter],
                     sent[lt::collective::all_to_all], sent[lt::collective::send_recv]};
    metrics.tokens_per_second =
        static_cast<double>(metrics.tokens) / metrics.seconds.step;
    metrics.mfu = flops_of(flops_, work.all) / (metrics.seconds.step * peak_flops_);
    metrics.collectives = sent.collectives;
    // Ranks that share rows share the work evenly, to the split's two percent.
    metrics.flops =
        flops_of(flops_, work.mine) / static_cast<double>(mesh_.cp * mesh_.tp);
    metrics.memory_bytes = peak_memory_bytes();
    set_peak_allocated(metrics, device_);
    return metrics;
}

at::Tensor run::accumulate_gradients(const rank_step& work, phase_timer& timer) {
    // Every rank divides by the targets of the whole step, known from the plan: sums then
    // add up to the mean, however unevenly the targets lie.
    const auto valid =
        static_cast<double>(std::max<std::int64_t>(1, work.all.valid_targets));
    lt::tree_sum losses;
    for (auto& unit : model_.units())
        unit.parameters().zero_gradients();
    for (const auto& micro_batch : work.micro_batches) {
        timer.enter(step_phase::data);
        const auto row = model_.prepare(micro_batch);
        for (auto& unit : model_.units())
            unit.set_last_micro_step(&micro_batch == &work.micro_batches.back());
        timer.enter(step_phase::forward);
        const auto loss = model_.loss_sum(row);
        losses.add(loss.detach().clone());
        timer.enter(step_phase::backward);
        (loss / valid).backward();
        for (auto& unit : model_.units())
            unit.parameters().finish_reduce();
    }
    return losses.take();
}

double run::loss_of_all(const std::vector<rank_report>& reports) const {
    std::vector<double> of_data_ranks(
        static_cast<std::size_t>(mesh_.data_parallel_size()));
    for (std::size_t rank = 0; rank < reports.size(); ++rank) {
        const auto at = coordinates_of(mesh_, static_cast<std::int64_t>(rank));
        // The ranks of a tp group have the loss of the same rows.
        if (at.tp > 0) continue;
        of_data_ranks[static_cast<std::size_t>(data_rank_of(
            mesh_, static_cast<std::int64_t>(rank)))] += reports[rank].loss_sum;
    }
    if (!config_.canonical_reduction)
        return std::accumulate(of_data_ranks.begin(), of_data_ranks.end(), 0.0);
    lt::tree_sum sum;
    for (std::int64_t i = 0; i < mesh_.data_parallel_size(); ++i) {
        const auto rank = lt::bit_reversed(i, mesh_.data_parallel_size());
        sum.add(at::full({}, of_data_ranks[static_cast<std::size_t>(rank)], at::kDouble));
    }
    return sum.take().item<double>();
}

at::Tensor run::exchange(const at::Tensor& loss_sum) {
    const auto mine =
        at::cat({loss_sum.view({1}),
                 lt::upload(std::vector<double>{static_cast<double>(interruption()),
                                                busy_seconds_},
                            device_)});
    auto all = at::empty({environment_.world_size, mine.numel()}, mine.options());
    groups_.world->all_gather(all, mine).wait();
    return all;
}

double run::peak_flops_of_all() {
    auto sum = lt::upload(
        std::vector<double>{peak_flops(device_, model_.options().compute_dtype)},
        device_);
    groups_.world->all_reduce(sum).wait();
    return sum.item<double>();
}

void run::refuse_non_finite(std::int64_t step, const std::vector<rank_report>& reports,
                            double norm) {
    for (std::size_t rank = 0; rank < reports.size(); ++rank) {
        if (std::isfinite(reports[rank].loss_sum)) continue;
        std::string samples;
        for (std::int64_t micro = 0; micro < plan_.micro_steps(); ++micro) {
            for (const auto sample : plan_.samples_of(
                     step, micro, data_rank_of(mesh_, static_cast<std::int64_t>(rank)))) {
                if (samples.size() < 200) {
                    samples += (samples.empty() ? "" : ", ") + std::to_string(sample);
                }
            }
        }
        throw std::runtime_error(
            "step " + std::to_string(step + 1) + ": the loss of rank " +
            std::to_string(rank) + " is " + std::to_string(reports[rank].loss_sum) +
            " (samples " + samples +
            "); no update was made, earlier checkpoints are kept; lower "
            "learning_rate or look at these samples");
    }
    if (!std::isfinite(norm)) {
        const auto name = lt::find_non_finite_gradient(model_.units(), *groups_.world);
        throw std::runtime_error(
            "step " + std::to_string(step + 1) + ": the gradient norm is " +
            std::to_string(norm) +
            (name.empty() ? "" : ", first in the gradient of " + name) +
            "; no update was made, earlier checkpoints are kept");
    }
}

void run::check_replicas(std::int64_t step) {
    const auto found = lt::find_replica_difference(model_.units(), *groups_.replicate);
    if (!found) return;
    throw std::runtime_error(
        "after step " + std::to_string(step + 1) + ": " + found->parameter +
        " differs between replicas: dp_replicate 0 has bits of hash " +
        std::to_string(found->hash_of_first) + ", dp_replicate " +
        std::to_string(found->rank) + " of hash " + std::to_string(found->hash_of_rank) +
        "; earlier checkpoints are kept; look for a hardware fault, then resume");
}

void run::record(const step_metrics& metrics) {
    summary_.add(metrics);
    if (metrics_) metrics_->append(metrics);
    log_.step(metrics, environment_.world_size);
}

void run::save(std::int64_t steps_done) {
    const bool is_last = steps_done == plan_.total_steps();
    saved_ = save_checkpoint(
        {config_.output_dir,
         is_last ? config_.final_state_dict_type : config_.state_dict_type,
         config_.save_total_limit},
        steps_done, model_, optimizer_, inputs_.model_config, identity_, *groups_.world);
    log_.saved(saved_);
}

void run::summarize() const {
    app::write_stdout(
        summary_.text(plan_.efficiency(), model_.parameter_bytes(), saved_));
    auto expected = prediction_;
    expected.communication.cp =
        context_bytes(config_, inputs_.shape, mesh_, plan_, summary_.last().step - 1);
    expected.communication.tp =
        tensor_bytes(config_, inputs_.shape, mesh_, plan_, summary_.last().step - 1);
    app::write_stdout("\n" +
                      comparison_text(expected, summary_.last(), summary_.largest()));
}

}  // namespace

int train(const train_config& config, const run_options& options, rank_slot* slot) {
    lt::reuse_memory();
    lt::count_memory();
    choose_threads(read_rank_environment());
    return run(config, options, slot).execute();
}

}  // namespace packkit::train
