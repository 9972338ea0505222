// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Models and data sets that Hugging Face's programs have downloaded before.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {

/// What a repository of the hub holds.
enum class hub_kind : std::uint8_t { model, dataset };

/// Whether a text may be the name of a repository: "org/name" of letters, digits, '-',
/// '_' and '.'; for a data set also "name".
[[nodiscard]] bool is_hub_name(std::string_view text, hub_kind kind);

/// The folders of downloads, the first one first: HF_HUB_CACHE, HF_HOME/hub,
/// XDG_CACHE_HOME/huggingface/hub and ~/.cache/huggingface/hub, as far as the environment
/// names them.
[[nodiscard]] std::vector<std::string> hub_caches();

/// The folder of a repository's files in the cache: what refs/REVISION names, or the
/// snapshot whose hash REVISION is. "" when no cache has it, or no repository can have
/// that name.
[[nodiscard]] std::string find_in_hub_caches(const std::string& name, hub_kind kind,
                                             const std::string& revision = "main");

/// Why a model was not found and what to do: the folders looked in and the command
/// that fetches it.
[[nodiscard]] std::string not_in_hub_caches(const std::string& name,
                                            const std::string& revision = "main");

}  // namespace packkit::app
