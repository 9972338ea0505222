// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// YAML as a tree of nodes that know their lines, with the limits that a file from
/// anywhere needs.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::train {

struct config_member;

/// A value of a configuration.
struct config_node {
    enum class kind { null, scalar, sequence, map };

    kind type = kind::null;
    std::string text;                    ///< of a scalar
    std::vector<config_node> items;      ///< of a sequence
    std::vector<config_member> members;  ///< of a map, in the order of the file
    std::size_t line = 0;                ///< 0: from the command line

    /// The value under a key of a map, or nullptr.
    [[nodiscard]] const config_node* find(std::string_view key) const;
    [[nodiscard]] config_node* find(std::string_view key);
};

/// A key and its value.
struct config_member {
    std::string key;
    config_node value;
    std::size_t line = 0;  ///< of the key
};

/// Limits of the reader.
inline constexpr std::size_t max_config_bytes = std::size_t{1} << 20U;
inline constexpr std::size_t max_config_depth = 64;
inline constexpr std::size_t max_config_nodes = 100000;

/// "config.yaml:7", or "command line" for line 0.
std::string place_of(const std::string& path, std::size_t line);

/// Parses one YAML document. Aliases become copies, merge keys (<<) are merged.
/// \throws app::input_error with the place: broken YAML or UTF-8, a second document,
/// duplicate keys, keys that are no text, application tags, aliases to what holds them,
/// and the limits above (copies of anchored values count as nodes).
config_node parse_config_text(std::string_view text, const std::string& path);

/// parse_config_text() of a file; it must hold a map of keys.
config_node read_config_file(const std::string& path);

/// Sets "a.b.0.c=value" in the tree; the value is YAML. Maps on the way are made where
/// they are missing, a list grows by the index behind its last.
/// \throws app::input_error with the place "command line".
void apply_override(config_node& root, std::string_view assignment);

/// "'abc'", "a list", "a map", "nothing": for "expected …, found …".
std::string describe(const config_node& node);

}  // namespace packkit::train
