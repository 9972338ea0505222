// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// What Parquet and Arrow files have in common: a column found by name, and its values as
/// samples. Included only where Arrow is.

#include "common/arrow_batches.hpp"
#include "input.hpp"
#include "token_counter.hpp"

#include <arrow/api.h>

#include <cstdint>
#include <memory>
#include <string>

namespace packkit::app {

/// A column and where it lies.
struct column_path {
    field_path fields;
    std::string name;  ///< as the user wrote it, or the default
    std::shared_ptr<arrow::DataType> type;
};

/// Finds the column that `rows` name: by its full name, or along the structs that its
/// points separate. Without a name given the default, or the only column there is.
/// @throws input_error for a column that is not there, with a suggestion, or whose type
/// is neither a length, nor ids, nor a text
/// @throws usage_error for a text without a tokenizer, or a type other than the option
/// that named the column expects
column_path find_column(const arrow::Schema& schema, const row_options& rows,
                        const std::string& file);

/// Turns pieces of a column into samples.
class column_reader {
public:
    column_reader(column_path column, const row_options& rows, std::string file,
                  sample_sink& sink);

    /// Reads the column's values of these rows. `part` names the row group or record
    /// batch for messages ("row group 2"); its rows count from 0.
    /// @throws input_error with file, column, part and row
    void read(const arrow::RecordBatch& batch, const std::string& part,
              std::int64_t first_row);

    [[nodiscard]] const column_path& column() const { return column_; }

private:
    column_path column_;
    row_options rows_;
    std::string file_;
    sample_sink& sink_;
    token_counter count_tokens_;
};

}  // namespace packkit::app
