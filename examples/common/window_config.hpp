// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The keys of config.json that say which layers see only the last tokens.

#include "document_field.hpp"

#include <packkit/model/model_shape.hpp>

namespace packkit::app {

/// Reads sliding_window with use_sliding_window and max_window_layers (Qwen),
/// sliding_window_pattern (Gemma 3) and layer_types, which has the last word. The family
/// and num_hidden_layers of `model` must be set.
/// @throws input_error for a list of layers that is no pattern, or of another length
void read_windows(const document_field& keys, model_shape& model);

}  // namespace packkit::app
