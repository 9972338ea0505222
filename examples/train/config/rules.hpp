// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What several keys of a configuration must fulfil together, and the list `datasets`
/// with what depends on the types in it.

#include "config/config.hpp"
#include "config/reader.hpp"
#include "config/schema.hpp"

namespace packkit::train {

/// Contradictions that have a message of their own also where a key is not supported;
/// before read_keys().
void check_conflicts(const key_reader& keys, config_problems& problems);

/// Settles and checks, after read_keys(), what keys of the file say together: batch size,
/// padding, schedule, precision, mesh, sharding.
void apply_rules(const key_reader& keys, train_config& config, config_problems& problems,
                 key_remarks& remarks);

/// Settles when checkpoints are saved, where, and the number of steps that is not set.
void apply_saving_rules(const key_reader& keys, train_config& config,
                        config_problems& problems);

/// Reads resume_from_checkpoint: the folder of a checkpoint, or true for the newest one
/// of output_dir.
void read_resume_from_checkpoint(const key_reader& keys, train_config& config);

/// Reads the entries of `datasets`; config.datasets gets one each, also for an entry that
/// has problems. Then settles what depends on their types: tokenizer_type,
/// train_on_inputs, the ends of turns.
void read_dataset_list(const key_reader& keys, train_config& config,
                       config_problems& problems, key_remarks& remarks);

}  // namespace packkit::train
