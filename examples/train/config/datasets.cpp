// SPDX-License-Identifier: Apache-2.0
#include "config/rules.hpp"
#include "config/tokenizer_type.hpp"

#include "config/schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

namespace packkit::train {
namespace {

using app::in_quotes;
using node_kind = config_node::kind;

/// What a file of such a name holds.
std::optional<file_format> format_of_name(std::string_view path) {
    constexpr named<file_format> endings[] = {{".jsonl", file_format::json},
                                              {".parquet", file_format::parquet},
                                              {".arrow", file_format::arrow},
                                              {".txt", file_format::text}};
    for (const auto& [ending, format] : endings) {
        if (path.ends_with(ending)) return format;
    }
    return std::nullopt;
}

std::string type_name(const dataset_config& data) {
    return std::string(to_string(data.type));
}

void check_format(const key_reader& keys, const dataset_config& data) {
    const auto by_name = format_of_name(data.path);
    if (data.ds_type && by_name && *data.ds_type != *by_name) {
        keys.fail("ds_type",
                  fmt::format("{} does not fit the file {}; the name's ending decides",
                              in_quotes(to_string(*data.ds_type)), in_quotes(data.path)));
    }
    const auto format = file_kind(data);
    const bool text = format == file_format::text;
    const bool completion = data.type == dataset_type::completion;
    if (format && (!text || completion)) return;
    keys.expected("path", fmt::format("a .jsonl, .parquet{} file for type {}{}",
                                      completion ? ", .arrow or .txt" : " or .arrow",
                                      to_string(data.type), text ? "" : ", or ds_type"));
}

void check_existing(const key_reader& keys, std::string_view key,
                    const std::string& path) {
    std::error_code error;
    if (!std::filesystem::exists(path, error))
        keys.fail(key, in_quotes(path) + " does not exist");
}

/// Keys that are set although the type does not use them.
void check_use(const key_reader& keys, const dataset_config& data,
               config_problems& problems) {
    problems.attempt_with(keys, {"field", "type"}, [&] {
        if (keys.has("field") && data.type != dataset_type::completion &&
            data.type != dataset_type::tokens) {
            keys.fail("field", "is for type completion, the type is " + type_name(data));
        }
    });
    problems.attempt_with(keys, {"sample_by", "path", "ds_type"}, [&] {
        if (keys.has("sample_by") && file_kind(data) != file_format::text) {
            keys.fail("sample_by", "is for .txt files; a row of " + in_quotes(data.path) +
                                       " is a sample");
        }
    });
    for (const auto& key : dataset_keys()) {
        if (!key.applies || key.applies(data) || !keys.has(key.name)) continue;
        problems.attempt_with(keys, {"type"}, [&] {
            keys.fail(key.name,
                      "is for type chat_template, the type is " + type_name(data));
        });
    }
}

void settle_chat(const key_reader& keys, const key_reader& top_level,
                 dataset_config& data) {
    if (data.type != dataset_type::chat_template) return;
    chat_config& chat = data.chat;
    if (!keys.has("train_on_eot")) chat.train_on_eot = chat.train_on_eos;
    if (!chat.chat_template.empty()) return;
    const auto name = top_level.read("chat_template", template_name());
    if (!name) {
        keys.fail("type",
                  "chat_template needs the template's name, as chat_template: chatml");
    }
    chat.chat_template = *name;
}

dataset_config read_dataset(const key_reader& keys, const key_reader& top_level,
                            config_problems& problems, key_remarks& remarks) {
    dataset_config data;
    read_keys(keys, dataset_keys(), data, problems, remarks);
    problems.attempt_with(keys, {"path", "type", "ds_type"},
                          [&] { check_format(keys, data); });
    problems.attempt_with(keys, {"path"},
                          [&] { check_existing(keys, "path", data.path); });
    check_use(keys, data, problems);
    problems.attempt_with(keys, {"type", "chat_template"},
                          [&] { settle_chat(keys, top_level, data); });
    return data;
}

/// Data sets of ids alone need no tokenizer.
void settle_tokenizer(const key_reader& keys, train_config& config,
                      const config_problems& problems) {
    if (!keys.has("tokenizer_type")) {
        bool ids_alone = !problems.has("datasets");
        bool known = ids_alone;
        for (std::size_t i = 0; i < config.datasets.size(); ++i) {
            const std::string name = "datasets." + std::to_string(i);
            known = known && !problems.has(name) && !problems.has(name + ".type");
            ids_alone = ids_alone && config.datasets[i].type == dataset_type::tokens;
        }
        if (ids_alone || !known) return;
        keys.conflict("tokenizer_type",
                      "tokenizer_type is missing: expected bytes, or a tokenizer's file "
                      "or folder; only data sets of type tokens do without");
    }
    if (config.tokenizer_type != "bytes")
        config.tokenizer_type = resolved_path(keys.file(), config.tokenizer_type);
    const auto problem = tokenizer_type_problem(config.tokenizer_type);
    if (!problem.empty()) keys.fail("tokenizer_type", problem);
}

/// Adds the warning that a template's turns end with a text that no eot_tokens name.
void warn_of_missing_ends(train_config& config) {
    if (!config.eot_tokens.empty()) return;
    for (const dataset_config& data : config.datasets) {
        const std::string& name = data.chat.chat_template;
        const bool by_text = name == "gemma" || name == "gemma3";
        const bool wanted = data.chat.train_on_eos != train_on::none ||
                            data.chat.train_on_eot != train_on::none;
        if (data.type != dataset_type::chat_template || !by_text || !wanted) continue;
        config.warnings.push_back(
            "EOS token not found in chat_template: the turns of " + name +
            " end with <end_of_turn>, which is trained only with `eot_tokens: "
            "[\"<end_of_turn>\"]`");
        return;
    }
}

}  // namespace

std::optional<file_format> file_kind(const dataset_config& data) {
    return data.ds_type ? data.ds_type : format_of_name(data.path);
}

void read_dataset_list(const key_reader& keys, train_config& config,
                       config_problems& problems) {
    problems.attempt_with(keys, {"base_model"},
                          [&] { check_existing(keys, "base_model", config.base_model); });
    static const config_node nothing;
    const config_node* const given = keys.find("datasets");
    const auto& items = given == nullptr ? nothing.items : given->items;
    key_remarks remarks;
    for (std::size_t i = 0; i < items.size(); ++i) {
        const config_node& item = items[i];
        const std::string name = "datasets." + std::to_string(i);
        if (item.type == node_kind::map) {
            config.datasets.push_back(read_dataset(
                key_reader(keys.file(), item, name + "."), keys, problems, remarks));
            continue;
        }
        config.datasets.emplace_back();
        problems.add({place_of(keys.file(), item.line),
                      name + ": " + expected_found("keys, as {path: data.jsonl}", item),
                      name, item.line});
    }
    config.warnings.insert(config.warnings.end(), remarks.warnings.begin(),
                           remarks.warnings.end());
    config.notes.insert(config.notes.end(), remarks.notes.begin(), remarks.notes.end());
    problems.attempt_with(keys, {"tokenizer_type"},
                          [&] { settle_tokenizer(keys, config, problems); });
    const bool prompts = std::any_of(config.datasets.begin(), config.datasets.end(),
                                     [](const dataset_config& data) {
                                         return data.type != dataset_type::completion &&
                                                data.type != dataset_type::tokens;
                                     });
    if (!prompts && keys.has("train_on_inputs")) {
        config.warnings.emplace_back(
            "`train_on_inputs` has no effect: completion trains on all tokens, tokens on "
            "those with labels");
    }
    warn_of_missing_ends(config);
}

}  // namespace packkit::train
