// SPDX-License-Identifier: Apache-2.0
#include "table.hpp"

#include "did_you_mean.hpp"
#include "errors.hpp"
#include "html.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace packkit::app {
namespace {

std::string csv_cell(const std::string& cell) {
    if (cell.find_first_of(",\"\n") == std::string::npos) return cell;
    std::string result = "\"";
    for (const char c : cell) {
        if (c == '"') result += '"';
        result += c;
    }
    return result + "\"";
}

std::string markdown_cell(const std::string& cell) {
    std::string result;
    for (const char c : cell) {
        if (c == '|') result += '\\';
        result += c == '\n' || c == '\r' ? ' ' : c;
    }
    return result;
}

}  // namespace

output_format parse_output_format(std::string_view name) {
    for (std::size_t i = 0; i < output_format_names.size(); ++i) {
        if (output_format_names[i] == name) return static_cast<output_format>(i);
    }
    throw usage_error("--format", "unknown format " + in_quotes(name) +
                                      "; expected one of " +
                                      name_list(output_format_names) +
                                      did_you_mean(name, output_format_names));
}

std::size_t display_width(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    }));
}

std::string padded(std::string_view text, std::size_t width, alignment align) {
    const std::size_t used = display_width(text);
    const std::string space(used < width ? width - used : 0, ' ');
    std::string result;
    if (align == alignment::right) result = space;
    result += text;
    if (align == alignment::left) result += space;
    return result;
}

std::string text_bar(double share, std::size_t width) {
    static constexpr std::array<std::string_view, 8> parts = {"",  "▏", "▎", "▍",
                                                              "▌", "▋", "▊", "▉"};
    if (!(share > 0.0)) return {};
    const double columns = std::min(share, 1.0) * static_cast<double>(width);
    const auto eighths =
        std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(columns * 8.0)));
    std::string bar;
    for (std::size_t i = 0; i < eighths / 8; ++i)
        bar += "█";
    bar += parts[eighths % 8];
    return bar;
}

table::table(std::vector<column> columns) : columns_(std::move(columns)) {}

void table::add_row(std::vector<std::string> cells) {
    if (cells.size() != columns_.size()) {
        throw std::logic_error("table row has " + std::to_string(cells.size()) +
                               " cells, the table " + std::to_string(columns_.size()) +
                               " columns");
    }
    rows_.push_back(std::move(cells));
}

std::string table::to_text() const {
    std::vector<std::size_t> widths;
    for (const column& c : columns_)
        widths.push_back(display_width(c.name));
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], display_width(row[i]));
        }
    }
    std::string text;
    const auto add_line = [&](const auto& cell_of) {
        std::string line;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            if (i > 0) line += "  ";
            line += padded(cell_of(i), widths[i], columns_[i].align);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    };
    add_line([&](std::size_t i) { return columns_[i].name; });
    std::string rule;
    for (std::size_t i = 0; i < widths.size(); ++i) {
        if (i > 0) rule += "  ";
        for (std::size_t j = 0; j < widths[i]; ++j)
            rule += "─";
    }
    text += rule + "\n";
    for (const auto& row : rows_) {
        add_line([&](std::size_t i) { return row[i]; });
    }
    return text;
}

std::string table::to_csv() const {
    // RFC 4180 but for its CRLF, which shell tools take for a part of the last cell.
    std::string text;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        text += (i > 0 ? "," : "") + csv_cell(columns_[i].name);
    }
    text += "\n";
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            text += (i > 0 ? "," : "") + csv_cell(row[i]);
        }
        text += "\n";
    }
    return text;
}

std::string table::to_markdown() const {
    std::string text = "|";
    for (const column& c : columns_)
        text += " " + markdown_cell(c.name) + " |";
    text += "\n|";
    for (const column& c : columns_)
        text += c.align == alignment::right ? "--:|" : ":--|";
    text += "\n";
    for (const auto& row : rows_) {
        text += "|";
        for (const std::string& cell : row)
            text += " " + markdown_cell(cell) + " |";
        text += "\n";
    }
    return text;
}

std::string table::to_html() const {
    const auto cell = [&](std::size_t i, const char* tag, const char* attributes,
                          const std::string& text) {
        if (columns_[i].bars) return std::string();
        const bool left = columns_[i].align == alignment::left;
        return std::string("<") + tag + attributes + (left ? " class=\"left\">" : ">") +
               html_escaped(text) + "</" + tag + ">";
    };
    std::string html = "<div class=\"scroll\"><table><thead><tr>";
    for (std::size_t i = 0; i < columns_.size(); ++i)
        html += cell(i, "th", " scope=\"col\"", columns_[i].name);
    html += "</tr></thead><tbody>\n";
    for (std::size_t row = 0; row < rows_.size(); ++row) {
        html += row == marked_ ? "<tr class=\"best\">" : "<tr>";
        for (std::size_t i = 0; i < columns_.size(); ++i)
            html += cell(i, "td", "", rows_[row][i]);
        html += "</tr>\n";
    }
    return html + "</tbody></table></div>\n";
}

}  // namespace packkit::app
