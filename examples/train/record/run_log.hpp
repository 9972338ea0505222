// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What people read of a run: lines or a progress bar on stderr while it goes on, and a
/// summary of it on stdout at its end.

#include "common/progress.hpp"
#include "config/config.hpp"
#include "data/dataset.hpp"
#include "plan/data_plan.hpp"
#include "plan/inputs.hpp"
#include "record/metrics.hpp"

#include <packkit/mesh/mesh_shape.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace packkit::train {

/// "idle ranks: 0.2 % (unbalanced 14.8 %)".
std::string idle_text(const idle_shares& idle);

/// The log of one rank; that of the first rank speaks, the others' are silent.
class run_log {
public:
    explicit run_log(bool speaks) : speaks_(speaks) {}

    void say(const std::string& line) const;
    void warn(const std::string& text) const { say("warning: " + text); }
    void note(const std::string& text) const { say("note: " + text); }

    // Before the first step.
    void data(const token_store& samples, const train_config& config) const;
    /// Rows of embedding and head that base_model's files do not have.
    void vocabulary(const train_config& config, const run_inputs& inputs) const;
    /// The instruction set of the CPU kernels, and those that this machine has.
    void kernels() const;
    void mesh(const mesh_shape& mesh) const;
    void packing(const train_config& config, const data_plan& plan) const;

    /// From here to `end_of_steps` a bar on a terminal, else a line for every
    /// `steps_a_line`-th step.
    void begin_of_steps(std::int64_t total, std::int64_t steps_a_line);
    /// `ranks`: of the job; what they cost each other is told where there are more.
    void step(const step_metrics& metrics, std::int64_t ranks);
    void saved(const std::string& checkpoint) const;
    void end_of_steps() { bar_.reset(); }

private:
    bool speaks_;
    std::int64_t total_ = 0;
    std::int64_t steps_a_line_ = 1;
    std::optional<app::progress_bar> bar_;
};

/// What is kept of all steps for the end.
class run_summary {
public:
    void add(const step_metrics& metrics);

    /// The step that held most memory.
    [[nodiscard]] const step_metrics& largest() const { return *largest_; }
    [[nodiscard]] const step_metrics& last() const { return *last_; }

    /// A line each: steps, loss, speed, rows, memory, newest checkpoint. After at least
    /// one step.
    [[nodiscard]] std::string text(double row_efficiency, std::int64_t parameter_bytes,
                                   const std::string& checkpoint) const;

private:
    std::optional<step_metrics> first_, last_, largest_;
    double seconds_ = 0;
    std::int64_t tokens_ = 0;
};

}  // namespace packkit::train
