// SPDX-License-Identifier: Apache-2.0
// The keys of an entry of `datasets`. A key is one row here and, where a member holds its
// value, one line in config.hpp.
#include "config/schema.hpp"

#include "common/did_you_mean.hpp"

#include <algorithm>
#include <array>

namespace packkit::train {
namespace {

using namespace std::string_view_literals;
using enum key_status;
using enum key_effect;
using D = dataset_config;
using K = config_key<dataset_config>;
using node_kind = config_node::kind;

/// Types of Axolotl, and variants of the types that are read: "alpaca:chat".
constexpr auto other_types =
    rejected_names("is not supported; expected", "completion", "tokens", "alpaca",
                   "input_output", "chat_template", "sharegpt", "pretrain", "context_qa",
                   "gpteacher", "jeopardy", "oasst", "reflection", "explainchoice",
                   "concisechoice", "summarizetldr", "alpaca_chat", "alpaca_w_system",
                   "metharme", "messages", "user_defined", "stepwise_supervised");
constexpr named<bool> splits[] = {{"train", true}};

template <class Value>
auto in_chat(Value chat_config::* member) {
    return [member](auto& data) -> auto& { return data.chat.*member; };
}

bool is_chat(const dataset_config& data) {
    return data.type == dataset_type::chat_template;
}

std::string format_text(const dataset_config& data) {
    const auto format = file_kind(data);
    return format ? std::string(to_string(*format)) : std::string();
}

void read_roles(const key_reader& keys, dataset_config& data) {
    constexpr text_list list{"a list of roles"};
    static_cast<void>(keys.read(
        "roles",
        collection{node_kind::map, "keys with lists, as {user: [human, user]}"}));
    const key_reader targets = keys.inner("roles");
    data.chat.roles.clear();
    for (const auto& member : targets.map().members) {
        const auto sources = targets.read(member.key, list);
        if (!sources) targets.expected(member.key, list.expected());
        for (const std::string& source : *sources)
            data.chat.roles.push_back({source, member.key});
    }
}

std::string roles_text(const dataset_config& data) {
    std::vector<std::string> names;
    for (const role_name& role : data.chat.roles) {
        names.push_back(role.source);
        names.push_back(role.target);
    }
    return text_list{}.text(names);
}

void read_roles_to_train(const key_reader& keys, dataset_config& data) {
    constexpr std::array known = {"system"sv, "user"sv, "assistant"sv};
    auto names =
        keys.read("roles_to_train", text_list{"a list of roles, as [assistant]"});
    for (std::string& name : *names) {
        const auto& roles = data.chat.roles;
        const auto renamed =
            std::find_if(roles.begin(), roles.end(),
                         [&](const role_name& role) { return role.source == name; });
        if (renamed != roles.end()) name = renamed->target;
        if (std::find(known.begin(), known.end(), name) == known.end()) {
            keys.fail("roles_to_train",
                      "role " + app::in_quotes(name) + " is unknown; expected one of " +
                          app::name_list(known) + app::did_you_mean(name, known));
        }
    }
    data.chat.roles_to_train = std::move(*names);
}

key_table<dataset_config> property_keys() {
    static const std::vector<K> keys = {
        K("role", in_chat(&chat_config::field_role), plain_text{}, "key of the role")
            .affecting(data),
        K("content", in_chat(&chat_config::field_content), plain_text{},
          "key of the text")
            .affecting(data)};
    return keys;
}

// A row is a line.
// clang-format off
std::vector<K> done_keys() { return {
    K("path", &D::path, file_path("a .jsonl, .parquet, .arrow or .txt file"), "file of the samples").required("a .jsonl, .parquet, .arrow or .txt file"),
    K("type", &D::type, choice<dataset_type>{names_of<dataset_type>, other_types}, "how its rows become samples").affecting(data),
    K("field", &D::field, plain_text{}, "key of the text in a row of type completion; a.b for a nested one").affecting(data),
    K("sample_by", &D::sample_by, choice<text_unit>{}, "part of a .txt file that makes a sample").affecting(data),
    K("ds_type", &D::ds_type, choice<file_format>{}, "format of the file").printed("ds_type", format_text).by_default("as the ending of the name says").affecting(data),
    K("split", choice<bool>{splits}, "a file is one split"),
    K("chat_template", in_chat(&chat_config::chat_template), template_name{}, "how conversations become text").by_default("as the key of the file").when(is_chat).affecting(data),
    K("field_messages", in_chat(&chat_config::field_messages), plain_text{}, "key of the messages; a.b for a nested one").when(is_chat).affecting(data),
    K("message_property_mappings", collection{node_kind::map, "keys, as {role: from, content: value}"}, "keys of a message").when(is_chat).with_keys(property_keys),
    K("roles", collection{node_kind::map, "keys with lists, as {user: [human, user]}"}, "roles of the data that a role of the template stands for").reading(read_roles).printed("roles", roles_text).when(is_chat).affecting(data),
    K("roles_to_train", in_chat(&chat_config::roles_to_train), text_list{"a list of roles, as [assistant]"}, "roles whose messages are targets").reading(read_roles_to_train).when(is_chat).affecting(data),
    K("train_on_eos", in_chat(&chat_config::train_on_eos), choice<train_on>{}, "turns whose eos is a target").when(is_chat).affecting(data),
    K("train_on_eot", in_chat(&chat_config::train_on_eot), choice<train_on>{}, "turns whose eot_tokens are targets").by_default("as train_on_eos").when(is_chat).affecting(data),
    K("message_field_training", in_chat(&chat_config::message_field_training), plain_text{}, "key of true or false in a message: whether it is a target").when(is_chat).affecting(data),
    K("drop_system_message", in_chat(&chat_config::drop_system_message), truth{}, "leaves system messages out").when(is_chat).affecting(data),
}; }

const key_group groups[] = {
    {rejected, "use the name of a template in chat_template", {"chat_template_jinja"}},
    {rejected, "use message_property_mappings", {"message_field_content", "message_field_role"}},
    {rejected, "", {"conversation", "data_files", "field_human", "field_input", "field_instruction",
     "field_model", "field_output", "field_system", "field_thinking", "field_tools", "format",
     "input_format", "input_transform", "logprobs_field", "message_field_training_detail", "name",
     "no_input_format", "preprocess_shards", "revision", "shards", "shards_idx", "skip",
     "split_thinking", "system_format", "system_prompt", "temperature", "template_thinking_key",
     "text_column", "train_on_split", "trust_remote_code", "type_kwargs"}},
};
// clang-format on

}  // namespace

key_table<dataset_config> dataset_keys() {
    static const auto keys = with_groups(done_keys(), groups);
    return keys;
}

}  // namespace packkit::train
