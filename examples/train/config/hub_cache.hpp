// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The local cache of the Hugging Face hub.

#include <optional>
#include <string>
#include <string_view>

namespace packkit::train {

/// The cache's folder: HF_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub or
/// ~/.cache/huggingface/hub.
[[nodiscard]] std::string hub_folder();

/// Whether a text may be the name of a repository on the hub: "name" or "owner/name".
[[nodiscard]] bool is_hub_name(std::string_view name);

/// The folder in which the cache holds a data set, or nothing when it holds none.
/// \param revision a branch, tag or commit; "" means main
[[nodiscard]] std::optional<std::string> hub_dataset(const std::string& name,
                                                     const std::string& revision);

}  // namespace packkit::train
