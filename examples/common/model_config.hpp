// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// config.json of a Hugging Face model folder, as Transformers 4 and 5 write it.

#include <packkit/model/model_shape.hpp>

#include <string>
#include <string_view>

namespace packkit::app {

/// The config.json that `path` names: itself, or in the folder that it is.
std::string model_config_file(const std::string& path);

/// Reads a model's shape.
/// @details The sizes must be there; other keys have the defaults of Transformers'
/// configuration class. A key that the shape has no word for and that would change its
/// parameters (an unknown model_type or activation, quantized weights, mixed lists of
/// layers) is refused; keys that do not concern the shape are ignored.
/// @param path the file, or the folder that holds it
/// @throws input_error "FILE: KEY: ..." with the value and what is expected
model_shape read_model_config(const std::string& path);

/// The same for a text. @param place the file's name in messages
model_shape parse_model_config(std::string_view text, const std::string& place);

}  // namespace packkit::app
