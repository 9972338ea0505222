// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// How the configuration wants the model to be held, computed and updated.

#include "config/config.hpp"
#include "model/model.hpp"

#include <packkit/torch/optim/optimizer.hpp>

#include <c10/core/Device.h>

#include <memory>

namespace packkit::train {

/// Returns the options of a model on `device`.
model_options model_options_of(const train_config& config, at::Device device);

/// Makes the optimizer of the model's parameters, with a state of zeros.
std::unique_ptr<lt::optimizer> make_optimizer(const train_config& config, model& network);

}  // namespace packkit::train
