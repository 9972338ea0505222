// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Models and tokenizers that Hugging Face's programs have downloaded before.

#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {

/// Whether a text may be the name of a repository: "org/name" of letters, digits, '-',
/// '_' and '.'.
[[nodiscard]] bool is_hub_name(std::string_view text);

/// The folders of downloads, the first one first: HF_HUB_CACHE, HF_HOME/hub,
/// XDG_CACHE_HOME/huggingface/hub and ~/.cache/huggingface/hub, as far as the environment
/// names them.
[[nodiscard]] std::vector<std::string> hub_caches();

/// The folder of a repository's files in the cache: what refs/REVISION names, or the
/// snapshot whose hash REVISION is. "" when no cache has it.
/// @pre is_hub_name(name)
[[nodiscard]] std::string find_in_hub_caches(const std::string& name,
                                             const std::string& revision = "main");

/// Why a repository was not found and what to do: the folders looked in and the command
/// that fetches it.
[[nodiscard]] std::string not_in_hub_caches(const std::string& name,
                                            const std::string& revision = "main");

}  // namespace packkit::app
