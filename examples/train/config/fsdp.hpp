// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// How parameters are sharded: fsdp_version, fsdp_config, and how older files say it.

#include "config/config.hpp"
#include "config/kinds.hpp"
#include "config/reader.hpp"

namespace packkit::train {

/// Values of fsdp_config.sharding_strategy.
enum class sharding_strategy : std::uint8_t { full_shard, shard_grad_op, hybrid_shard };
template <>
inline constexpr auto names_of<sharding_strategy> =
    in_order<sharding_strategy>("FULL_SHARD", "SHARD_GRAD_OP", "HYBRID_SHARD");

/// Values of fsdp_config.auto_wrap_policy.
enum class wrap_policy : std::uint8_t { transformer_based, size_based };
template <>
inline constexpr auto names_of<wrap_policy> =
    in_order<wrap_policy>("TRANSFORMER_BASED_WRAP", "SIZE_BASED_WRAP");

/// Takes the deprecated prefix fsdp_ off the keys of fsdp_config.
void strip_fsdp_prefixes(const std::string& file, config_node& root,
                         config_problems& problems, std::vector<std::string>& warnings);

/// Settles what several keys say about sharding, after read_keys().
void apply_fsdp_rules(const key_reader& keys, train_config& config,
                      config_problems& problems);

}  // namespace packkit::train
