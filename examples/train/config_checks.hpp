// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What of a configuration is refused by name or by contradiction.

#include "config.hpp"
#include "config_reader.hpp"

#include <string>
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

/// Reads fsdp_version, fsdp_config and with it the keys of activation checkpointing.
void read_fsdp(const key_reader& keys, train_config& config);

}  // namespace packkit::train
