// SPDX-License-Identifier: Apache-2.0
/// @file
/// AdamW on sharded parameters: each rank updates only its own rows.
#pragma once

#include <packkit/torch/optim/optimizer.hpp>

#include <ATen/Functions.h>

#include <cstdint>
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

/// First and second moments of every unit, and LibTorch's fused kernel, one call for all
/// parameters of a learning rate with and one for those without weight decay.
class adamw final : public optimizer {
public:
    adamw(std::span<fully_sharded_unit> units, adamw_options options)
        : optimizer(units, options.weight_decay, {"exp_avg", "exp_avg_sq"}),
          options_(options) {}

    [[nodiscard]] at::Tensor& exp_avg(std::size_t unit) {
        return states()[0].of_units[unit];
    }
    [[nodiscard]] at::Tensor& exp_avg_sq(std::size_t unit) {
        return states()[1].of_units[unit];
    }

private:
    void update_tensors(const tensors& chosen, const numbers& of) override {
        // The kernel takes the number of the update, from 1.
        const std::vector<at::Tensor> steps(
            chosen.shards.size(),
            at::full({}, static_cast<double>(of.step + 1),
                     chosen.shards.front().options().dtype(at::kFloat)));
        at::_fused_adamw_(
            chosen.shards, chosen.gradients, chosen.states[0], chosen.states[1], {},
            steps, of.rate, options_.beta1, options_.beta2, of.weight_decay, options_.eps,
            /*amsgrad=*/false, /*maximize=*/false, /*grad_scale=*/{}, of.skip);
    }

    adamw_options options_;
};

}  // namespace packkit::lt
