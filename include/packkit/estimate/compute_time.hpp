// SPDX-License-Identifier: Apache-2.0
/// @file
/// How long forward, backward and the optimizer compute on one rank: a roofline of each
/// kind of operation (Williams et al. 2009, doi 10.1145/1498765.1498785).
///
/// Matrix products run at `device::efficiency` of the peak, the one figure that is
/// calibrated; attention at what its kernels reach; elementwise operations and the
/// optimizer at the memory's bandwidth.
#pragma once

#include <packkit/error.hpp>
#include <packkit/estimate/communication.hpp>
#include <packkit/estimate/device.hpp>
#include <packkit/estimate/flops.hpp>
#include <packkit/estimate/training_setup.hpp>
#include <packkit/estimate/workload.hpp>
#include <packkit/model/layout.hpp>
#include <packkit/model/model_shape.hpp>
#include <packkit/model/model_traits.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>

namespace packkit {

/// What the model of time takes for granted beside the device's figures. overlap_cost and
/// elementwise_passes were chosen on published runs, the same for all devices
/// (tests/unit/core/published/throughput.csv).
struct time_assumptions {
    /// Share of a link's nominal rate that collectives reach: NCCL's own model takes 235
    /// of 300 GB/s for A100 (src/graph/tuning.cc), rounded.
    double link_efficiency = 0.8;
    /// Collectives slow down the compute they run beside, because they move bytes through
    /// the same memory and occupy multiprocessors: by this share of the time that their
    /// bytes take on the link inside a node.
    double overlap_cost = 0.5;
    /// How often the operands of elementwise operations cross memory: 1 for fused kernels
    /// (a compiled model), about 3 where every operation and cast is a kernel of its own.
    double elementwise_passes = 3;
    /// Seconds a step that no other term explains.
    double fixed_seconds = 0;
    /// Share of forward's products that is computed again; not set: all of a block with
    /// full checkpointing, and with selective none, as `pytorch_activations` keeps what
    /// products are made of. Elementwise operations are computed again with either.
    std::optional<recomputation> recomputed = {};
};

namespace detail {

/// Bytes that the elementwise operations of a block move for a token in forward: norms
/// (read, write), residual sums (two read, one written), rotary embedding of queries and
/// keys, the function between the matrices (its inputs read, its output written). With
/// tensor parallelism the first two are not cut unless sequence parallelism cuts them.
[[nodiscard]] constexpr double elementwise_bytes(const model_shape& shape,
                                                 const training_setup& setup) {
    const auto tp = static_cast<double>(setup.mesh.tp);
    const auto hidden = static_cast<double>(shape.hidden_size);
    const auto heads =
        static_cast<double>(shape.num_attention_heads + shape.num_key_value_heads);
    const bool sparse = shape.num_experts > 0;
    const double width =
        sparse ? static_cast<double>(expert_size(shape) * shape.num_experts_per_tok)
               : static_cast<double>(shape.intermediate_size);
    const bool gated = traits_of(shape).gated;
    const double residual = 10.0 * hidden / (setup.sequence_parallel ? tp : 1.0);
    const double rotary = 2.0 * heads * static_cast<double>(shape.head_dim) / tp;
    const double activation = (gated ? 3.0 : 2.0) * width / tp;
    return (residual + rotary + activation) *
           static_cast<double>(compute_bytes(setup.precision));
}

/// Bytes that the optimizer moves for a parameter: reads and writes parameter and
/// moments, reads the gradient, which the norm has read and zeroing writes.
[[nodiscard]] constexpr double optimizer_bytes(const training_setup& setup) {
    const auto element = static_cast<double>(reduce_bytes(setup.precision));
    switch (setup.optimizer) {
        case optimizer_kind::adamw:
            return 9 * element;
        case optimizer_kind::adamw_8bit:
            return 5 * element + 4;
        case optimizer_kind::sgd:
            return 5 * element;
        case optimizer_kind::sgd_momentum:
            return 7 * element;
    }
    throw_invalid_argument("optimizer_kind has no value ",
                           static_cast<int>(setup.optimizer));
}

/// Seconds of all micro-batches on one rank, without imbalance and communication.
struct compute_phases {
    double forward = 0;
    double backward = 0;
    double recomputation = 0;
    double attention = 0;
    double attention_forward = 0;
};

[[nodiscard]] inline compute_phases compute_phases_of(const model_layout& layout,
                                                      const training_setup& setup,
                                                      const device& on,
                                                      const workload& work,
                                                      const time_assumptions& assumed) {
    const model_shape& shape = layout.shape();
    const auto tp = static_cast<double>(setup.mesh.tp);
    const auto micro_batches = static_cast<double>(setup.gradient_accumulation_steps);
    const double tokens = work.computed_tokens_per_row *
                          static_cast<double>(setup.micro_batch_size) * micro_batches /
                          static_cast<double>(setup.mesh.cp);
    const auto bytes = static_cast<double>(compute_bytes(setup.precision));
    const double peak = on.peak_flops(setup.precision);

    const auto table = static_cast<double>(layout.embedding_parameters());
    const double all = static_cast<double>(active_parameters(layout));
    const double blocks = all - table - static_cast<double>(looked_up_parameters(shape));

    // A product takes its FLOPs, or its weights' way from memory if the rows are few.
    const auto products = [&](double parameters, double stored) {
        return std::max(2.0 * parameters / tp * tokens / (peak * on.efficiency),
                        stored / tp * bytes * micro_batches / on.memory_bandwidth);
    };
    const double idle = static_cast<double>(layout.parameters()) - all;
    const double linear = products(blocks, blocks + idle);
    const double head = products(table, table);

    const double width = static_cast<double>(shape.num_attention_heads * shape.head_dim);
    const double scores =
        4.0 * width * keys_of_all_layers(shape, work.computed_attention_length());
    const double attention = scores / tp * tokens / (peak * on.attention_efficiency);

    const double elementwise =
        elementwise_bytes(shape, setup) * assumed.elementwise_passes * tokens *
        static_cast<double>(shape.num_hidden_layers) / on.memory_bandwidth;
    // Logits once in the compute type and read and written in float32 by the loss.
    const double logits = static_cast<double>(shape.vocab_size) / tp * (bytes + 8.0) *
                          tokens / on.memory_bandwidth;

    compute_phases phases;
    const double block_forward = linear + attention + elementwise;
    phases.forward = block_forward + head + logits;
    // Attention's backward has five products to forward's two: it computes the scores
    // again (Dao 2023, arXiv 2307.08691, section 3.1.2).
    phases.backward = 2.0 * (linear + elementwise + head) + 2.5 * attention + logits;
    const bool full = setup.checkpointing == checkpointing_kind::full;
    const recomputation again =
        assumed.recomputed.value_or(full ? recomputation{1, 1} : recomputation{0, 0});
    phases.recomputation =
        again.linear * linear + again.attention * attention +
        (setup.checkpointing == checkpointing_kind::none ? 0.0 : elementwise);
    phases.backward += phases.recomputation;
    phases.attention = (3.5 + again.attention) * attention;
    phases.attention_forward = attention;
    return phases;
}

}  // namespace detail
}  // namespace packkit
