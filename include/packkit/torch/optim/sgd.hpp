// SPDX-License-Identifier: Apache-2.0
/// @file
/// Stochastic gradient descent on sharded parameters: each rank updates only its own
/// rows.
#pragma once

#include <packkit/torch/optim/optimizer.hpp>

#include <ATen/Functions.h>

#include <span>
#include <string>
#include <vector>

namespace packkit::lt {

/// Arguments of torch.optim.SGD. Weight decay is added to the gradient.
struct sgd_options {
    double momentum = 0.0;
    double dampening = 0.0;
    bool nesterov = false;
    double weight_decay = 0.0;
};

/// torch.optim.SGD: with momentum one buffer of a gradient's size, without it no state.
class sgd final : public optimizer {
public:
    sgd(std::span<fully_sharded_unit> units, sgd_options options)
        : optimizer(units, options.weight_decay,
                    options.momentum == 0 ? std::vector<std::string>()
                                          : std::vector<std::string>{"momentum_buffer"}),
          options_(options) {}

private:
    void update_tensors(const tensors& chosen, const numbers& of) override {
        const bool has_buffer = !chosen.states.empty();
        at::_fused_sgd_(chosen.shards, chosen.gradients,
                        has_buffer ? chosen.states[0] : std::vector<at::Tensor>(),
                        of.weight_decay, options_.momentum, of.rate, options_.dampening,
                        options_.nesterov, /*maximize=*/false,
                        /*is_first_step=*/has_buffer && of.step == 0, /*grad_scale=*/{},
                        of.skip);
    }

    sgd_options options_;
};

}  // namespace packkit::lt
