// SPDX-License-Identifier: Apache-2.0
#include "config/rules.hpp"

#include "chat/template.hpp"
#include "common/compressed_file.hpp"
#include "config/dataset_files.hpp"
#include "config/model_source.hpp"
#include "config/schema.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <utility>

namespace packkit::train {
namespace {

using app::in_quotes;
using node_kind = config_node::kind;

std::string type_name(const dataset_config& data) {
    return std::string(to_string(data.type));
}

/// Finds the files of an entry.
void find_files(const key_reader& keys, dataset_config& data) {
    if (data.paths.empty()) return;
    file_request request{.config_file = keys.file(),
                         .paths = data.paths,
                         .data_files = data.data_files,
                         .ds_type = data.ds_type,
                         .split = data.split,
                         .name = data.name,
                         .revision = data.revision};
    try {
        found_files found = find_dataset_files(request);
        if (!found.by_split && data.split != "train") {
            keys.fail("split", fmt::format("{} has no split {}: it is one split, train",
                                           in_quotes(data.path), in_quotes(data.split)));
        }
        data.files = std::move(found.files);
        // For files whose names do not say it.
        data.ds_type = found.format;
        std::move(found.notes.begin(), found.notes.end(), std::back_inserter(data.notes));
    } catch (const dataset_not_found& error) { keys.fail(error.key, error.what()); }
}

/// Whether ds_type, the endings of the files and the type go together.
void check_format(const key_reader& keys, const dataset_config& data) {
    for (const std::string& file : files_of(data)) {
        const auto by_name = format_of_name(file);
        if (data.ds_type && by_name && *data.ds_type != *by_name && keys.has("ds_type")) {
            keys.fail(
                "ds_type",
                fmt::format("{} does not fit the file {}; the name's ending decides",
                            in_quotes(to_string(*data.ds_type)), in_quotes(file)));
        }
        const file_format format = file_kind(data, file);
        const bool columns =
            format == file_format::parquet || format == file_format::arrow;
        if (columns && app::is_compressed(file)) {
            keys.fail("path", in_quotes(file) +
                                  " is compressed twice; decompress it first (gunzip, "
                                  "zstd -d)");
        }
        if (format == file_format::text && data.type != dataset_type::completion) {
            keys.expected(
                "path", fmt::format("a .jsonl, .json, .csv, .parquet or .arrow file for "
                                    "type {}, or ds_type",
                                    to_string(data.type)));
        }
    }
}

/// Checks skip, shards and shards_idx.
void check_rows(const key_reader& keys, const dataset_config& data) {
    if (data.rows.shards_idx >= data.rows.shards) {
        keys.fail("shards_idx", fmt::format("{} is no part of {}; parts count from 0",
                                            data.rows.shards_idx, data.rows.shards));
    }
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

/// message_field_role and message_field_content are the older names of two mappings.
void settle_message_keys(const key_reader& keys) {
    struct older_name {
        std::string_view key;
        std::string_view mapping;
    };
    constexpr older_name names[] = {{"message_field_role", "role"},
                                    {"message_field_content", "content"}};
    const key_reader mappings = keys.inner("message_property_mappings");
    for (const auto& [key, mapping] : names) {
        const auto older = keys.read(key, plain_text());
        const auto newer = mappings.read(mapping, plain_text());
        if (older && newer && *older != *newer) {
            keys.fail(key, fmt::format("{} contradicts message_property_mappings.{}: {}",
                                       in_quotes(*older), mapping, in_quotes(*newer)));
        }
    }
}

/// The key conversation of alpaca_chat is the style of its prompt.
void settle_prompt(const key_reader& keys, dataset_config& data) {
    if (data.conversation.empty() || data.type == dataset_type::chat_template) return;
    auto styled = find_prompt_format("alpaca:" + data.conversation);
    if (data.prompt.name != "alpaca_chat" || !styled) {
        keys.fail("conversation",
                  "is for type sharegpt, as the name of a template, and for alpaca_chat, "
                  "as one of instruct, chat, chatml, phi; use type and chat_template");
    }
    styled->name += " (alpaca_chat)";
    data.prompt = std::move(*styled);
}

void settle_chat(const key_reader& keys, const key_reader& top_level,
                 dataset_config& data) {
    if (data.type != dataset_type::chat_template) return;
    chat_config& chat = data.chat;
    if (!keys.has("train_on_eot")) chat.train_on_eot = chat.train_on_eos;
    settle_message_keys(keys);
    if (!chat.chat_template.empty()) return;
    if (!data.conversation.empty()) {
        if (find_chat_template(data.conversation) == nullptr) {
            keys.fail("conversation",
                      in_quotes(data.conversation) +
                          " is no chat template here; use chat_template: one of " +
                          template_name().expected().substr(7));
        }
        chat.chat_template = data.conversation;
        return;
    }
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
    data.type_is_set = false;
    read_keys(keys, dataset_keys(), data, problems, remarks);
    problems.attempt_with(keys,
                          {"path", "data_files", "ds_type", "split", "name", "revision"},
                          [&] { find_files(keys, data); });
    problems.attempt_with(keys, {"path", "data_files", "type", "ds_type", "split"},
                          [&] { check_format(keys, data); });
    problems.attempt_with(keys, {"shards", "shards_idx"},
                          [&] { check_rows(keys, data); });
    check_use(keys, data, problems);
    problems.attempt_with(keys, {"type", "conversation"},
                          [&] { settle_prompt(keys, data); });
    problems.attempt_with(keys, {"type", "chat_template", "conversation"},
                          [&] { settle_chat(keys, top_level, data); });
    for (const std::string& note : data.notes)
        remarks.notes.push_back("`" + keys.prefix().substr(0, keys.prefix().size() - 1) +
                                "`: " + note);
    return data;
}

/// Reads the entries under one key into config.datasets.
class entry_list {
public:
    entry_list(const key_reader& keys, train_config& config, config_problems& problems,
               key_remarks& remarks)
        : keys_(keys), config_(config), problems_(problems), remarks_(remarks) {}

    void read_datasets() {
        const config_node* const given = keys_.find("datasets");
        if (given == nullptr) return;
        for (std::size_t i = 0; i < given->items.size(); ++i) {
            const config_node& item = given->items[i];
            const std::string name = "datasets." + std::to_string(i);
            if (item.type == node_kind::map) {
                read_map(item, name);
            } else {
                refuse(item, name, "keys, as {path: data.jsonl}");
            }
        }
    }

    /// A text, a map, or a list of these; each is read whole, as type completion.
    void read_pretraining() {
        const config_node* const given = keys_.find("pretraining_dataset");
        if (given == nullptr || keys_.off("pretraining_dataset")) return;
        const bool is_list = given->type == node_kind::sequence;
        const std::size_t count = is_list ? given->items.size() : 1;
        for (std::size_t i = 0; i < count; ++i) {
            const std::string name =
                "pretraining_dataset" + (is_list ? "." + std::to_string(i) : "");
            read_pretraining_entry(is_list ? given->items[i] : *given, name);
        }
    }

private:
    void read_map(const config_node& item, const std::string& name) {
        config_.datasets.push_back(read_dataset(
            key_reader(keys_.file(), item, name + "."), keys_, problems_, remarks_));
    }

    void read_pretraining_entry(const config_node& item, const std::string& name) {
        if (item.type == node_kind::map) {
            read_map(item, name);
        } else if (item.type == node_kind::scalar) {
            config_node map;
            map.type = node_kind::map;
            map.line = item.line;
            map.members.push_back({"path", item, item.line});
            read_map(map, name);
        } else {
            return refuse(item, name, "a path, or keys, as {path: data.jsonl}");
        }
        dataset_config& data = config_.datasets.back();
        data.pretraining = true;
        data.type_is_set = true;
        problems_.attempt([&] {
            if (data.type != dataset_type::completion) {
                keys_.conflict("pretraining_dataset",
                               name +
                                   ".type: is not supported; pretraining_dataset is "
                                   "read as type completion, use datasets for others");
            }
        });
        config_.notes.push_back("`" + name +
                                "` is read whole before the first step, as a data set "
                                "of type completion");
    }

    void refuse(const config_node& item, const std::string& name,
                const std::string& expected) {
        config_.datasets.emplace_back();
        problems_.add({place_of(keys_.file(), item.line),
                       name + ": " + expected_found(expected, item), name, item.line});
    }

    const key_reader& keys_;
    train_config& config_;
    config_problems& problems_;
    key_remarks& remarks_;
};

/// One of the two lists of data is needed.
void check_lists(const key_reader& keys) {
    const bool pretraining = !keys.off("pretraining_dataset");
    if (!keys.has("datasets") && !pretraining) {
        keys.conflict("datasets",
                      "datasets is missing: expected a list of datasets, as [{path: "
                      "data.jsonl}]");
    }
    if (keys.has("datasets") && pretraining) {
        keys.conflict("pretraining_dataset",
                      "datasets and pretraining_dataset cannot be used together; put all "
                      "files into datasets, with type: completion for texts");
    }
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

std::vector<std::string> files_of(const dataset_config& data) {
    return data.files.empty() ? std::vector{data.path} : data.files;
}

file_format file_kind(const dataset_config& data, std::string_view file) {
    if (data.ds_type) return *data.ds_type;
    return format_of_name(file).value_or(file_format::json);
}

file_format file_kind(const dataset_config& data) {
    return file_kind(data, data.files.empty() ? data.path : data.files.front());
}

void read_dataset_list(const key_reader& keys, train_config& config,
                       config_problems& problems, key_remarks& remarks) {
    settle_model(keys, config, problems);
    entry_list entries(keys, config, problems, remarks);
    entries.read_datasets();
    if (problems.sound("pretraining_dataset")) entries.read_pretraining();
    problems.attempt_with(keys, {"datasets", "pretraining_dataset"},
                          [&] { check_lists(keys); });
    settle_tokenizer(keys, config, problems);
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
