// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What files and folders with tensors hold, for `packkit-train inspect`.

#include "common/json.hpp"

#include <string>

namespace packkit::train {

/// One safetensors file.
app::ordered_json inspect_safetensors(const std::string& path);
/// model.safetensors.index.json or shards.index.json, and the files that it lists.
app::ordered_json inspect_index(const std::string& path);
/// A checkpoint's folder.
app::ordered_json inspect_checkpoint(const std::string& folder);
/// A folder with config.json, and weights if there are any.
app::ordered_json inspect_model(const std::string& folder);
/// A folder with weights and nothing that says of which model.
app::ordered_json inspect_weights(const std::string& folder);
/// A .npy file.
app::ordered_json inspect_npy(const std::string& path);
/// config.json of a model.
app::ordered_json inspect_config(const std::string& path);

/// Whether a folder holds weights in one of the forms that weight_files opens.
[[nodiscard]] bool has_weights(const std::string& folder);

}  // namespace packkit::train
