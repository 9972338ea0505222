// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Strict JSON (RFC 8259) with the place of every fault: syntax, trailing text, broken
/// UTF-8, numbers too large, nesting beyond the limit and duplicate keys are refused.

#include "errors.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace packkit::app {

/// JSON as read: keys sorted, found in logarithmic time.
using json = nlohmann::json;
/// JSON as written: keys in the order of insertion.
using ordered_json = nlohmann::ordered_json;

/// A text that is no JSON document.
struct json_syntax_error : input_error {
    json_syntax_error(const std::string& place, const std::string& message, bool at_end)
        : input_error(place, message), cut_short(at_end) {}
    bool cut_short;  ///< the text ends where it should go on
};

/// Limits of the reader.
struct json_limits {
    std::size_t max_depth = 64;  ///< levels of nested arrays and objects
};

/// Parses the one document in `text`.
/// @param place file name for messages ("config.json"), or a complete place when
/// `first_line` is 0 ("data.jsonl:17"): then no line is added to it.
/// @param first_line number of the first line of `text`.
/// @throws json_syntax_error, input_error, as in "config.json:3: key 'lr' appears twice
/// in one object".
json parse_json(std::string_view text, const std::string& place,
                std::size_t first_line = 1, json_limits limits = {});

/// Reads a file that holds one document ("-": standard input).
/// @throws input_error when it cannot be read, is empty, or as parse_json.
json read_json_file(const std::string& path, json_limits limits = {});

/// Receives the elements of a JSON array of scalars with their lines: for large files
/// that should not become a tree. `index` counts from 0.
class json_array_visitor {
public:
    virtual ~json_array_visitor() = default;
    /// An integer that fits std::int64_t.
    virtual void integer(std::size_t index, std::size_t line, std::int64_t value) = 0;
    /// Anything else, as written in the file or described: "1.5", "an object", "null".
    virtual void other(std::size_t index, std::size_t line, std::string_view what) = 0;
};

/// Streams a document that must be one array through `visitor`, element by element.
/// Exceptions of the visitor pass through. @throws input_error as parse_json, and when
/// the document is not an array.
void visit_json_array(std::string_view text, const std::string& place,
                      json_array_visitor& visitor);

/// "an object", "an array", "a string", "a number", "true", "false", "null".
std::string_view json_kind(const json& value);

}  // namespace packkit::app
