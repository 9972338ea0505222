// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// How parameters are sharded: fsdp_version, fsdp_config, and how older files say it.

#include "config/config.hpp"
#include "config/reader.hpp"

namespace packkit::train {

/// Reads fsdp_version, fsdp_config and with it the keys of activation checkpointing; the
/// list `fsdp` and FSDP1's keys get a note that they are deprecated.
void read_fsdp(const key_reader& keys, train_config& config);

}  // namespace packkit::train
