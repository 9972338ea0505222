// SPDX-License-Identifier: Apache-2.0
/// @file
/// AdamW on sharded parameters: each rank updates only its own rows.
#pragma once

#include <packkit/torch/parallel/fully_shard.hpp>

#include <ATen/Functions.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace packkit::lt {

/// Loshchilov & Hutter 2019 (arXiv 1711.05101), as in PyTorch.
struct adamw_options {
    double beta1 = 0.9;
    double beta2 = 0.999;
    double eps = 1e-8;
    double weight_decay = 0.0;
};

/// First and second moments of every unit, laid out as the shards are.
class adamw {
public:
    adamw(std::span<fully_sharded_unit> units, adamw_options options)
        : units_(units), options_(options) {
        for (auto& unit : units_) {
            exp_avg_.push_back(unit.parameters().make_state());
            exp_avg_sq_.push_back(unit.parameters().make_state());
        }
    }

    /// Updates every shard from its accumulated gradient with learning rate `rate`.
    /// `step` counts from 0. LibTorch's fused kernel, one call for all parameters with
    /// and one for those without weight decay, where the shards are. `skip`: a float32
    /// scalar on any device, or nothing; where it is 1 neither parameters nor moments
    /// change.
    void update(double rate, std::int64_t step, const at::Tensor& skip = {}) {
        update_where(true, options_.weight_decay, rate, step, skip);
        update_where(false, 0.0, rate, step, skip);
    }

    [[nodiscard]] at::Tensor& exp_avg(std::size_t unit) { return exp_avg_[unit]; }
    [[nodiscard]] at::Tensor& exp_avg_sq(std::size_t unit) { return exp_avg_sq_[unit]; }

private:
    void update_where(bool decayed, double weight_decay, double rate, std::int64_t step,
                      const at::Tensor& skip) {
        const memory_scope scope(memory_use::optimizer);
        std::vector<at::Tensor> shards, gradients, first, second;
        for (std::size_t u = 0; u < units_.size(); ++u) {
            auto& parameters = units_[u].parameters();
            for (std::size_t i = 0; i < parameters.size(); ++i) {
                if (parameters.info(i).weight_decay != decayed) continue;
                if (parameters.slice(i).elements() == 0) continue;
                shards.push_back(parameters.shard(i));
                gradients.push_back(parameters.gradient(i));
                first.push_back(parameters.part(exp_avg_[u], i));
                second.push_back(parameters.part(exp_avg_sq_[u], i));
            }
        }
        if (shards.empty()) return;
        // The kernel takes the number of the update, from 1.
        const std::vector<at::Tensor> steps(
            shards.size(), at::full({}, static_cast<double>(step + 1),
                                    shards.front().options().dtype(at::kFloat)));
        at::_fused_adamw_(shards, gradients, first, second, {}, steps, rate,
                          options_.beta1, options_.beta2, weight_decay, options_.eps,
                          /*amsgrad=*/false,
                          /*maximize=*/false, /*grad_scale=*/{},
                          skip.defined() ? std::optional(skip.to(shards.front().device()))
                                         : std::nullopt);
    }

    std::span<fully_sharded_unit> units_;
    adamw_options options_;
    std::vector<at::Tensor> exp_avg_;
    std::vector<at::Tensor> exp_avg_sq_;
};

}  // namespace packkit::lt
