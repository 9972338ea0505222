// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Tables for people and for programs: aligned text, CSV (RFC 4180 with line feeds),
/// GitHub Markdown, HTML.

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {

/// The values of every program's `--format`.
// GCC takes an enumerator of a scoped enumeration for one that hides the type app::json.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
enum class output_format { table, json, csv, markdown };
#pragma GCC diagnostic pop

inline constexpr std::array<std::string_view, 4> output_format_names = {
    "table", "json", "csv", "markdown"};

/// @throws usage_error with a suggestion for an unknown name.
output_format parse_output_format(std::string_view name);

enum class alignment { left, right };

/// Rows of cells under named columns. Cells are UTF-8; every code point counts as one
/// column of the terminal.
class table {
public:
    struct column {
        std::string name;
        alignment align = alignment::right;
        bool bars = false;  ///< text_bar()s: a page has plots instead
    };

    explicit table(std::vector<column> columns);

    /// Appends a row. @throws std::logic_error when the number of cells is not that of
    /// the columns.
    void add_row(std::vector<std::string> cells);

    [[nodiscard]] std::size_t rows() const { return rows_.size(); }

    /// Makes a row stand out on a page.
    void mark_row(std::size_t row) { marked_ = row; }

    /// Aligned columns under a rule, each line ended by a line feed.
    [[nodiscard]] std::string to_text() const;
    /// Header and rows; cells with a comma, quote or line ending are quoted.
    [[nodiscard]] std::string to_csv() const;
    /// A GitHub table; '|' inside a cell is escaped.
    [[nodiscard]] std::string to_markdown() const;
    /// A table of a page (report/page.cpp).
    [[nodiscard]] std::string to_html() const;

private:
    std::vector<column> columns_;
    std::vector<std::vector<std::string>> rows_;
    std::optional<std::size_t> marked_;
};

/// Columns that `text` takes on a terminal: its UTF-8 code points.
std::size_t display_width(std::string_view text);

/// `text` with spaces before or behind up to `width` columns.
std::string padded(std::string_view text, std::size_t width, alignment align);

/// A bar of `share` (0 to 1) of `width` columns in eighths of a block, without trailing
/// spaces; the thinnest bar for anything above 0.
std::string text_bar(double share, std::size_t width);

}  // namespace packkit::app
