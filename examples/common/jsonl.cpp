// SPDX-License-Identifier: Apache-2.0
#include "jsonl.hpp"

#include "errors.hpp"

#include <string_view>
#include <utility>

namespace packkit::app {

jsonl_reader::jsonl_reader(const std::string& path, json_limits limits)
    : lines_(path), limits_(limits) {}

jsonl_reader::jsonl_reader(input_file file, json_limits limits)
    : lines_(std::move(file)), limits_(limits) {}

bool jsonl_reader::next(json& row) {
    std::string_view line;
    do {
        if (!lines_.next(line)) return false;
    } while (line.find_first_not_of(" \t\r") == std::string_view::npos);
    try {
        row = parse_json(line, lines_.place(), 0, limits_);
    } catch (const json_syntax_error& error) {
        if (lines_.terminated() || !error.cut_short) throw;
        throw input_error(lines_.place(), "the last line is cut short: its " +
                                              std::to_string(line.size()) +
                                              " bytes end inside a JSON value");
    }
    return true;
}

}  // namespace packkit::app
