// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The record of a run: one JSON line a step in `metrics.jsonl`, and the lines people
/// read.

#include "common/json.hpp"

#include <packkit/estimate/communication.hpp>
#include <packkit/estimate/memory.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace packkit::train {

/// Everything measured about one step.
struct step_metrics {
    std::int64_t step = 0;  ///< from 1
    double epoch = 0;       ///< epochs done after this step
    double loss = 0;        ///< mean over the valid targets of all ranks
    double grad_norm = 0;
    double learning_rate = 0;
    std::int64_t tokens = 0;       ///< valid targets over all ranks
    double tokens_per_second = 0;  ///< valid targets a second over all ranks
    double mfu = 0;                ///< of the measured (CPU) or published (GPU) peak
    /// Most that rank 0's process has had in memory so far: data, code and buffers of the
    /// system included.
    std::int64_t memory_bytes = 0;
    /// What tensors of rank 0 took when they took most in this step. On a GPU the total
    /// alone is known.
    struct {
        std::int64_t total = 0;
        packkit::memory_bytes parts;
        std::int64_t other = 0;
    } allocated_bytes;
    /// Most that kernels of libraries took for themselves at a time in this step.
    std::int64_t library_workspace_bytes = 0;
    /// FLOPs of the model for the tokens of rank 0's samples, forward and backward.
    double flops = 0;
    struct {
        double data = 0, forward = 0, backward = 0, optimizer = 0, communication = 0,
               step = 0;
    } seconds;
    collective_bytes sent;  ///< by rank 0, in collectives with others
    /// The rank that was busy longest in the step before, waiting for others aside, and
    /// its seconds over the ranks' mean; 0 and 1 in the first step.
    std::int64_t slowest_rank = 0;
    double slowest_over_mean = 1;
};

using named_bytes = std::pair<const char*, std::int64_t>;

/// The parts of a sum of bytes, with their names in JSON.
std::array<named_bytes, 7> components_of(const memory_bytes& bytes);
std::array<named_bytes, 5> collectives_of(const collective_bytes& sent);

/// An object with these members, in their order.
app::ordered_json to_object(std::span<const named_bytes> members);

/// One line of metrics.jsonl, numbers with a point.
std::string to_json(const step_metrics& metrics);

/// A double's bits as 16 hexadecimal digits, for comparing runs exactly.
std::string bits_of(double value);

/// Appends lines to a file, each whole line reaching the system at once. A file that gets
/// none does not stay.
class metrics_file {
public:
    /// Opens `path`; keeps the lines of steps up to `last_step` and drops the rest, so
    /// that a resumed run continues without doubling steps. A half-written last line is
    /// dropped too. Throws std::runtime_error with path and reason.
    metrics_file(const std::string& path, std::int64_t last_step);
    metrics_file(const metrics_file&) = delete;
    metrics_file& operator=(const metrics_file&) = delete;
    ~metrics_file();

    /// Throws std::runtime_error when the line cannot be written.
    void append(const step_metrics& metrics);

private:
    std::string path_;
    int descriptor_ = -1;
};

}  // namespace packkit::train
