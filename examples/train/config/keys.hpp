// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The names of all keys: those read, those that change nothing here, and those of
/// Axolotl that this trainer does not support.

#include <algorithm>
#include <span>
#include <string_view>

namespace packkit::train {

/// A key and what to say about it.
struct named_key {
    std::string_view name;
    std::string_view note;
};

/// Whether `name` is among `names`.
[[nodiscard]] inline bool contains(std::span<const std::string_view> names,
                                   std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// Keys of the file that are read.
std::span<const std::string_view> top_level_keys();
/// Keys of an entry of `datasets`.
std::span<const std::string_view> dataset_keys();
/// Keys of `fsdp_config`.
std::span<const std::string_view> fsdp_keys();

/// Keys that may stand in a file and change nothing here; the note says why. They become
/// warnings.
std::span<const named_key> inert_keys();

/// What to do instead of a key that Axolotl knows and this trainer does not support: ""
/// when there is nothing to say, nullptr when the key is none of these.
const std::string_view* unsupported_key(std::string_view name);
const std::string_view* unsupported_dataset_key(std::string_view name);

}  // namespace packkit::train
