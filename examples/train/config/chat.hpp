// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The keys of a dataset of type chat_template.

#include "config/config.hpp"
#include "config/reader.hpp"

namespace packkit::train {

/// Reads eot_tokens and train_on_inputs, and checks the name in chat_template.
void read_top_level_chat(const key_reader& keys, train_config& config);

/// Adds the warning that a template's turns end with a text that no eot_tokens name.
void warn_of_missing_ends(train_config& config);

/// Reads the keys of a conversation of an entry of `datasets` whose type is known;
/// refuses them when it is not chat_template.
/// \param top_level where chat_template stands for all datasets.
void read_chat(const key_reader& keys, const key_reader& top_level, dataset_config& data);

}  // namespace packkit::train
