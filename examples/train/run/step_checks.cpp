// SPDX-License-Identifier: Apache-2.0
#include "run/step_checks.hpp"

#include <packkit/torch/parallel/replica_check.hpp>

#include <cmath>
#include <stdexcept>
#include <string>

namespace packkit::train {
namespace {

/// Numbers of the samples that this rank had in a step, as "3, 17, 5"; the first of them
/// where they are many.
std::string samples_text(const run_plan& plan, std::int64_t step, std::int64_t rank) {
    std::string samples;
    for (std::int64_t micro = 0; micro < plan.data->micro_steps(); ++micro) {
        for (const auto sample :
             plan.data->content(step, micro, data_rank_of(plan.mesh(), rank)).samples()) {
            if (samples.size() < 200)
                samples += (samples.empty() ? "" : ", ") + std::to_string(sample);
        }
    }
    return samples;
}

}  // namespace

void check_finite(const run_plan& plan, std::int64_t step, const step_result& result,
                  model& network, const lt::mesh_view& groups) {
    if (result.is_finite()) return;
    const auto which = "step " + std::to_string(step + 1) + ": ";
    for (std::size_t rank = 0; rank < result.reports.size(); ++rank) {
        const double loss = result.reports[rank].loss_sum;
        if (std::isfinite(loss)) continue;
        throw std::runtime_error(
            which + "the loss of rank " + std::to_string(rank) + " is " +
            std::to_string(loss) + " (samples " +
            samples_text(plan, step, static_cast<std::int64_t>(rank)) +
            "); no update was made, earlier checkpoints are kept; lower "
            "learning_rate or look at these samples");
    }
    const auto name = lt::find_non_finite_gradient(network.units(), *groups.world);
    throw std::runtime_error(which + "the gradient norm is " +
                             std::to_string(result.grad_norm) +
                             (name.empty() ? "" : ", first in the gradient of " + name) +
                             "; no update was made, earlier checkpoints are kept");
}

void check_replicas(std::int64_t step, model& network, const lt::mesh_view& groups) {
    const auto found = lt::find_replica_difference(network.units(), *groups.replicate);
    if (!found) return;
    throw std::runtime_error(
        "after step " + std::to_string(step + 1) + ": " + found->parameter +
        " differs between replicas: dp_replicate 0 has bits of hash " +
        std::to_string(found->hash_of_first) + ", dp_replicate " +
        std::to_string(found->rank) + " of hash " + std::to_string(found->hash_of_rank) +
        "; earlier checkpoints are kept; look for a hardware fault, then resume");
}

}  // namespace packkit::train
