// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

namespace packkit::app {
namespace {

/// A value of CSV: the text of a string, anything else as JSON writes it; nothing for
/// null.
std::string csv_text(const ordered_json& value) {
    if (value.is_null()) return {};
    return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

report_section item_section(std::string title, std::vector<std::string> items) {
    if (items.empty()) return {};
    return {.title = std::move(title), .items = std::move(items)};
}

std::string to_text(const printed_report& report) {
    std::string text = report.headline + "\n";
    for (const std::string& line : report.lines)
        text += line + "\n";
    for (const report_section& one : report.sections) {
        if (one.title.empty() || one.where == shown_in::page) continue;
        text += "\n" + one.title + "\n";
        for (const std::string& line : one.lines)
            text += "  " + line + "\n";
        for (const table& shown : one.tables)
            text += shown.to_text();
        for (const std::string& item : one.items)
            text += "- " + item + "\n";
    }
    return text;
}

std::string to_markdown(const printed_report& report) {
    std::string text = "# " + report.headline + "\n";
    const auto add_lines = [&](const std::vector<std::string>& lines) {
        for (const std::string& line : lines)
            text += "\n" + line + "\n";
    };
    add_lines(report.lines);
    for (const report_section& one : report.sections) {
        if (one.title.empty() || one.where == shown_in::page) continue;
        text += "\n## " + one.title + "\n";
        add_lines(one.lines);
        for (const table& shown : one.tables)
            text += "\n" + shown.to_markdown();
        if (!one.items.empty()) text += "\n";
        for (const std::string& item : one.items)
            text += "- " + item + "\n";
    }
    return text;
}

std::string render_facts(const std::vector<fact>& facts, const std::string& title,
                         const std::vector<std::string>& sentences,
                         output_format format) {
    const auto values = [&] {
        ordered_json document = ordered_json::object();
        for (const fact& one : facts) {
            if (!one.key.empty()) document[one.key] = one.value;
        }
        return document;
    };
    if (format == output_format::json) {
        ordered_json document = values();
        document["notes"] = sentences;
        return document.dump(2) + "\n";
    }
    if (format == output_format::csv) return csv_of(ordered_json::array({values()}));
    const bool markdown = format == output_format::markdown;
    table shown({{title, alignment::left}, {"", alignment::left}});
    for (const fact& one : facts) {
        if (!one.label.empty()) shown.add_row({one.label, one.text});
    }
    std::string text = markdown ? shown.to_markdown() : shown.to_text();
    for (const std::string& sentence : sentences)
        text += (markdown ? "\n" : "") + sentence + "\n";
    return text;
}

std::string render_rows(const std::string& key, const ordered_json& rows,
                        const table& shown, output_format format) {
    switch (format) {
        case output_format::json:
            return ordered_json{{key, rows}}.dump(2) + "\n";
        case output_format::csv:
            return csv_of(rows);
        case output_format::markdown:
            return shown.to_markdown();
        case output_format::table:
            break;
    }
    return shown.to_text();
}

std::string csv_of(const ordered_json& rows) {
    if (rows.empty()) return {};
    std::vector<table::column> columns;
    std::vector<std::vector<std::string>> lines;
    for (const ordered_json& row : rows) {
        std::vector<std::string>& cells = lines.emplace_back();
        for (const auto& [name, value] : row.items()) {
            if (lines.size() == 1) columns.push_back({name});
            cells.push_back(csv_text(value));
        }
    }
    table all(columns);
    for (std::vector<std::string>& cells : lines)
        all.add_row(std::move(cells));
    return all.to_csv();
}

}  // namespace packkit::app
