// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// One optimizer step of one rank, the same code on every mesh: each rank computes the
/// gradients of its own micro-batches; collectives inside make them those of the step.

#include "model/model.hpp"
#include "step/phase_timer.hpp"
#include "step/step_result.hpp"

#include <packkit/torch/communication/mesh_view.hpp>
#include <packkit/torch/optim/optimizer.hpp>

#include <cstdint>
#include <span>

namespace packkit::train {

/// Numbers of a step. All but busy_seconds and stop_signal are equal on all ranks.
struct step_settings {
    std::int64_t step = 0;     ///< number of the update, from 0
    std::int64_t targets = 1;  ///< valid targets over all ranks and micro-batches
    double learning_rate = 0;
    double max_grad_norm = 0;        ///< the norm to clip to; 0: no clipping
    double busy_seconds = 0;         ///< this rank's, for its report
    int (*stop_signal)() = nullptr;  ///< asked after the last backward, for the report
    /// Learning rates of the rate groups 1, 2, … (`lt::optimizer::update`).
    std::span<const double> group_rates = {};
    double loss_scale = 1;  ///< the loss is multiplied by it before backward
};

/// Computes the gradients of a step and updates the parameters where loss and gradients
/// are finite on all ranks. Collective over `groups.world`.
/// @param groups those of `network`, and world
/// @param micro_batches of this rank, at least one; as many on every rank. With canonical
/// sums, in the order of the tree (`lt::bit_reversed`)
/// @param timer enters each phase and is left in `step_phase::optimizer`; null: no timing
step_result train_step(model& network, lt::optimizer& optimizer,
                       const lt::mesh_view& groups,
                       std::span<const packed_row> micro_batches,
                       const step_settings& settings, phase_timer* timer = nullptr);

/// The first half of `train_step`: forward and backward of all micro-batches.
/// Afterwards every rank holds its shard of the gradient of Σ loss · `loss_scale` /
/// `targets`, the sum over all ranks' tokens. Does not use `groups.world`.
/// @returns Σ cross entropy over this rank's targets: (), float64, on the device
at::Tensor accumulate_gradients(model& network, const lt::mesh_view& groups,
                                std::span<const packed_row> micro_batches,
                                std::int64_t targets, phase_timer* timer = nullptr,
                                double loss_scale = 1);

/// The second half of `train_step`: division by the loss scale, norm, clipping, exchange
/// of reports, update. Waits for the device once, at its end.
/// @param loss_sum what `accumulate_gradients` returned
step_result update_parameters(model& network, lt::optimizer& optimizer,
                              const lt::mesh_view& groups, const at::Tensor& loss_sum,
                              const step_settings& settings);

}  // namespace packkit::train
