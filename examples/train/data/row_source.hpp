// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The rows of a data file, whatever its format.

#include "common/json.hpp"
#include "config/config.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace packkit::train {

/// Rows of one file, in their order.
class row_source {
public:
    virtual ~row_source() = default;

    /// Moves to the next row; false at the end. \throws app::input_error with the place
    virtual bool next(app::json& row) = 0;
    /// Whether next() may go on behind a row for which it has thrown.
    [[nodiscard]] virtual bool passes_over_errors() const { return false; }
    /// "data.jsonl:17" or "x.parquet: row group 2, row 17": the place of the current row.
    [[nodiscard]] virtual std::string place() const = 0;
    /// Bytes read so far, about, for a progress bar.
    [[nodiscard]] virtual std::uint64_t bytes_read() const = 0;
};

/// Keys that are read of each row; a.b for a nested one.
struct row_keys {
    std::vector<std::string> needed;    ///< a column must be there
    std::vector<std::string> optional;  ///< it need not
};

/// Opens a file.
/// \details Rows of columns (Parquet, Arrow) hold the keys asked for and no others; all
/// other rows are whole. A .txt file has rows {"text": …} of lines, paragraphs or the
/// document, as sample_by says; it may hold any bytes. Names that end with .gz or .zst
/// are decompressed.
/// \throws app::input_error for a file that cannot be read or has no column of that name
[[nodiscard]] std::unique_ptr<row_source> open_rows(const std::string& file,
                                                    file_format format,
                                                    text_unit sample_by,
                                                    const row_keys& keys);

/// Names of a file's columns, or the keys of its first row; none for an empty file.
/// \throws app::input_error for a file that cannot be read
[[nodiscard]] std::vector<std::string> keys_of_rows(const std::string& file,
                                                    file_format format,
                                                    text_unit sample_by);

}  // namespace packkit::train
