// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// JSON Lines: one JSON document a line.

#include "document.hpp"
#include "input_file.hpp"
#include "json.hpp"

#include <cstddef>
#include <string>

namespace packkit::app {

/// Rows of a .jsonl file, one at a time in bounded memory. Accepts CRLF, a last line
/// without an ending and blank lines; each row is parsed strictly (json.hpp).
class jsonl_reader {
public:
    /// @throws input_error when the file cannot be opened.
    explicit jsonl_reader(const std::string& path, json_limits limits = {});
    explicit jsonl_reader(input_file file, json_limits limits = {});

    /// Moves to the next row; false at the end.
    /// @throws input_error with the line for a row that is not JSON; a broken last line
    /// without an ending is reported as cut short.
    bool next(json& row);
    /// The row as a document, for typed access to rows that are few.
    bool next(document_node& row);

    /// Number of the current line, from 1.
    [[nodiscard]] std::size_t line_number() const { return lines_.line_number(); }

    /// "data.jsonl:17": the place of the current row.
    [[nodiscard]] std::string place() const { return lines_.place(); }

    /// Bytes taken from the file so far, and its size if known, for a progress bar.
    [[nodiscard]] std::uint64_t bytes_read() const { return lines_.bytes_read(); }
    [[nodiscard]] std::uint64_t size_hint() const { return lines_.file().size_hint(); }

private:
    template <class Parse>
    bool read(const Parse& parse);

    line_reader lines_;
    json_limits limits_;
};

}  // namespace packkit::app
