// SPDX-License-Identifier: Apache-2.0
#include "trainer.hpp"

#include "checkpoint.hpp"
#include "common/errors.hpp"
#include "common/numbers.hpp"
#include "common/progress.hpp"
#include "interruption.hpp"
#include "measured_memory.hpp"
#include "metrics.hpp"
#include "prediction.hpp"
#include "prediction_report.hpp"
#include "setup.hpp"

#include <packkit/flops.hpp>
#include <packkit/learning_rate.hpp>
#include <packkit/torch/gradient_norm.hpp>
#include <packkit/torch/memory_reuse.hpp>

#include <fmt/format.h>

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>

namespace packkit::train {
namespace {

using clock = std::chrono::steady_clock;

double seconds_since(clock::time_point begin) {
    return std::chrono::duration<double>(clock::now() - begin).count();
}

/// A line of the log, from rank 0 alone.
class logger {
public:
    explicit logger(bool speaks) : speaks_(speaks) {}
    void operator()(const std::string& line) const {
        if (speaks_) std::fprintf(stderr, "%s\n", line.c_str());
    }

private:
    bool speaks_;
};

learning_rate_schedule schedule_of(const train_config& config, std::int64_t total_steps) {
    const auto shape = config.lr_scheduler == "constant" ? decay_shape::constant
                       : config.lr_scheduler == "linear" ? decay_shape::linear
                                                         : decay_shape::cosine;
    const auto warmup =
        config.warmup_ratio
            ? static_cast<std::int64_t>(
                  std::ceil(*config.warmup_ratio * static_cast<double>(total_steps)))
            : config.warmup_steps;
    return {config.learning_rate, warmup, total_steps, shape};
}

/// Floating-point operations of this work, with Σ l² for packed documents.
double flops_of(const token_flops& law, const step_plan& work) {
    return static_cast<double>(law.linear) * static_cast<double>(work.real_tokens) +
           static_cast<double>(law.attention) * static_cast<double>(work.squared_lengths);
}

/// What the ranks tell each other once a step, before the update.
struct rank_report {
    double loss_sum = 0;
    double stop_signal = 0;
    double peak_flops = 0;
};

class run {
public:
    run(const train_config& config, const run_options& options, rank_slot* slot)
        : config_(config),
          slot_(slot),
          environment_(read_rank_environment()),
          log_(environment_.rank == 0),
          mesh_(choose_mesh(config, environment_.world_size)),
          placement_(choose_model_options(config, environment_)),
          inputs_(read_inputs(config, environment_.rank == 0)),
          groups_(meet(config, environment_, mesh_, inputs_.samples, placement_.device,
                       store_)),
          parameters_(parameter_count(inputs_.shape)),
          flops_(token_flops_of(model_layout(inputs_.shape), flop_convention::A)),
          plan_(inputs_.samples, config, mesh_),
          identity_(identity_of(config, inputs_.shape, plan_, inputs_.samples, mesh_)),
          model_(inputs_.shape,
                 {groups_.shard.get(), groups_.replicate.get(), groups_.cp.get(),
                  groups_.tp.get()},
                 placement_),
          optimizer_(model_.units(), {config.adam_beta1, config.adam_beta2,
                                      config.adam_epsilon, config.weight_decay}),
          schedule_(schedule_of(config, plan_.total_steps())),
          peak_flops_(peak_flops(placement_.device, placement_.compute_dtype)),
          prediction_(predict(config, inputs_.shape, mesh_, plan_)) {
        announce();
        start_or_resume(options);
    }

    int execute();

private:
    [[nodiscard]] bool first_rank() const { return environment_.rank == 0; }
    /// Data-parallel rank: which rows this rank takes.
    [[nodiscard]] std::int64_t data_rank() const {
        const auto at = coordinates_of(mesh_, environment_.rank);
        return at.dp_replicate * mesh_.dp_shard + at.dp_shard;
    }

    void announce() const;
    void start_or_resume(const run_options& options);
    std::optional<resume_point> choose_resume_point(const run_options& options);

    step_metrics one_step(std::int64_t step, int& stop_signal);
    /// Forward and backward of all micro-batches. Returns this rank's Σ loss.
    double accumulate_gradients(std::int64_t step, const step_plan& work,
                                step_metrics& metrics);
    std::vector<rank_report> exchange(const rank_report& mine);
    void refuse_non_finite(std::int64_t step, const std::vector<rank_report>& reports,
                           double norm) const;
    void record(const step_metrics& metrics);
    void save(std::int64_t steps_done);
    void summarize() const;

