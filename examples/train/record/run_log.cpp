// SPDX-License-Identifier: Apache-2.0
#include "record/run_log.hpp"

#include "common/mesh_picture.hpp"
#include "common/numbers.hpp"
#include "record/slowest_rank.hpp"

#include <packkit/packing/efficiency.hpp>
#include <packkit/torch/ops/instruction_set.hpp>

#include <fmt/format.h>

#include <unistd.h>

#include <cstdio>

namespace packkit::train {

void run_log::say(const std::string& line) const {
    if (speaks_) std::fprintf(stderr, "%s\n", line.c_str());
}

void run_log::data(const token_store& samples, const train_config& config) const {
    if (!samples.note().empty()) warn(samples.note());
    say(summary_of(samples.report()));
    for (const std::string& line : warnings_of(samples.report(), config))
        warn(line);
}

void run_log::vocabulary(const train_config& config, const run_inputs& inputs) const {
    const auto rows = inputs.shape.vocab_size;
    if (rows == inputs.stored_vocabulary) return;
    say(fmt::format(
        "vocabulary: {} rows of embedding and head instead of {}; the new ones are {}",
        app::grouped(rows), app::grouped(inputs.stored_vocabulary),
        config.random_init_weights ? "random as all others (random_init_weights)"
                                   : "the mean of the old ones"));
}

void run_log::kernels() const {
    std::string names;
    for (const auto set : lt::machine_instruction_sets())
        names += (names.empty() ? "" : ", ") + std::string(lt::to_string(set));
    say(fmt::format("CPU kernels: {}{} (this machine has {})",
                    lt::to_string(lt::kernel_instruction_set()),
                    lt::forced_instruction_set() ? ", as PACKKIT_ISA asks" : "", names));
}

void run_log::mesh(const mesh_shape& mesh) const {
    say("mesh: " + to_string(mesh) + ", " + std::to_string(mesh.world_size()) + " ranks" +
        (mesh.world_size() > 1 ? "\n" + app::mesh_picture(mesh) : ""));
}

std::string idle_text(const idle_shares& idle) {
    return "idle ranks: " + app::percent(idle.planned, 1) + " (unbalanced " +
           app::percent(idle.unbalanced, 1) + ")";
}

void run_log::packing(const train_config& config, const data_plan& plan) const {
    if (!speaks_) return;
    if (config.sample_packing) {
        say(fmt::format("MultipackBatchSampler: {} bins of {} tokens, {} steps an epoch",
                        app::grouped(static_cast<std::int64_t>(plan.plan().bins())),
                        plan.row_capacity(), app::grouped(plan.steps_per_epoch())));
        const double padded =
            padded_to_capacity_efficiency(plan.samples().lengths(), config.sequence_len);
        say(fmt::format("Sample packing efficiency: {} (one sample a row: {})",
                        app::fixed(plan.efficiency(), 4), app::fixed(padded, 4)));
    } else {
        say("Sample packing: off; one sample a row: efficiency " +
            app::fixed(plan.efficiency(), 4));
    }
    if (const auto rows = plan.plan().left_out(); rows > 0)
        say("dataloader_drop_last: " + app::grouped(static_cast<std::int64_t>(rows)) +
            (rows == 1 ? " row is" : " rows are") + " left out of each epoch");
    say(idle_text(plan.idle()));
}

void run_log::begin_of_steps(std::int64_t total, std::int64_t steps_a_line) {
    total_ = total;
    steps_a_line_ = steps_a_line;
    if (speaks_ && isatty(STDERR_FILENO) != 0)
        bar_.emplace("training", static_cast<std::uint64_t>(total));
}

void run_log::step(const step_metrics& metrics, std::int64_t ranks) {
    if (bar_) {
        bar_->set_note(fmt::format("loss {:.4f}, {:.0f} tokens/s", metrics.loss,
                                   metrics.tokens_per_second));
        bar_->set(static_cast<std::uint64_t>(metrics.step));
    } else if (metrics.step % steps_a_line_ == 0) {
        say(
            fmt::format("step {}/{} loss {:.4f} grad_norm {:.3f} lr {:.3g} tokens {} "
                        "tokens/s {:.0f} mfu {:.3f}{}",
                        metrics.step, total_, metrics.loss, metrics.grad_norm,
                        metrics.learning_rate, metrics.tokens, metrics.tokens_per_second,
                        metrics.mfu, ranks > 1 ? communication_text(metrics) : ""));
    }
}

void run_log::saved(const std::string& checkpoint) const {
    if (!bar_) say("saved " + checkpoint);
}

void run_summary::add(const step_metrics& metrics) {
    if (!first_) first_ = metrics;
    last_ = metrics;
    if (!largest_ || metrics.allocated_bytes.total > largest_->allocated_bytes.total)
        largest_ = metrics;
    seconds_ += metrics.seconds.step;
    tokens_ += metrics.tokens;
}

std::string run_summary::text(double row_efficiency, std::int64_t parameter_bytes,
                              const std::string& checkpoint) const {
    std::string lines;
    const auto line = [&lines](const char* name, const std::string& value) {
        lines += fmt::format("{:<22}{}\n", name, value);
    };
    line("steps", std::to_string(first_->step) + " to " + std::to_string(last_->step));
    line("loss", app::fixed(first_->loss, 4) + " -> " + app::fixed(last_->loss, 4));
    line("targets a second", app::fixed(static_cast<double>(tokens_) / seconds_, 0));
    line("row efficiency", app::fixed(row_efficiency, 4));
    line("parameters per rank", app::bytes_text(parameter_bytes));
    line("peak memory", app::bytes_text(last_->memory_bytes) + " (rank 0)");
    line("checkpoint", checkpoint);
    return lines;
}

}  // namespace packkit::train
