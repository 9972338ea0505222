// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The keys of activation checkpointing.

#include "config/config.hpp"
#include "config/reader.hpp"

namespace packkit::train {

/// Reads gradient_checkpointing, gradient_checkpointing_kwargs and
/// fsdp_config.activation_checkpointing, which says the same.
/// \param fsdp the keys of fsdp_config, without prefixes
void read_checkpointing(const key_reader& keys, const key_reader& fsdp,
                        train_config& config);

}  // namespace packkit::train