    const train_config& config_;
    rank_slot* slot_;
    rank_environment environment_;
    logger log_;
    mesh_shape mesh_;
    model_options placement_;
    run_inputs inputs_;
    c10::intrusive_ptr<c10d::Store> store_;
    lt::mesh_groups groups_;
    std::int64_t parameters_;  // of the whole model
    token_flops flops_;
    data_plan plan_;
    run_identity identity_;
    model model_;
    lt::adamw optimizer_;
    learning_rate_schedule schedule_;
    double peak_flops_;
    prediction prediction_;

    std::optional<output_folder> folder_;
    std::optional<metrics_file> metrics_;
    std::optional<app::progress_bar> bar_;
    std::int64_t first_step_ = 0;
    std::string saved_;  // newest checkpoint
    std::optional<step_metrics> first_, last_;
    std::optional<step_metrics> largest_;  // the step that held most memory
    double total_seconds_ = 0;
    std::int64_t total_tokens_ = 0;
};

void run::announce() const {
    if (slot_ == nullptr) {  // otherwise the launcher has said it
        std::fprintf(stderr, "rank %lld pid %d\n",
                     static_cast<long long>(environment_.rank),
                     static_cast<int>(getpid()));
    }
    for (const auto& warning : config_.warnings)
        log_("warning: " + warning);
    if (!inputs_.samples.note().empty()) log_("warning: " + inputs_.samples.note());
    const auto& report = inputs_.samples.report();
    log_("data: " + app::grouped(report.samples) + " samples, " +
         app::grouped(report.tokens) + " tokens, " + app::grouped(report.valid_targets) +
         " targets; " + app::grouped(report.dropped) + " dropped, " +
         app::grouped(report.truncated) + " truncated, " + app::grouped(report.split) +
         " split, " + app::grouped(report.empty) + " empty");
    log_("mesh: " + to_string(mesh_) + ", " + std::to_string(mesh_.world_size()) +
         " ranks");
    if (config_.sample_packing) {
        log_("MultipackBatchSampler: " +
             app::grouped(static_cast<std::int64_t>(plan_.bins().size())) + " bins of " +
             std::to_string(plan_.row_capacity()) + " tokens, " +
             app::grouped(plan_.steps_per_epoch()) + " steps an epoch");
        log_("Sample packing efficiency: " + app::fixed(plan_.efficiency(), 4) +
             " (one sample a row: " + app::fixed(plan_.padded_efficiency(), 4) + ")");
    } else {
        log_("Sample packing: off; one sample a row: efficiency " +
             app::fixed(plan_.efficiency(), 4));
    }
    log_(std::string(mesh_.effective_shard_size() > 1 ? "FSDP" : "DDP") + ": " +
         app::grouped(model_.parameter_bytes()) + " bytes of parameters per rank, " +
         app::grouped(parameters_) + " parameters in all");
    log_(to_log_line(prediction_));
}

std::optional<resume_point> run::choose_resume_point(const run_options& options) {
    // Rank 0 looks and the others follow, so that all start from the same step.
    std::string folder;
    if (first_rank()) {
        if (!config_.resume_from_checkpoint.empty()) {
            folder = config_.resume_from_checkpoint;
        } else if (options.resume || config_.auto_resume_from_checkpoints) {
            std::vector<std::string> warnings;
            const auto found = find_newest_checkpoint(config_.output_dir, warnings);
            for (const auto& warning : warnings)
                log_("warning: " + warning);
            if (found) folder = found->folder;
        }
    }
    if (environment_.world_size > 1) {
        const auto timeout = std::chrono::milliseconds(
            static_cast<std::int64_t>(config_.ddp_timeout * 1000.0));
        folder = lt::exchange_values(*store_, "resume", environment_.rank,
                                     environment_.world_size, folder, timeout)[0];
    }
    if (folder.empty()) return std::nullopt;
    return open_checkpoint(folder);
}

void run::start_or_resume(const run_options& options) {
    const bool resumes = options.resume || config_.auto_resume_from_checkpoints ||
                         !config_.resume_from_checkpoint.empty();
    if (first_rank()) folder_.emplace(config_.output_dir, resumes, options.overwrite);
    if (const auto from = choose_resume_point(options)) {
        check_identity(*from, identity_);
        load_checkpoint(*from, model_, optimizer_);
        first_step_ = from->step;
        saved_ = from->folder;
        log_("resumed from " + from->folder + " after step " +
             std::to_string(from->step));
    } else if (config_.random_init_weights) {
        model_.initialize(config_.seed);
    } else {
        load_weights(config_.base_model, model_);
    }
    if (first_rank())
        metrics_.emplace(config_.output_dir + "/metrics.jsonl", first_step_);
}

int run::execute() {
    const std::int64_t total = plan_.total_steps();
    if (first_step_ >= total) {
        log_("nothing to do: " + std::to_string(first_step_) + " of " +
             std::to_string(total) + " steps are done");
        return app::exit_done;
    }
    if (first_rank() && isatty(STDERR_FILENO) != 0) {
        bar_.emplace("training", static_cast<std::uint64_t>(total));
    }
    watch_for_interruption();
    int stop_signal = 0;
    std::int64_t step = first_step_;
    for (; step < total && stop_signal == 0; ++step) {
        if (slot_ != nullptr) slot_->step.store(step + 1);
        record(one_step(step, stop_signal));
        const bool due = config_.save_steps > 0 && (step + 1) % config_.save_steps == 0;
        if (due || step + 1 == total || stop_signal != 0) save(step + 1);
    }
    bar_.reset();
    if (step < total) {
        log_("interrupted by signal " + std::to_string(stop_signal) + " after step " +
             std::to_string(step) + "; saved " + saved_ + "; go on with --resume");
        return 128 + stop_signal;
    }
    if (first_rank()) summarize();
    return app::exit_done;
}

step_metrics run::one_step(std::int64_t step, int& stop_signal) {
    const auto begin = clock::now();
    groups_.reset_traffic();
    reset_peak_allocated(placement_.device);
    const auto work = plan_.step(step);
    step_metrics metrics;
    metrics.step = step + 1;
    metrics.learning_rate = schedule_(step);
    metrics.tokens = work.valid_targets;

    const double loss_sum = accumulate_gradients(step, work, metrics);

    const auto optimizer_begin = clock::now();
    metrics.grad_norm = lt::gradient_norm(model_.units(), *groups_.shard);
    const auto reports =
        exchange({loss_sum, static_cast<double>(interruption()), peak_flops_});
    refuse_non_finite(step, reports, metrics.grad_norm);
    double peak = 0;
    double loss_of_all = 0;
    for (const auto& report : reports) {
        loss_of_all += report.loss_sum;
        peak += report.peak_flops;
        if (report.stop_signal != 0) stop_signal = static_cast<int>(report.stop_signal);
    }
    if (config_.max_grad_norm > 0) {
        lt::clip_gradients(model_.units(), metrics.grad_norm, config_.max_grad_norm);
    }
    optimizer_.update(metrics.learning_rate, step);
    for (auto& unit : model_.units())
        unit.parameters().zero_gradients();

    const auto valid = static_cast<double>(std::max<std::int64_t>(1, work.valid_targets));
    metrics.loss = loss_of_all / valid;
    metrics.epoch =
        static_cast<double>(step + 1) / static_cast<double>(plan_.steps_per_epoch());
    metrics.seconds.optimizer = seconds_since(optimizer_begin);
    metrics.seconds.step = seconds_since(begin);
    const auto sent = groups_.sent();
    metrics.seconds.communication = sent.waited.count();
    metrics.bytes = {sent[lt::collective::all_reduce], sent[lt::collective::all_gather],
                     sent[lt::collective::reduce_scatter],
                     sent[lt::collective::all_to_all], sent[lt::collective::send_recv]};
    metrics.tokens_per_second =
        static_cast<double>(metrics.tokens) / metrics.seconds.step;
    metrics.mfu = flops_of(flops_, work) / (metrics.seconds.step * peak);
    metrics.collectives = sent.collectives;
    metrics.flops = flops_of(flops_, plan_.step_of_rank(step, data_rank()));
    metrics.memory_bytes = peak_memory_bytes();
    set_peak_allocated(metrics, placement_.device);
    return metrics;
}

double run::accumulate_gradients(std::int64_t step, const step_plan& work,
                                 step_metrics& metrics) {
    // Every rank divides by the targets of the whole step, known from the plan: sums then
    // add up to the mean, however unevenly the targets lie.
    const auto valid = static_cast<double>(std::max<std::int64_t>(1, work.valid_targets));
    double loss_sum = 0;
    for (std::int64_t micro = 0; micro < plan_.micro_steps(); ++micro) {
        const auto data_begin = clock::now();
        const auto row = model_.prepare(plan_.micro_batch(step, micro, data_rank()));
        for (auto& unit : model_.units()) {
            unit.set_last_micro_step(micro + 1 == plan_.micro_steps());
        }
        const auto forward_begin = clock::now();
        const auto loss = model_.loss_sum(row);
        loss_sum += loss.item<double>();
        const auto backward_begin = clock::now();
        (loss / valid).backward();
        for (auto& unit : model_.units())
            unit.parameters().finish_reduce();
        const auto end = clock::now();
        using span = std::chrono::duration<double>;
        metrics.seconds.data += span(forward_begin - data_begin).count();
        metrics.seconds.forward += span(backward_begin - forward_begin).count();
        metrics.seconds.backward += span(end - backward_begin).count();
    }
    return loss_sum;
}

std::vector<rank_report> run::exchange(const rank_report& mine) {
    const auto options = at::TensorOptions().dtype(at::kDouble).device(placement_.device);
    const auto values =
        at::tensor({mine.loss_sum, mine.stop_signal, mine.peak_flops}, options);
    auto all = at::empty({environment_.world_size, values.numel()}, options);
    groups_.world->all_gather(all, values).wait();
    const auto held = all.cpu();
    std::vector<rank_report> reports;
    for (std::int64_t rank = 0; rank < environment_.world_size; ++rank) {
        const auto* row = held.const_data_ptr<double>() + rank * values.numel();
        reports.push_back({row[0], row[1], row[2]});
    }
    return reports;
}

void run::refuse_non_finite(std::int64_t step, const std::vector<rank_report>& reports,
                            double norm) const {
    for (std::size_t rank = 0; rank < reports.size(); ++rank) {
        if (std::isfinite(reports[rank].loss_sum)) continue;
        std::string samples;
        for (std::int64_t micro = 0; micro < plan_.micro_steps(); ++micro) {
            for (const auto sample :
                 plan_.samples_of(step, micro, static_cast<std::int64_t>(rank))) {
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
        throw std::runtime_error("step " + std::to_string(step + 1) +
                                 ": the gradient norm is " + std::to_string(norm) +
                                 "; no update was made, earlier "
                                 "checkpoints are kept");
    }
}

void run::record(const step_metrics& metrics) {
    if (!first_) first_ = metrics;
    last_ = metrics;
    if (!largest_ || metrics.allocated_bytes.total > largest_->allocated_bytes.total)
        largest_ = metrics;
    total_seconds_ += metrics.seconds.step;
    total_tokens_ += metrics.tokens;
    if (!first_rank()) return;
    metrics_->append(metrics);
    if (bar_) {
        bar_->set_note(fmt::format("loss {:.4f}, {:.0f} tokens/s", metrics.loss,
                                   metrics.tokens_per_second));
        bar_->set(static_cast<std::uint64_t>(metrics.step));
    } else if (metrics.step % config_.logging_steps == 0) {
        log_(
            fmt::format("step {}/{} loss {:.4f} grad_norm {:.3f} lr {:.3g} tokens {} "
                        "tokens/s {:.0f} mfu {:.3f}",
                        metrics.step, plan_.total_steps(), metrics.loss,
                        metrics.grad_norm, metrics.learning_rate, metrics.tokens,
                        metrics.tokens_per_second, metrics.mfu));
    }
}

void run::save(std::int64_t steps_done) {
    saved_ = save_checkpoint(config_.output_dir, steps_done, model_, optimizer_,
                             inputs_.model_config, identity_, config_.save_total_limit,
                             first_rank());
    if (!bar_) log_("saved " + saved_);
}

void run::summarize() const {
    const auto line = [](const std::string& name, const std::string& value) {
        app::write_stdout(name +
                          std::string(name.size() < 22 ? 22 - name.size() : 1, ' ') +
                          value + "\n");
    };
    line("steps", std::to_string(first_->step) + " to " + std::to_string(last_->step));
    line("loss", app::fixed(first_->loss, 4) + " -> " + app::fixed(last_->loss, 4));
    line("targets a second",
         app::fixed(static_cast<double>(total_tokens_) / total_seconds_, 0));
    line("row efficiency", app::fixed(plan_.efficiency(), 4));
    line("parameters per rank",
         app::bytes_text(static_cast<std::uint64_t>(model_.parameter_bytes())));
    line("peak memory",
         app::bytes_text(static_cast<std::uint64_t>(last_->memory_bytes)) + " (rank 0)");
    line("checkpoint", saved_);
    app::write_stdout("\n" + comparison_text(prediction_, *last_, *largest_));
}

}  // namespace

int train(const train_config& config, const run_options& options, rank_slot* slot) {
    lt::reuse_memory();
    lt::count_memory();
    return run(config, options, slot).execute();
}

void check_mesh(const train_config& config, std::int64_t processes) {
    static_cast<void>(choose_mesh(config, processes));
}

int check(const train_config& config, std::int64_t processes) {
    const auto mesh = choose_mesh(config, processes);
    const auto inputs = read_inputs(config, true);
    const data_plan plan(inputs.samples, config, mesh);
    if (!config.random_init_weights) {
        lt::single_communicator alone("check");
        model probe(inputs.shape, {&alone, &alone}, {});
        load_weights(config.base_model, probe);
    }
    for (const auto& warning : config.warnings) {
        std::fprintf(stderr, "warning: %s\n", warning.c_str());
    }
    app::write_stdout(
        "no problem found: " + app::grouped(inputs.samples.report().samples) +
        " samples, " + app::grouped(plan.total_steps()) + " steps on " + to_string(mesh) +
        ", row efficiency " + app::fixed(plan.efficiency(), 4) + "\n");
    return app::exit_done;
}

}  // namespace packkit::train
