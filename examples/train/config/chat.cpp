// SPDX-License-Identifier: Apache-2.0
#include "config/chat.hpp"

#include "chat/template.hpp"
#include "common/did_you_mean.hpp"
#include "common/errors.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace packkit::train {
namespace {

using namespace std::string_view_literals;
using app::in_quotes;
using kind = config_node::kind;

constexpr std::array roles = {"system"sv, "user"sv, "assistant"sv};
constexpr std::array turn_ends = {"turn"sv, "all"sv, "last"sv, "none"sv};

constexpr std::array chat_keys = {"chat_template"sv,
                                  "drop_system_message"sv,
                                  "field_messages"sv,
                                  "message_field_training"sv,
                                  "message_property_mappings"sv,
                                  "roles"sv,
                                  "roles_to_train"sv,
                                  "train_on_eos"sv,
                                  "train_on_eot"sv};

/// The name of a template that there is.
std::optional<std::string> template_name(const key_reader& keys) {
    std::vector<std::string_view> names;
    for (const chat_template& form : chat_templates())
        names.push_back(form.name);
    const config_node* const given = keys.find("chat_template");
    if (given != nullptr && given->type == kind::scalar) {
        const std::string& name = given->text;
        if (name == "jinja" || name.starts_with("tokenizer_default")) {
            keys.fail("chat_template", in_quotes(name) +
                                           " is not supported: Jinja templates are not "
                                           "read; expected one of " +
                                           app::name_list(names));
        }
    }
    return keys.one_of("chat_template", names);
}

/// A list of texts that are not empty, or nothing when the key is not set.
std::optional<std::vector<std::string>> text_list(const key_reader& keys,
                                                  std::string_view key,
                                                  const std::string& what) {
    const config_node* const list = keys.find(key);
    if (list == nullptr) return std::nullopt;
    if (list->type != kind::sequence) keys.expected(key, what);
    std::vector<std::string> texts;
    for (const config_node& item : list->items) {
        if (item.type != kind::scalar || item.text.empty()) keys.expected(key, what);
        texts.push_back(item.text);
    }
    return texts;
}

/// The map under a key, or nullptr when the key is not set.
const config_node* map_of(const key_reader& keys, std::string_view key,
                          const std::string& what) {
    const config_node* const map = keys.find(key);
    if (map != nullptr && map->type != kind::map) keys.expected(key, what);
    return map;
}

void read_property_mappings(const key_reader& keys, chat_config& chat) {
    constexpr std::array properties = {"role"sv, "content"sv};
    const config_node* const map = map_of(keys, "message_property_mappings",
                                          "keys, as {role: from, content: value}");
    if (map == nullptr) return;
    const key_reader mapping(keys.file(), *map,
                             keys.prefix() + "message_property_mappings.");
    for (const auto& member : map->members) {
        if (std::find(properties.begin(), properties.end(), member.key) !=
            properties.end()) {
            continue;
        }
        throw app::input_error(place_of(keys.file(), member.line),
                               "key " + in_quotes(mapping.prefix() + member.key) +
                                   " is unknown; expected role and content" +
                                   app::did_you_mean(member.key, properties));
    }
    if (const auto key = mapping.text("role")) chat.field_role = *key;
    if (const auto key = mapping.text("content")) chat.field_content = *key;
}

void read_roles(const key_reader& keys, chat_config& chat) {
    const std::string what = "keys with lists, as {user: [human, user]}";
    const config_node* const map = map_of(keys, "roles", what);
    if (map == nullptr) return;
    chat.roles.clear();
    const key_reader targets(keys.file(), *map, keys.prefix() + "roles.");
    for (const auto& member : map->members) {
        const auto sources = text_list(targets, member.key, "a list of roles");
        if (!sources) targets.expected(member.key, "a list of roles");
        for (const std::string& source : *sources)
            chat.roles.push_back({source, member.key});
    }
}

void read_roles_to_train(const key_reader& keys, chat_config& chat) {
    auto names = text_list(keys, "roles_to_train", "a list of roles, as [assistant]");
    if (!names) return;
    for (std::string& name : *names) {
        const auto renamed =
            std::find_if(chat.roles.begin(), chat.roles.end(),
                         [&](const role_name& role) { return role.source == name; });
        if (renamed != chat.roles.end()) name = renamed->target;
        if (std::find(roles.begin(), roles.end(), name) == roles.end()) {
            keys.fail("roles_to_train",
                      "role " + in_quotes(name) + " is unknown; expected one of " +
                          app::name_list(roles) + app::did_you_mean(name, roles));
        }
    }
    chat.roles_to_train = std::move(*names);
}

std::optional<train_on> turn_end(const key_reader& keys, std::string_view key) {
    const auto name = keys.one_of(key, turn_ends);
    if (!name) return std::nullopt;
    const auto found = std::find(turn_ends.begin(), turn_ends.end(), *name);
    return static_cast<train_on>(found - turn_ends.begin());
}

}  // namespace

std::string_view to_string(train_on when) {
    return turn_ends[static_cast<std::size_t>(when)];
}

void read_top_level_chat(const key_reader& keys, train_config& config) {
    static_cast<void>(template_name(keys));
    config.train_on_inputs = keys.truth("train_on_inputs").value_or(false);
    config.eot_tokens =
        text_list(keys, "eot_tokens", "a list of tokens, as [\"<end_of_turn>\"]")
            .value_or(std::vector<std::string>());
}

void warn_of_missing_ends(train_config& config) {
    if (!config.eot_tokens.empty()) return;
    for (const dataset_config& data : config.datasets) {
        const std::string& name = data.chat.chat_template;
        const bool by_text = name == "gemma" || name == "gemma3";
        const bool wanted = data.chat.train_on_eos != train_on::none ||
                            data.chat.train_on_eot != train_on::none;
        if (data.type != "chat_template" || !by_text || !wanted) continue;
        config.warnings.push_back(
            "EOS token not found in chat_template: the turns of " + name +
            " end with <end_of_turn>, which is trained only with `eot_tokens: "
            "[\"<end_of_turn>\"]`");
        return;
    }
}

void read_chat(const key_reader& keys, const key_reader& top_level,
               dataset_config& data) {
    if (data.type != "chat_template") {
        for (const auto key : chat_keys) {
            if (keys.has(key)) {
                keys.fail(key, "is for type chat_template, the type is " + data.type);
            }
        }
        return;
    }
    chat_config& chat = data.chat;
    auto name = template_name(keys);
    if (!name) name = template_name(top_level);
    if (!name) {
        keys.fail("type",
                  "chat_template needs the template's name, as chat_template: chatml");
    }
    chat.chat_template = *name;
    if (const auto key = keys.text("field_messages")) chat.field_messages = *key;
    read_property_mappings(keys, chat);
    read_roles(keys, chat);
    read_roles_to_train(keys, chat);
    chat.train_on_eos = turn_end(keys, "train_on_eos").value_or(chat.train_on_eos);
    chat.train_on_eot = turn_end(keys, "train_on_eot").value_or(chat.train_on_eos);
    chat.message_field_training =
        keys.text("message_field_training").value_or(std::string());
    chat.drop_system_message = keys.truth("drop_system_message").value_or(false);
}

}  // namespace packkit::train
