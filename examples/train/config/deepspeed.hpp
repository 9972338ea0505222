// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The key `deepspeed`: what a DeepSpeed configuration says about sharding.

#include "config/config.hpp"
#include "config/reader.hpp"
#include "config/schema.hpp"

namespace packkit::train {

/// Takes over what the key `deepspeed` says: a JSON file, relative to the configuration,
/// or the same keys in place.
/// \details zero_optimization.stage 0 is DDP, 1 and 2 are ZeRO-2 (parameters whole
/// between forward and backward), 3 is FSDP. An offload device "cpu" is
/// fsdp_config.offload_params. Batch sizes and clipping must be "auto" or what the
/// configuration says. Everything else is noted or rejected by its name, as in
/// read_keys(). Call after the rules of FSDP have set their defaults.
void apply_deepspeed(const key_reader& keys, train_config& config,
                     config_problems& problems, key_remarks& remarks);

}  // namespace packkit::train
