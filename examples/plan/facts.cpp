// SPDX-License-Identifier: Apache-2.0
#include "facts.hpp"

namespace packkit::plan {
namespace {

using app::alignment;
using app::ordered_json;
using app::output_format;
using app::table;

std::string facts_for_programs(const std::vector<fact>& facts,
                               const std::vector<std::string>& sentences,
                               output_format format) {
    if (format == output_format::json) {
        ordered_json document = ordered_json::object();
        for (const fact& one : facts) {
            if (!one.key.empty()) document[one.key] = one.value;
        }
        document["notes"] = sentences;
        return document.dump(2) + "\n";
    }
    std::vector<table::column> columns;
    std::vector<std::string> cells;
    for (const fact& one : facts) {
        if (one.key.empty()) continue;
        columns.push_back({one.key});
        cells.push_back(csv_text(one.value));
    }
    table row(columns);
    row.add_row(cells);
    return row.to_csv();
}

}  // namespace

std::string csv_text(const ordered_json& value) {
    if (value.is_null()) return {};
    return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string render_facts(const std::vector<fact>& facts, const std::string& title,
                         const std::vector<std::string>& sentences,
                         output_format format) {
    if (format == output_format::json || format == output_format::csv)
        return facts_for_programs(facts, sentences, format);
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
        case output_format::csv: {
            if (rows.empty()) return {};
            std::vector<table::column> columns;
            for (const auto& [name, value] : rows.front().items())
                columns.push_back({name});
            table all(columns);
            for (const auto& row : rows) {
                std::vector<std::string> cells;
                for (const auto& [name, value] : row.items())
                    cells.push_back(csv_text(value));
                all.add_row(cells);
            }
            return all.to_csv();
        }
        case output_format::markdown:
            return shown.to_markdown();
        case output_format::table:
            break;
    }
    return shown.to_text();
}

}  // namespace packkit::plan
