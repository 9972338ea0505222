// SPDX-License-Identifier: Apache-2.0
#include "commands/inspect_rows.hpp"

#include "common/errors.hpp"
#include "common/input_file.hpp"
#include "common/jsonl.hpp"
#include "common/utf8.hpp"
#include "data/prepared_data.hpp"
#include "data/row_fields.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

namespace packkit::train {
namespace {

using app::json;
using app::ordered_json;

/// What a value is, in the words of JSON Schema.
std::string_view type_name(const json& value) {
    switch (value.type()) {
        case json::value_t::object:
            return "object";
        case json::value_t::array:
            return "array";
        case json::value_t::string:
            return "string";
        case json::value_t::boolean:
            return "boolean";
        case json::value_t::number_integer:
        case json::value_t::number_unsigned:
            return "integer";
        case json::value_t::number_float:
            return "number";
        default:
            return "null";
    }
}

/// Counts what stands under each key.
class column_summary {
public:
    void add(const json& row) {
        ++rows_;
        for (const auto& [key, value] : row.items()) {
            column& into = columns_[key];
            ++into.rows;
            ++into.types[std::string(type_name(value))];
            if (value.is_array()) into.elements += value.size();
            if (value.is_string())
                into.bytes += value.get_ref<const std::string&>().size();
        }
    }

    void write(ordered_json& result) const {
        result["rows"] = rows_;
        auto& columns = result["columns"] = ordered_json::object();
        for (const auto& [name, counted] : columns_) {
            auto& one = columns[name];
            one = {{"rows", counted.rows}, {"types", counted.types}};
            if (counted.types.contains("array")) one["elements"] = counted.elements;
            if (counted.types.contains("string")) one["bytes"] = counted.bytes;
        }
    }

private:
    struct column {
        std::uint64_t rows = 0;
        std::map<std::string, std::uint64_t> types;
        std::uint64_t elements = 0;  // of arrays
        std::uint64_t bytes = 0;     // of texts
    };

    std::uint64_t rows_ = 0;
    std::map<std::string, column> columns_;
};

/// Columns that rows can hold; the others go to `skipped` with the reason.
std::vector<std::string> readable_columns(const std::string& path,
                                          app::column_format format,
                                          ordered_json& skipped) {
    const app::column_row_reader file(path, format);
    std::vector<std::string> readable;
    for (const std::string& name : file.columns()) {
        app::column_row_reader alone(path, format);
        try {
            alone.select({&name, 1});
            readable.push_back(name);
        } catch (const app::input_error& error) { skipped[name] = error.what(); }
    }
    return readable;
}

}  // namespace

ordered_json inspect_jsonl(const std::string& path) {
    app::jsonl_reader rows(path);
    column_summary summary;
    for (json row; rows.next(row);) {
        require_object(rows.place(), row);
        summary.add(row);
    }
    if (rows.line_number() == 0)
        throw app::input_error(path, "the file is empty; expected a JSON object a line");
    ordered_json result;
    summary.write(result);
    return result;
}

ordered_json inspect_json(const json& document) {
    ordered_json result;
    if (document.is_array()) {
        column_summary summary;
        std::map<std::string, std::uint64_t> types;
        for (const json& element : document) {
            ++types[std::string(type_name(element))];
            if (element.is_object()) summary.add(element);
        }
        summary.write(result);
        result["rows"] = document.size();
        result["types"] = types;
        return result;
    }
    result["type"] = type_name(document);
    if (document.is_object()) {
        auto& keys = result["keys"] = ordered_json::object();
        for (const auto& [key, value] : document.items())
            keys[key] = type_name(value);
    }
    return result;
}

ordered_json inspect_columns(const std::string& path, app::column_format format) {
    ordered_json skipped = ordered_json::object();
    const auto readable = readable_columns(path, format, skipped);
    app::column_row_reader rows(path, format);
    rows.select(readable);
    column_summary summary;
    for (json row; rows.next(row);)
        summary.add(row);
    ordered_json result;
    summary.write(result);
    for (const std::string& name : readable)  // those of a file without rows, too
        if (!result["columns"].contains(name)) result["columns"][name] = {{"rows", 0}};
    if (!skipped.empty()) result["not_read"] = skipped;
    return result;
}

ordered_json inspect_text(const std::string& path) {
    app::line_reader lines(path);
    std::uint64_t empty = 0;
    std::uint64_t longest = 0;
    std::uint64_t invalid = 0;
    for (std::string_view line; lines.next(line);) {
        empty += line.empty() ? 1 : 0;
        longest = std::max<std::uint64_t>(longest, line.size());
        std::size_t at = 0;
        while (at < line.size()) {
            const std::size_t length = app::utf8_length_at(line, at);
            if (length == 0) break;
            at += length;
        }
        invalid += at < line.size() ? 1 : 0;
    }
    return {{"rows", lines.line_number()},
            {"empty_rows", empty},
            {"longest_row_bytes", longest},
            {"rows_that_are_not_utf8", invalid}};
}

ordered_json inspect_prepared(const std::string& path) {
    std::string fault;
    constexpr auto any_id =
        std::int64_t{std::numeric_limits<std::int32_t>::max()} + std::int64_t{1};
    const auto store = read_prepared(path, any_id, fault);
    if (!store) throw app::input_error(path, fault.substr(path.size() + 2));
    const auto& report = store->report();
    return {{"rows", store->size()},
            {"tokens", report.tokens},
            {"targets", report.valid_targets},
            {"labels", store->has_labels()},
            {"rows_read", report.rows},
            {"dropped", report.dropped},
            {"truncated", report.truncated},
            {"split", report.split},
            {"empty", report.empty}};
}

}  // namespace packkit::train
