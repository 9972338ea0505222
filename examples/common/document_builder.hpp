// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Builds a document from the events of a parser, whatever its syntax: depth and
/// duplicate keys are checked here.

#include "document.hpp"

#include <cstddef>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace packkit::app {

class document_builder {
public:
    explicit document_builder(std::string file) : file_(std::move(file)) {}

    /// Begins a sequence or a map. @throws input_error when it is nested too deep
    void start(document_node::kind type, std::size_t line);
    /// Takes the innermost sequence or map from the open ones; add() puts it in its
    /// place.
    [[nodiscard]] document_node end();

    /// The name of the next member. @throws input_error when the map has it already
    void key(std::string name, std::size_t line);
    /// The next value: of the innermost map under the last key, of a sequence, or the
    /// document.
    void add(document_node node);

    /// Whether the next node is a key: a map is open that waits for none of its values.
    [[nodiscard]] bool wants_key() const;
    /// The innermost open map with the lines of its keys, for merging.
    [[nodiscard]] document_node& map() { return open_.back().node; }
    [[nodiscard]] std::unordered_map<std::string, std::size_t>& key_lines() {
        return open_.back().key_lines;
    }
    [[nodiscard]] std::size_t depth() const { return open_.size(); }
    /// @throws input_error when `depth` levels are too many
    void check_depth(std::size_t line, std::size_t depth) const;
    [[noreturn]] void refuse(std::size_t line, const std::string& what) const;

    document_node root;

private:
    struct level {
        document_node node;
        std::unordered_map<std::string, std::size_t> key_lines;  // of a map
        bool has_key = false;
    };

    std::string file_;
    std::vector<level> open_;
};

}  // namespace packkit::app
