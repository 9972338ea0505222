// SPDX-License-Identifier: Apache-2.0
#include "jsonl.hpp"

#include "errors.hpp"
#include "numbers.hpp"

#include <string_view>
#include <utility>

namespace packkit::app {

jsonl_reader::jsonl_reader(const std::string& path, json_limits limits)
    : lines_(path), limits_(limits) {}

jsonl_reader::jsonl_reader(input_file file, json_limits limits)
    : lines_(std::move(file)), limits_(limits) {}

bool jsonl_reader::next(json& row) {
    return read([&](std::string_view line) {
        row = parse_json(line, lines_.place(), 0, limits_);
    });
}

bool jsonl_reader::next(document_node& row) {
    return read([&](std::string_view line) {
        row = parse_json_document(line, lines_.file().name(), lines_.line_number());
    });
}

template <class Parse>
bool jsonl_reader::read(const Parse& parse) {
    std::string_view line;
    do {
        if (!lines_.next(line)) return false;
    } while (line.find_first_not_of(" \t\r") == std::string_view::npos);
    try {
        parse(line);
    } catch (const json_syntax_error& error) {
        if (lines_.terminated() || !error.cut_short) throw;
        throw input_error(lines_.place(), "the last line is cut short: its " +
                                              size_text(line.size()) +
                                              (line.size() == 1 ? " ends" : " end") +
                                              " inside a JSON value");
    }
    return true;
}

}  // namespace packkit::app
