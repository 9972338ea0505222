// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Rows of Parquet and Arrow files as JSON, for readers that know JSON rows.

#include "common/json.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace packkit::app {

/// Kinds of files that hold columns.
enum class column_format : std::uint8_t { parquet, arrow };

/// Rows of a file of columns, one at a time in bounded memory: a batch of decoded columns
/// and one row as JSON are held.
/// @details Texts become strings, lists arrays, structs objects; a field of a struct that
/// is null is left out, as a writer of JSON rows would, and a column that is null is
/// null. Integers, floating-point numbers and truths are what they are; values coded by a
/// dictionary are those that the codes stand for. Texts must be UTF-8; bytes that are not
/// marked as text are read as text. Page checksums of
/// Parquet are verified where the file has them.
class column_row_reader {
public:
    /// @throws input_error for a file that is none of this format, or cut short;
    /// usage_error in a build without Arrow, saying how to build with it
    column_row_reader(const std::string& path, column_format format);
    ~column_row_reader();
    column_row_reader(const column_row_reader&) = delete;
    column_row_reader& operator=(const column_row_reader&) = delete;

    /// The names of the columns, in the file's order.
    [[nodiscard]] const std::vector<std::string>& columns() const;
    [[nodiscard]] bool has_column(const std::string& name) const;

    /// Rows hold these columns, and only they are read; to be called once, before next().
    /// @throws input_error for a column that is not there, naming those that are, that is
    /// there twice, or whose type no row can hold ("column 'x' holds timestamp[us]; …")
    void select(std::span<const std::string> names);

    /// Moves to the next row, an object; false at the end.
    /// @throws input_error with file, row group or batch, row and column
    bool next(json& row);

    /// "data.parquet: row group 2, row 17": the place of the current row; the rows of
    /// each row group or record batch count from 0.
    [[nodiscard]] std::string place() const;

    /// Bytes read so far, about, for a progress bar.
    [[nodiscard]] std::uint64_t bytes_read() const;

private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace packkit::app
