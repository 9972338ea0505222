// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Optimizers by name, values of their keys, and what these keys must fulfil together.

#include "config/config.hpp"
#include "config/reader.hpp"
#include "config/tree.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace packkit::train {

/// Whether the name selects AdamW.
[[nodiscard]] constexpr bool is_adamw(optimizer_name name) {
    return name != optimizer_name::sgd;
}

/// Returns bits of an element of a moment in the optimizer of that name; 32 where it is
/// not compressed.
[[nodiscard]] int moment_bits(optimizer_name name);

/// Returns a line for the log where the named optimizer compresses or pages its state,
/// which this trainer does not: "optimizer adamw_8bit runs as AdamW …".
/// \param state_bytes bytes of both moments on a rank, if they are known
[[nodiscard]] std::optional<std::string> optimizer_note(
    const train_config& config, std::optional<std::int64_t> state_bytes);

/// Value of `lr_groups`: a list of maps with name, modules and lr.
struct learning_rate_groups {
    [[nodiscard]] std::optional<std::vector<learning_rate_group>> read(
        const config_node& node) const;
    [[nodiscard]] std::string expected() const {
        return "a list as [{name: head, modules: [lm_head], lr: 1.0e-5}]";
    }
    /// As JSON.
    [[nodiscard]] std::string text(const std::vector<learning_rate_group>& value) const;
};

/// Value of `unfrozen_parameters`: a pattern, or a list of patterns.
struct parameter_patterns {
    [[nodiscard]] std::optional<std::vector<std::string>> read(
        const config_node& node) const;
    [[nodiscard]] std::string expected() const {
        return "a list of regular expressions, as [\"^lm_head\", \"layers.2[0-9]+\"]";
    }
    [[nodiscard]] std::string text(const std::vector<std::string>& value) const;
};

/// Settles and checks, after read_keys(), optimizer, its arguments and the schedule.
void apply_optimizer_rules(const key_reader& keys, train_config& config,
                           config_problems& problems);

/// Settles and checks, after read_keys(), in which precision is computed.
void apply_precision_rules(const key_reader& keys, train_config& config,
                           config_problems& problems);

}  // namespace packkit::train
