// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Rows of the dataset type tokens.

#include "common/json.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace packkit::train {

/// Refuses a key or column that a row of ids does not have. Those that tokenizers write
/// beside the ids say nothing new; others are a mistake that would go unnoticed
/// ("label").
/// \param what "key" or "column", for the message
/// \throws app::input_error with `place`
void check_column(const std::string& place, const char* what, const std::string& key);

/// Replaces `out` by the array of ids under a key.
/// \param vocab_size ids are below it
/// \param may_be_ignored also ignored_label may stand there
/// \throws app::input_error with `place`, the position and the value
void read_ids(const std::string& place, const app::json& row, const char* key,
              std::int64_t vocab_size, bool may_be_ignored,
              std::vector<std::int32_t>& out);

}  // namespace packkit::train
