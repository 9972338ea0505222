// SPDX-License-Identifier: Apache-2.0
/// @file
/// Activations of a GPT by closed formula (Korthikanti et al. 2022).
#pragma once

#include <packkit/estimate/training_setup.hpp>
#include <packkit/utility/rational.hpp>

#include <cstdint>

namespace packkit {

/// A GPT under Megatron's tensor and pipeline parallelism, in the paper's letters.
struct gpt_run {
    std::int64_t layers = 1;             ///< L
    std::int64_t hidden = 1;             ///< h
    std::int64_t heads = 1;              ///< a
    std::int64_t sequence = 1;           ///< s
    std::int64_t micro_batch = 1;        ///< b
    std::int64_t tensor_parallel = 1;    ///< t
    std::int64_t pipeline_parallel = 1;  ///< p
    std::int64_t interleave = 1;         ///< m, model chunks a pipeline stage
};

/// Bytes of one layer's activations on one rank, 16-bit, attention written out.
/// Korthikanti et al. 2022, arXiv 2205.05198: equations 1 (t = 1) and 2, 4 with sequence
/// parallelism, table 2 for selective and full recomputation.
///
/// - none: s b h (10 + 24/t + 5 a s / (h t)); with sequence parallelism
///   s b h (34 + 5 a s / h) / t
/// - selective: the same without 5 a s / h
/// - full: 2 s b h, the layer's input on every rank, as the table has it
[[nodiscard]] constexpr rational layer_activation_bytes(const gpt_run& run,
                                                        checkpointing_kind checkpointing,
                                                        bool sequence_parallel) {
    const rational inputs =
        rational(run.sequence) * rational(run.micro_batch) * rational(run.hidden);
    if (checkpointing == checkpointing_kind::full) return inputs * 2;
    const rational t = run.tensor_parallel;
    rational factor = (sequence_parallel ? rational(10) / t : rational(10)) + 24 / t;
    if (checkpointing == checkpointing_kind::none) {
        factor += rational(5) * run.heads * run.sequence / (rational(run.hidden) * t);
    }
    return inputs * factor;
}

/// Bytes of activations on the first pipeline stage, which holds most: those of L layers,
/// times 1 + (p - 1)/(p m) when interleaved (m > 1; 1F1B holds L layers' worth). Section
/// 4.2.3 of the same.
[[nodiscard]] constexpr rational first_stage_activation_bytes(
    const gpt_run& run, checkpointing_kind checkpointing, bool sequence_parallel) {
    const std::int64_t p = run.pipeline_parallel;
    rational factor = run.layers;
    if (run.interleave > 1) factor *= 1 + rational(p - 1, p) / run.interleave;
    return layer_activation_bytes(run, checkpointing, sequence_parallel) * factor;
}

/// Parameters of the layers on one rank, 12 L h^2 / (t p): embeddings, biases and norms
/// left out, as in figure 1 of the same.
[[nodiscard]] constexpr rational layer_parameters(const gpt_run& run) {
    return rational(12) * run.layers * run.hidden * run.hidden /
           (rational(run.tensor_parallel) * run.pipeline_parallel);
}

}  // namespace packkit
