// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Rows of a .csv file as JSON objects.

#include "common/input_file.hpp"
#include "common/json.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace packkit::app {

/// Rows of a file of comma-separated values (RFC 4180), one at a time in bounded memory.
/// @details The first row names the columns. A row is an object with a string for each
/// column. A field between quotes may hold commas, line ends and quotes, which are
/// doubled. "\n" and "\r\n" end a row; blank lines are passed over, and so is a UTF-8
/// byte order mark. Texts must be UTF-8.
class csv_reader {
public:
    /// @throws input_error for a header that is missing, names a column twice or none
    explicit csv_reader(input_file file);

    /// Names of the columns, in the order of the file.
    [[nodiscard]] const std::vector<std::string>& columns() const { return columns_; }

    /// Moves to the next row; false at the end.
    /// @throws input_error with the line: another number of fields than the header has,
    /// text behind a closing quote, a quote that is not closed, text that is not UTF-8
    bool next(json& row);

    /// "data.csv:17": the line on which the current row begins.
    [[nodiscard]] std::string place() const;
    /// That line, from 1; 0 before the first.
    [[nodiscard]] std::size_t line_number() const { return row_line_; }
    /// Bytes taken from the file so far, for a progress bar.
    [[nodiscard]] std::uint64_t bytes_read() const;

private:
    bool read_fields();
    void read_field(int first);
    int read_quoted();
    int get();
    int peek();
    bool fill();

    input_file file_;
    std::string buffer_;
    std::size_t at_ = 0;
    std::uint64_t bytes_read_ = 0;
    std::size_t line_ = 1;  // of the next byte
    std::size_t row_line_ = 0;
    bool row_ended_ = false;
    std::vector<std::string> columns_;
    std::vector<std::string> fields_;
};

}  // namespace packkit::app
