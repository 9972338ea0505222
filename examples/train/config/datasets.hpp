// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The list `datasets` and what depends on the types in it.

#include "config/config.hpp"
#include "config/reader.hpp"

namespace packkit::train {

/// Reads the entries of `datasets`; config.datasets gets one each, also for an entry that
/// has problems. Then settles what depends on their types: tokenizer_type,
/// train_on_inputs, the ends of turns.
void read_dataset_list(const key_reader& keys, train_config& config,
                       config_problems& problems);

}  // namespace packkit::train
