// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// A document, YAML or JSON, as a tree of nodes that know their lines, read with the
/// limits that a file from anywhere needs.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {

struct document_member;

/// A value of a document.
struct document_node {
    enum class kind : std::uint8_t { null, scalar, sequence, map };

    kind type = kind::null;
    bool quoted = false;                   ///< a scalar that is text, whatever it says
    std::size_t line = 0;                  ///< 0: not from a file
    std::string text;                      ///< of a scalar, as written
    std::vector<document_node> items;      ///< of a sequence
    std::vector<document_member> members;  ///< of a map, in the order of the file

    /// The value under a key of a map, or nullptr. O(members).
    [[nodiscard]] const document_node* find(std::string_view key) const;
    [[nodiscard]] document_node* find(std::string_view key);
};

/// A key and its value.
struct document_member {
    std::string key;
    document_node value;
    std::size_t line = 0;  ///< of the key
};

/// Limits of both readers. Only files of YAML, which has aliases, are small by nature.
inline constexpr std::size_t max_document_depth = 64;
inline constexpr std::size_t max_yaml_bytes = std::size_t{1} << 20U;
inline constexpr std::size_t max_yaml_nodes = 100000;

/// Parses one YAML document. Aliases become copies, merge keys (<<) are merged.
/// @param file name for places; "" for a text from the command line, whose nodes get
/// line 0
/// @throws input_error with the place: broken YAML or UTF-8, a second document, duplicate
/// keys, keys that are no text, application tags, aliases to what holds them, and the
/// limits above (copies of anchored values count as nodes)
document_node parse_yaml(std::string_view text, const std::string& file);

/// Reads a file of one YAML document that must be a map of keys ("-": standard input).
/// @throws input_error when it cannot be read, is no map, or as parse_yaml
document_node read_yaml_file(const std::string& path);

/// Parses one JSON document, as strictly as parse_json (json.hpp).
/// @param file name for places
/// @param first_line number of the first line of `text`
/// @throws input_error as parse_json
document_node parse_json_document(std::string_view text, const std::string& file,
                                  std::size_t first_line = 1);

/// Reads a file of one JSON document ("-": standard input).
/// @throws input_error when it cannot be read, is empty, or as parse_json
document_node read_json_document(const std::string& path);

/// "config.yaml:7", or "command line" for line 0.
std::string place_of(const std::string& file, std::size_t line);

/// A value for "expected …, found …": "'abc'", "a list", "a map", "nothing" in the words
/// of YAML; "'abc'", "1.5", "an array", "an object", "null" in those of JSON.
std::string describe(const document_node& node);
std::string describe_json(const document_node& node);

}  // namespace packkit::app
