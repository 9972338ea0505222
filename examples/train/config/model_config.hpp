// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// config.json of a Hugging Face model folder: what the trainer takes and what it writes.

#include "common/json.hpp"

#include <packkit/model/model_shape.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace packkit::train {

/// Reads the config.json of a model that this trainer computes: see
/// app::read_model_config.
/// \param path the file, or the folder that holds it.
/// \details What this trainer would compute differently is refused, not ignored: another
/// family, rotary frequencies that depend on a batch, dropout.
/// \throws app::input_error with file, key and value.
model_shape read_model_config(const std::string& path);

/// The config.json itself, as it is written. \throws as read_model_config.
app::ordered_json read_model_document(const std::string& path);

/// The text of a config.json to save beside weights in `dtype` ("float32", "float64",
/// "bfloat16"): that of the model folder, in which Transformers 4 and 5 find all that
/// they look for.
/// \param base the document that read_model_config took the shape from.
std::string saved_model_config(const app::ordered_json& base, std::string_view dtype);

}  // namespace packkit::train
