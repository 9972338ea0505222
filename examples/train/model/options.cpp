// SPDX-License-Identifier: Apache-2.0
#include "model/options.hpp"

#include "config/optimizer.hpp"

#include <packkit/torch/optim/adamw.hpp>
#include <packkit/torch/optim/sgd.hpp>

namespace packkit::train {

model_options model_options_of(const train_config& config, at::Device device) {
    model_options chosen;
    chosen.device = device;
    chosen.master_dtype = config.torch_dtype == dtype::float64 ? at::kDouble : at::kFloat;
    chosen.compute_dtype = config.bf16   ? at::kBFloat16
                           : config.fp16 ? at::kHalf
                                         : chosen.master_dtype;
    chosen.reshard_after_forward = config.reshard_after_forward;
    chosen.prefetch_gathers = config.prefetch_gathers;
    if (config.offload_params)
        chosen.states = config.cpu_offload_pin_memory ? memory_place::pinned_host
                                                      : memory_place::pageable_host;
    chosen.checkpointing = config.gradient_checkpointing;
    if (config.canonical_reduction) chosen.gradient_sums = lt::summation::canonical;
    chosen.context = config.ring_attn_func;
    chosen.sequence_parallel = config.sequence_parallel;
    chosen.residual_dropout = config.residual_dropout;
    chosen.dropout_seed = config.seed;
    return chosen;
}

std::unique_ptr<lt::optimizer> make_optimizer(const train_config& config,
                                              model& network) {
    if (is_adamw(config.optimizer)) {
        return std::make_unique<lt::adamw>(
            network.units(), lt::adamw_options{config.adam_beta1, config.adam_beta2,
                                               config.adam_epsilon, config.weight_decay});
    }
    return std::make_unique<lt::sgd>(
        network.units(), lt::sgd_options{config.sgd.momentum, config.sgd.dampening,
                                         config.sgd.nesterov, config.weight_decay});
}

}  // namespace packkit::train
