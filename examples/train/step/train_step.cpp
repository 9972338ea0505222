// SPDX-License-Identifier: Apache-2.0
// T tokens of a micro-batch, R ranks of the job.
#include "step/train_step.hpp"

#include <packkit/sequence/loss_weights.hpp>
#include <packkit/torch/communication/reproducible_sum.hpp>
#include <packkit/torch/memory/to_device.hpp>
#include <packkit/torch/optim/gradient_norm.hpp>

#include <algorithm>
#include <numeric>
#include <vector>

namespace packkit::train {
namespace {

bool is_canonical(const model& network) {
    return network.options().gradient_sums == lt::summation::canonical;
}

void enter(phase_timer* timer, step_phase phase) {
    if (timer != nullptr) timer->enter(phase);
}

/// Σ cross entropy of a micro-batch: (), float64, with its graph. What `prepare` made is
/// then kept by the graph alone, as far as backward needs it.
at::Tensor forward(model& network, const packed_row& micro_batch, phase_timer* timer) {
    enter(timer, step_phase::data);
    const auto row = network.prepare(micro_batch);  // ids, targets, positions: (T)
    enter(timer, step_phase::forward);
    return network.loss_sum(row);
}

/// The norm of the step's gradients: (), float64, equal on all ranks.
at::Tensor gradient_norm(model& network, const lt::mesh_view& groups) {
    return is_canonical(network)
               ? lt::canonical_gradient_norm(network.units(), *groups.shard)
               : lt::gradient_norm(network.units(), *groups.shard, groups.tp);
}

/// Every rank's rank_report: (R, 3), float64, on the device.
at::Tensor exchange_reports(const lt::mesh_view& groups, const at::Tensor& loss_sum,
                            const step_settings& settings) {
    const auto signal = settings.stop_signal == nullptr ? 0 : settings.stop_signal();
    const std::vector<double> told{static_cast<double>(signal), settings.busy_seconds};
    const auto mine =
        at::cat({loss_sum.view({1}), lt::upload(told, loss_sum.device())});  // (3)
    auto all = at::empty({groups.world->size(), mine.numel()}, mine.options());
    groups.world->all_gather(all, mine).wait();
    return all;
}

/// Σ cross entropy of the step over all ranks.
double loss_of_all(const std::vector<rank_report>& reports, const mesh_shape& mesh,
                   bool canonical) {
    std::vector<double> sums(static_cast<std::size_t>(mesh.data_parallel_size()));
    for (std::size_t i = 0; i < reports.size(); ++i) {
        const auto rank = static_cast<std::int64_t>(i);
        // The ranks of a tp group have the loss of the same tokens.
        if (coordinates_of(mesh, rank).tp > 0) continue;
        sums[static_cast<std::size_t>(data_rank_of(mesh, rank))] += reports[i].loss_sum;
    }
    if (!canonical) return std::accumulate(sums.begin(), sums.end(), 0.0);
    lt::tree_sum tree;
    for (std::int64_t i = 0; i < mesh.data_parallel_size(); ++i) {
        const auto rank = lt::bit_reversed(i, mesh.data_parallel_size());
        tree.add(at::full({}, sums[static_cast<std::size_t>(rank)], at::kDouble));
    }
    return tree.take().item<double>();
}

}  // namespace

step_result train_step(model& network, lt::optimizer& optimizer,
                       const lt::mesh_view& groups,
                       std::span<const packed_row> micro_batches,
                       const step_settings& settings, phase_timer* timer) {
    const auto loss_sum = accumulate_gradients(
        network, groups, micro_batches, settings.targets, timer, settings.loss_scale);
    return update_parameters(network, optimizer, groups, loss_sum, settings);
}

at::Tensor accumulate_gradients(model& network, const lt::mesh_view& groups,
                                std::span<const packed_row> micro_batches,
                                std::int64_t targets, phase_timer* timer,
                                double loss_scale) {
    // Every rank divides by the targets of the whole step: sums over ranks then add up to
    // the mean, however unevenly the targets lie.
    const auto divisor = loss_denominator(targets) / loss_scale;
    lt::tree_sum losses;
    for (auto& unit : network.units())
        unit.parameters().zero_gradients();
    for (const auto& micro_batch : micro_batches) {
        for (auto& unit : network.units())
            unit.set_last_micro_step(&micro_batch == &micro_batches.back());
        const auto loss = forward(network, micro_batch, timer);
        losses.add(loss.detach().clone());
        enter(timer, step_phase::backward);
        (loss / divisor).backward();
        for (auto& unit : network.units())
            unit.parameters().finish_reduce();
    }
    enter(timer, step_phase::optimizer);
    if (groups.tp != nullptr) lt::sum_partial_gradients(network.units(), *groups.tp);
    return losses.take();
}

// With fast sums nothing here waits for a GPU before the read at the end: whether the
// update may be made is decided on the device.
step_result update_parameters(model& network, lt::optimizer& optimizer,
                              const lt::mesh_view& groups, const at::Tensor& loss_sum,
                              const step_settings& settings) {
    if (settings.loss_scale != 1) {
        for (auto& unit : network.units())
            unit.parameters().scale_gradients(1 / settings.loss_scale);
    }
    const auto norm = gradient_norm(network, groups);               // ()
    const auto all = exchange_reports(groups, loss_sum, settings);  // (R, 3)
    const auto finite = at::isfinite(all).all().logical_and(at::isfinite(norm));
    if (settings.max_grad_norm > 0)
        lt::clip_gradients(network.units(), norm, settings.max_grad_norm);
    optimizer.update(settings.learning_rate, settings.step,
                     finite.logical_not().to(at::kFloat), settings.group_rates);

    const auto read = at::cat({norm.view({1}), all.view({-1})}).cpu();  // (1 + 3 R)
    const auto* values = read.const_data_ptr<double>();
    step_result result;
    result.grad_norm = values[0];
    for (const auto* report = values + 1; report < values + read.numel(); report += 3)
        result.reports.push_back({report[0], report[1], report[2]});
    const auto loss = loss_of_all(result.reports, groups.shape(), is_canonical(network));
    result.loss = loss / loss_denominator(settings.targets);
    return result;
}

}  // namespace packkit::train
