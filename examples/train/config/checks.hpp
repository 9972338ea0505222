// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What of a configuration is refused by name or by contradiction.

#include "config/config.hpp"
#include "config/reader.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::train {

/// Refuses keys that are unknown, unsupported (unless their value switches them off) or
/// contradict each other; those without effect become warnings.
void check_top_level_keys(const key_reader& keys, std::vector<std::string>& warnings);

/// Refuses a key of an entry of `datasets` likewise.
void check_dataset_key(const key_reader& keys, const config_member& member);

/// Refuses the dataset types that Axolotl knows and this trainer does not, by name.
void check_dataset_type(const key_reader& keys);

/// Reads ds_type; refuses a file whose name does not fit what is to be read from it.
void check_dataset_file(const key_reader& keys, dataset_config& data);

/// Refuses a key by name, with the nearest of those that are known.
[[noreturn]] void refuse_unknown(const key_reader& keys, const config_member& member,
                                 std::span<const std::string_view> known);

}  // namespace packkit::train
