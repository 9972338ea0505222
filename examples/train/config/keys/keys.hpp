// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The parts of the table of keys (config/schema.hpp), a topic a file.
/// \details A key is one row in the file of its topic and, where a member holds its
/// value, one line in config.hpp.

#include "config/schema.hpp"

#include <vector>

namespace packkit::train {

using key_list = std::vector<config_key<train_config>>;

/// Short names for the rows of the table.
namespace key_rows {
using namespace std::string_view_literals;
using enum key_status;
using enum key_effect;
using C = train_config;
using K = config_key<train_config>;
}  // namespace key_rows

key_list model_keys();
key_list data_keys();
key_list rows_keys();
key_list optimizer_keys();
key_list mesh_keys();
key_list run_keys();
key_list plugin_keys();
key_list sharding_keys();  ///< of fsdp_config

/// Keys that change nothing here, and keys that would change the result.
std::vector<key_group> other_keys();

}  // namespace packkit::train
