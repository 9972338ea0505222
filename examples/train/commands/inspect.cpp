// SPDX-License-Identifier: Apache-2.0
#include "commands/inspect.hpp"

#include "checkpoint/folder.hpp"
#include "checkpoint/shard_index.hpp"
#include "commands/inspect_rows.hpp"
#include "commands/inspect_tensors.hpp"
#include "common/document.hpp"
#include "common/errors.hpp"
#include "common/input_file.hpp"
#include "common/jsonl.hpp"
#include "common/numbers.hpp"
#include "common/tokenizer.hpp"
#include "config/names.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

namespace packkit::train {
namespace fs = std::filesystem;

/// What a path is.
enum class content_kind : std::uint8_t {
    safetensors,
    sharded_safetensors,
    checkpoint,
    model,
    tokenizer,
    config,
    jsonl,
    json,
    parquet,
    arrow,
    text,
    npy,
    prepared_data,
    configuration
};
template <>
inline constexpr auto names_of<content_kind> = in_order<content_kind>(
    "safetensors", "sharded_safetensors", "checkpoint", "model", "tokenizer", "config",
    "jsonl", "json", "parquet", "arrow", "text", "npy", "prepared_data", "configuration");

namespace {

using app::ordered_json;

/// A kind by the end of a name, or by the first bytes of a file.
struct known_mark {
    std::string_view mark;
    content_kind kind;
};

// The first that fits counts.
constexpr known_mark endings[] = {
    {".safetensors", content_kind::safetensors},
    {"safetensors.index.json", content_kind::sharded_safetensors},
    {"shards.index.json", content_kind::sharded_safetensors},
    {"tokenizer.json", content_kind::tokenizer},
    {".model", content_kind::tokenizer},
    {".jsonl", content_kind::jsonl},
    {".ndjson", content_kind::jsonl},
    {".json", content_kind::json},
    {".parquet", content_kind::parquet},
    {".arrow", content_kind::arrow},
    {".feather", content_kind::arrow},
    {".txt", content_kind::text},
    {".npy", content_kind::npy},
    {".tokens", content_kind::prepared_data},
    {".yaml", content_kind::configuration},
    {".yml", content_kind::configuration},
};

constexpr known_mark beginnings[] = {
    {"PAR1", content_kind::parquet},  {"ARROW1", content_kind::arrow},
    {"\x93NUMPY", content_kind::npy}, {"packkit tokens", content_kind::prepared_data},
    {"{", content_kind::json},        {"[", content_kind::json},
};

constexpr const char* expected_kinds =
    "expected safetensors, tokenizer.json, a SentencePiece .model, config.json, .jsonl, "
    ".json, .parquet, .arrow, .txt, .npy, .tokens, .yaml, or a folder of a model, a "
    "tokenizer or a checkpoint";

content_kind kind_of_file(const std::string& path) {
    if (fs::path(path).filename() == "config.json") return content_kind::config;
    for (const auto& [ending, kind] : endings) {
        if (path.ends_with(ending)) return kind;
    }
    app::input_file file(path);
    const std::string_view begin = file.peek(16);
    for (const auto& [mark, kind] : beginnings) {
        if (begin.starts_with(mark)) return kind;
    }
    throw app::input_error(path, std::string("is of no known kind; ") + expected_kinds);
}

ordered_json inspect_tokenizer(const std::string& path) {
    const auto tokens = app::load_tokenizer(path);
    const auto specials = tokens->specials();
    const auto id = [](std::optional<std::int32_t> value) {
        return value ? ordered_json(*value) : ordered_json();
    };
    return {{"vocabulary", tokens->vocabulary_size()},
            {"bos", id(specials.bos)},
            {"eos", id(specials.eos)},
            {"pad", id(specials.pad)}};
}

ordered_json inspect_configuration(const std::string& path) {
    const auto root = app::read_yaml_file(path);
    ordered_json keys = ordered_json::array();
    for (const auto& member : root.members)
        keys.push_back(member.key);
    return {{"keys", keys}, {"checked_by", "packkit-train check " + path}};
}

struct inspected {
    content_kind kind;
    ordered_json values;
};

/// A file named .json: one document of some kind, or an object a line.
inspected inspect_json_file(const std::string& path) {
    app::json document;
    try {
        document = app::read_json_file(path);
    } catch (const app::json_syntax_error&) {
        app::jsonl_reader rows(path);
        app::json first;
        bool several = false;
        try {
            several = rows.next(first) && first.is_object();
        } catch (const app::input_error&) { several = false; }
        if (!several) throw;
        return {content_kind::jsonl, inspect_jsonl(path)};
    }
    if (document.is_object()) {
        if (document.contains("weight_map") ||
            document.value("format", app::json()) == app::json("packkit shards"))
            return {content_kind::sharded_safetensors, inspect_index(path)};
        if (document.contains("model") && document["model"].is_object() &&
            document.contains("added_tokens"))
            return {content_kind::tokenizer, inspect_tokenizer(path)};
        if (document.contains("model_type"))
            return {content_kind::config, inspect_config(path)};
    }
    return {content_kind::json, inspect_json(document)};
}

inspected inspect_file(const std::string& path) {
    const auto kind = kind_of_file(path);
    switch (kind) {
        case content_kind::safetensors:
            return {kind, inspect_safetensors(path)};
        case content_kind::sharded_safetensors:
            return {kind, inspect_index(path)};
        case content_kind::tokenizer:
            return {kind, inspect_tokenizer(path)};
        case content_kind::config:
            return {kind, inspect_config(path)};
        case content_kind::jsonl:
            return {kind, inspect_jsonl(path)};
        case content_kind::parquet:
            return {kind, inspect_columns(path, app::column_format::parquet)};
        case content_kind::arrow:
            return {kind, inspect_columns(path, app::column_format::arrow)};
        case content_kind::text:
            return {kind, inspect_text(path)};
        case content_kind::npy:
            return {kind, inspect_npy(path)};
        case content_kind::prepared_data:
            return {kind, inspect_prepared(path)};
        case content_kind::configuration:
            return {kind, inspect_configuration(path)};
        default:
            return inspect_json_file(path);
    }
}

bool has_tokenizer(const std::string& folder) {
    return fs::exists(folder + "/tokenizer.json") ||
           fs::exists(folder + "/tokenizer.model");
}

inspected inspect_folder(const std::string& folder) {
    if (is_checkpoint(folder))
        return {content_kind::checkpoint, inspect_checkpoint(folder)};
    if (fs::exists(folder + "/config.json")) {
        auto values = inspect_model(folder);
        if (has_tokenizer(folder)) values["tokenizer"] = inspect_tokenizer(folder);
        return {content_kind::model, std::move(values)};
    }
    if (has_weights(folder)) {
        const bool one_file = fs::exists(folder + "/model.safetensors");
        return {one_file ? content_kind::safetensors : content_kind::sharded_safetensors,
                inspect_weights(folder)};
    }
    if (has_tokenizer(folder))
        return {content_kind::tokenizer, inspect_tokenizer(folder)};
    if (holds_a_run(folder)) {
        std::vector<std::string> faults;
        const auto newest = find_newest_checkpoint(folder, faults);
        if (!newest) {
            throw app::input_error(
                folder, "holds no whole checkpoint" +
                            (faults.empty() ? std::string() : ": " + faults.front()));
        }
        auto values = inspect_checkpoint(newest->folder);
        values["checkpoint"] = newest->folder;
        return {content_kind::checkpoint, std::move(values)};
    }
    throw app::input_error(
        folder, std::string("the folder holds nothing that is read; ") + expected_kinds);
}

/// The value of a table's cell.
std::string cell_text(const std::string& key, const ordered_json& value) {
    if (value.is_null()) return "-";
    if (value.is_string()) return app::escaped(value.get_ref<const std::string&>());
    if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
    if (value.is_number_integer()) {
        const auto whole = value.get<std::int64_t>();
        if (key.ends_with("bytes") && whole >= 0) return app::bytes_text(whole);
        // Ids and positions are names, not amounts.
        return key == "bos" || key == "eos" || key == "pad" ? std::to_string(whole)
                                                            : app::grouped(whole);
    }
    if (value.is_number()) return app::shortest(value.get<double>());
    std::string text;
    for (const auto& [name, each] : value.items()) {
        text += text.empty() ? "" : ", ";
        if (value.is_object()) text += app::escaped(name) + " ";
        text += cell_text("", each);
    }
    return value.is_array() && key == "shape" ? "[" + text + "]" : text;
}

/// A table of objects that have the same keys.
std::string object_table(const std::string& what, const ordered_json& objects) {
    std::vector<std::string> keys;
    for (const auto& [name, object] : objects.items()) {
        for (const auto& [key, value] : object.items()) {
            if (std::find(keys.begin(), keys.end(), key) == keys.end())
                keys.push_back(key);
        }
    }
    std::vector<app::table::column> columns = {{what, app::alignment::left}};
    for (const auto& key : keys)
        columns.push_back({key});
    app::table table(std::move(columns));
    for (const auto& [name, object] : objects.items()) {
        std::vector<std::string> cells = {app::escaped(name)};
        for (const auto& key : keys)
            cells.push_back(object.contains(key) ? cell_text(key, object[key]) : "");
        table.add_row(std::move(cells));
    }
    return table.to_text();
}

std::string text_of(const ordered_json& values) {
    app::table summary({{"", app::alignment::left}, {"", app::alignment::left}});
    std::string tables;
    for (const auto& [key, value] : values.items()) {
        const bool of_objects =
            value.is_object() && !value.empty() && value.begin()->is_object();
        if (of_objects) {
            tables += "\n" + object_table(key, value);
        } else {
            summary.add_row({key, cell_text(key, value)});
        }
    }
    const std::string text = summary.to_text();
    // The columns of the summary have no names to print.
    const auto rule = text.find('\n', text.find('\n') + 1);
    return text.substr(rule + 1) + tables;
}

}  // namespace

ordered_json inspect(const std::string& path) {
    std::error_code ignored;
    if (!fs::exists(path, ignored))
        throw app::input_error(path, "there is no such file or folder");
    const bool folder = fs::is_directory(path, ignored);
    auto [kind, values] = folder ? inspect_folder(path) : inspect_file(path);
    ordered_json result = {{"kind", name_of(kind)}, {"path", path}};
    if (!folder) result["bytes"] = fs::file_size(path, ignored);
    result.update(values);
    return result;
}

std::string inspection_text(const std::string& path, app::output_format format) {
    if (format != app::output_format::table && format != app::output_format::json)
        throw app::usage_error("--format", "inspect prints table or json");
    const auto found = inspect(path);
    if (format == app::output_format::table) return text_of(found);
    return found.dump(2, ' ', false, app::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace packkit::train
