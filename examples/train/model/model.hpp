// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The model on sharded parameters: units in forward order, applied one after the other.

#include "batch/micro_batch.hpp"
#include "model/decoder.hpp"
#include "plan/parameter_rules.hpp"

#include <packkit/model/parameters.hpp>
#include <packkit/torch/parallel/fully_shard.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace packkit::train {

/// Memory of the device, or of the host: pinned, so that copies to the device run beside
/// other work, or pageable.
enum class memory_place : std::uint8_t { device, pinned_host, pageable_host };

/// Where and in which precision the model lives.
struct model_options {
    at::Device device = at::kCPU;
    at::ScalarType master_dtype = at::kFloat;   ///< parameters, gradients, optimizer
    at::ScalarType compute_dtype = at::kFloat;  ///< forward and backward
    /// Where parameters, gradients and optimizer state are kept.
    memory_place states = memory_place::device;
    bool reshard_after_forward = true;
    bool prefetch_gathers = true;  ///< the next unit's weights arrive beside work
    lt::summation gradient_sums = lt::summation::fast;
    checkpointing_kind checkpointing = checkpointing_kind::none;  ///< of the blocks
    context_variant context = context_variant::gather;  ///< where ranks share rows
    /// Ranks of tp split tokens outside of layers (`lt::tensor_parallel`).
    bool sequence_parallel = false;
    double residual_dropout = 0;  ///< probability, in training
    std::uint64_t dropout_seed = 0;
    /// By unit and parameter; none: all are trained, as the model's shape says.
    std::vector<std::vector<parameter_rule>> rules = {};
};

class model {
public:
    /// Parameters are zeros until initialize or load. Uses the groups shard, replicate,
    /// cp and tp, which outlive the model.
    model(model_shape shape, const lt::mesh_view& groups, model_options options);

    /// Fills every shard from (seed, parameter name, global index): the same bits on
    /// every mesh.
    void initialize(std::uint64_t seed);

    /// Fills every shard from full tensors. `read(name)` returns the parameter in any
    /// dtype.
    void load(const std::function<at::Tensor(const std::string& name)>& read);

    /// Puts a row, or this rank's part of it, on the device with what the blocks need.
    [[nodiscard]] row_context prepare(const packed_row& row) const;

    /// Σ cross entropy over the valid targets of what was prepared: float64 scalar with
    /// gradients.
    [[nodiscard]] at::Tensor loss_sum(const row_context& row);

    /// (T, V), in the compute dtype; of V the columns that this rank of tp has.
    [[nodiscard]] at::Tensor logits(const row_context& row);

    [[nodiscard]] const model_shape& shape() const { return shape_; }
    [[nodiscard]] const model_options& options() const { return options_; }
    [[nodiscard]] std::span<lt::fully_sharded_unit> units() { return units_; }
    [[nodiscard]] std::int64_t parameter_bytes() const;

private:
    [[nodiscard]] residual_dropout prepare_dropout(const packed_row& row) const;
    /// Embedding and blocks: (T, C).
    at::Tensor hidden_states(const row_context& row);
    /// Prefetch targets of the unit applied as number `application`: the embedding is 0,
    /// the head last.
    [[nodiscard]] lt::neighbours beside(std::int64_t application);
    /// What follows the blocks, of (norm's weight, head's weight, (T, C)).
    using head_function = std::function<at::Tensor(const at::Tensor&, const at::Tensor&,
                                                   const at::Tensor&)>;
    /// Applies it to the hidden states, inside the unit that has these weights.
    at::Tensor apply_head(const row_context& row, const head_function& head);

    model_shape shape_;
    lt::mesh_view groups_;
    model_options options_;
    std::unique_ptr<lt::reduction_queue> reductions_;  // of all units
    std::vector<lt::fully_sharded_unit> units_;
};

}  // namespace packkit::train
