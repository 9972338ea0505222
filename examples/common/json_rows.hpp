// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Rows of a JSON file: an object a line, or one array of objects.

#include "common/input_file.hpp"
#include "common/json.hpp"
#include "common/jsonl.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace packkit::app {

/// Rows of a .jsonl or .json file, one at a time.
/// @details A file whose first bytes are "[{" (white space between them apart) is one
/// array: its text is held in memory, and one element at a time is parsed. Every other
/// file has a row a line (jsonl.hpp). Rows are parsed strictly (json.hpp).
class json_row_reader {
public:
    explicit json_row_reader(input_file file);

    /// Moves to the next row; false at the end.
    /// @throws input_error with the line: a row that is not JSON, which the next call
    /// passes over; an array that is not closed or is followed by more text
    bool next(json& row);

    /// "data.json:17": the line on which the current row begins.
    [[nodiscard]] std::string place() const;
    /// That line, from 1.
    [[nodiscard]] std::size_t line_number() const;
    /// Whether the file is one array.
    [[nodiscard]] bool is_array() const { return !lines_; }
    /// Bytes taken from the file so far, for a progress bar.
    [[nodiscard]] std::uint64_t bytes_read() const;

private:
    bool next_element(json& row);
    void skip_space();
    void close(std::size_t bracket);
    [[nodiscard]] std::size_t end_of_element() const;
    [[noreturn]] void refuse(std::size_t line, const std::string& what) const;

    std::optional<jsonl_reader> lines_;  // unless the file is an array
    std::string name_;
    std::string text_;
    std::size_t at_ = 0;
    std::size_t line_ = 1;  // of at_
    std::size_t row_line_ = 0;
    bool closed_ = false;
    std::uint64_t bytes_ = 0;  // of the file that is in text_
};

}  // namespace packkit::app
