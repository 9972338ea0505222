// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// How the configuration wants the model to be held and computed.

#include "config/config.hpp"
#include "model/model.hpp"

#include <c10/core/Device.h>

namespace packkit::train {

/// Returns the options of a model on `device`.
model_options model_options_of(const train_config& config, at::Device device);

}  // namespace packkit::train
