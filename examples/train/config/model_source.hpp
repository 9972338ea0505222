// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Where a configuration's model and tokenizer are.

#include "config/config.hpp"
#include "config/reader.hpp"

namespace packkit::train {

/// Finds the folders of base_model and base_model_config: a folder beside the
/// configuration, or a name of the Hub in the local cache. Then holds the keys that
/// override config.json to what its reader knows, and model_type to what it says.
void settle_model(const key_reader& keys, train_config& config,
                  config_problems& problems);

/// Finds the tokenizer: bytes, the file or folder that tokenizer_type names, otherwise
/// that of tokenizer_config, otherwise that of the model. Data sets of ids alone need
/// none. To be called after settle_model() and after the datasets have been read.
void settle_tokenizer(const key_reader& keys, train_config& config,
                      config_problems& problems);

}  // namespace packkit::train
