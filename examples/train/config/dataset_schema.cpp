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
using dataset_key = config_key<dataset_config>;
using node_kind = config_node::kind;

/// Types of Axolotl that are not read.
constexpr rejected_name other_types[] = {
    {"messages", "is not supported; use type: chat_template"},
    {"llama2_chat",
     "is not supported; use type: chat_template with chat_template: llama2"},
    {"pygmalion", "is not supported; use type: chat_template"},
    {"creative_acr",
     "is not supported; write the prompt into the rows and use type: "
     "{field_instruction: ..., field_output: ..., format: ...}"},
    {"user_defined",
     "is not supported; give type a map, as {field_instruction: ..., "
     "field_output: ..., format: ...}"},
    {"_synthetic", "is not supported; write rows of ids and use type: tokens"},
    {"stepwise_supervised",
     "is not supported: only decoders that predict tokens are "
     "trained"},
    {"bradley_terry", "is not supported: only decoders that predict tokens are trained"},
    {"alpaca", "is not supported; styles are :instruct, :chat, :chatml and :phi"},
    {"completion", "is not supported; expected"},
    {"tokens", "is not supported; expected"},
    {"input_output", "is not supported; expected"},
    {"chat_template", "is not supported; expected"},
    {"alpaca_chat",
     "is not supported; expected alpaca_chat, or it with .load_concise, "
     ".load_qa, .load_camel_ai or .load_no_prompt"},
    {"alpaca_instruct",
     "is not supported; expected alpaca_instruct or "
     "alpaca_instruct.load_no_prompt"},
    {"alpaca_w_system",
     "is not supported; expected alpaca_w_system, or it with "
     ".load_chat, .load_instruct, .load_open_orca or "
     ".load_open_orca_chatml"},
    {"context_qa",
     "is not supported; expected context_qa, context_qa.load_404 or "
     "context_qa.load_v2"}};

template <class Value>
auto in_chat(Value chat_config::* member) {
    return [member](auto& data) -> auto& { return data.chat.*member; };
}

bool is_chat(const dataset_config& data) {
    return data.type == dataset_type::chat_template;
}

std::string format_text(const dataset_config& data) {
    return std::string(to_string(file_kind(data)));
}

constexpr auto some_files = "a file, a folder, a pattern, or a list of these"sv;

std::string path_text(const dataset_config& data) {
    return data.paths.size() > 1 ? text_list{}.text(data.paths) : data.path;
}

void read_path(const key_reader& keys, dataset_config& data) {
    data.paths = *keys.read("path", some_texts{some_files});
    data.path = data.paths.size() == 1 ? resolved_path(keys.file(), data.paths.front())
                                       : text_list{}.text(data.paths);
}

std::string type_text(const dataset_config& data) {
    if (data.type == dataset_type::alpaca && !(data.prompt == alpaca_format()))
        return to_text(data.prompt);
    return std::string(to_string(data.type)) + (data.type_is_set ? "" : " or tokens");
}

/// A type of its own: {field_instruction: …, format: …}.
void read_user_prompt(const key_reader& keys, dataset_config& data) {
    prompt_format& prompt = data.prompt;
    prompt = {.name = "user-defined prompt",
              .instruction = {.field = "instruction"},
              .input = {.field = "input", .optional = true},
              .output = {.field = "output", .optional = true},
              .system = {.field = "system", .optional = true},
              .system_format = "{system}",
              .turn_format = "{instruction} {input} ",
              .turn_alone_format = "{instruction} "};
    struct part {
        std::string_view key;
        std::string& value;
        std::vector<std::string_view> names = {};
    };
    const part parts[] = {{"field_instruction", prompt.instruction.field},
                          {"field_input", prompt.input.field},
                          {"field_output", prompt.output.field},
                          {"field_system", prompt.system.field},
                          {"system_prompt", prompt.system_alone},
                          {"system_format", prompt.system_format, {"system"}},
                          {"format", prompt.turn_format, {"instruction", "input"}},
                          {"no_input_format", prompt.turn_alone_format, {"instruction"}}};
    std::vector<std::string_view> known;
    for (const part& each : parts)
        known.push_back(each.key);
    for (const auto& member : keys.map().members) {
        const auto found =
            std::find(known.begin(), known.end(), std::string_view(member.key));
        if (found == known.end()) {
            keys.conflict(member.key,
                          "key " + app::in_quotes(keys.prefix() + member.key) +
                              " is unknown" + app::did_you_mean(member.key, known));
        }
        if (!keys.has(member.key)) continue;
        const part& target = parts[found - known.begin()];
        if (member.value.type != node_kind::scalar) keys.expected(member.key, "a text");
        target.value = member.value.text;
        if (target.names.empty()) continue;
        const std::string problem = format_problem(target.value, target.names);
        if (!problem.empty()) keys.fail(member.key, problem);
    }
    prompt.system_with_input = prompt.system_alone;
    data.type = dataset_type::alpaca;
}

/// A deprecated type of conversations with human and gpt.
void read_as_sharegpt(dataset_config& data) {
    data.type = dataset_type::chat_template;
    data.chat.field_messages = "conversations";
    data.chat.field_role = "from";
    data.chat.field_content = "value";
    data.notes.emplace_back(
        "type: sharegpt is deprecated; it is read as type: chat_template with "
        "field_messages: conversations and message_property_mappings: {role: from, "
        "content: value}");
}

void read_type(const key_reader& keys, dataset_config& data) {
    const config_node& node = *keys.find("type");
    data.type_is_set = true;
    if (node.type == node_kind::map) return read_user_prompt(keys.inner("type"), data);
    const std::string& text = node.text;
    constexpr auto with_field = "completion:"sv;
    if (node.type == node_kind::scalar) {
        if (text.empty()) {
            data.type_is_set = false;
            return;
        }
        if (auto prompt = find_prompt_format(text)) {
            data.type = dataset_type::alpaca;
            data.prompt = std::move(*prompt);
            return;
        }
        if (text == "pretrain") {
            data.type = dataset_type::completion;
            return;
        }
        if (text.starts_with(with_field) && text.size() > with_field.size()) {
            data.type = dataset_type::completion;
            data.field = text.substr(with_field.size());
            return;
        }
        if (text == "sharegpt" || text.starts_with("sharegpt:") ||
            text.starts_with("sharegpt.")) {
            return read_as_sharegpt(data);
        }
    }
    data.type =
        *keys.read("type", choice<dataset_type>{names_of<dataset_type>, other_types});
}

void read_split(const key_reader& keys, dataset_config& data) {
    const split_slice slice = *keys.read("split", split_choice{});
    data.split = slice.name;
    data.rows.from = slice.from;
    data.rows.to = slice.to;
}

std::string split_setting(const dataset_config& data) {
    return split_choice{}.text({data.split, data.rows.from, data.rows.to});
}

template <class Value>
auto in_rows(Value row_selection::* member) {
    return [member](auto& data) -> auto& { return data.rows.*member; };
}

constexpr named<std::string_view> thinking_keys[] = {
    {"reasoning_content", "reasoning_content"}};

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
    static const std::vector<dataset_key> keys = {
        dataset_key("role", in_chat(&chat_config::field_role), plain_text{},
                    "key of the role")
            .affecting(data),
        dataset_key("content", in_chat(&chat_config::field_content), plain_text{},
                    "key of the text")
            .affecting(data),
        dataset_key("reasoning_content", in_chat(&chat_config::field_thinking),
                    plain_text{}, "key of the thoughts")
            .not_printed(),
        dataset_key("tool_calls", key_status::rejected, "tools are not rendered")};
    return keys;
}

// A row is a line.
// clang-format off
std::vector<dataset_key> done_keys() { return {
    dataset_key("path", some_texts{some_files}, "files of the samples, or a data set in the local Hugging Face cache").required("a file, a folder, a pattern, or a list of these").reading(read_path).printed("path", path_text),
    dataset_key("data_files", &D::data_files, some_texts{some_files}, "files, where path is a folder or a format"),
    dataset_key("type", choice<dataset_type>{names_of<dataset_type>, other_types}, "how its rows become samples; also Axolotl's prompts (alpaca:chat, gpteacher, ...), prompt_response, and a map {field_instruction, field_input, field_output, field_system, format, no_input_format, system_prompt, system_format}").reading(read_type).printed("type", type_text).by_default("completion; tokens for rows that hold input_ids").affecting(data),
    dataset_key("field", &D::field, plain_text{}, "key of the text in a row of type completion; a.b for a nested one").affecting(data),
    dataset_key("text_column", &D::field, plain_text{}, "another name of field").not_printed(),
    dataset_key("sample_by", &D::sample_by, choice<text_unit>{}, "part of a .txt file that makes a sample").affecting(data),
    dataset_key("ds_type", &D::ds_type, choice<file_format>{}, "format of the files").printed("ds_type", format_text).by_default("as the ending of the name says, json for others").affecting(data),
    dataset_key("split", split_choice{}, "name of the split, and rows of it: train[:10%]").reading(read_split).printed("split", split_setting).by_default("train").affecting(data),
    dataset_key("skip", in_rows(&row_selection::skip), whole{0}, "rows at the beginning that are left out").affecting(data),
    dataset_key("shards", in_rows(&row_selection::shards), whole{1}, "parts of the rows, chosen by the seed, of which one is read").affecting(data),
    dataset_key("shards_idx", in_rows(&row_selection::shards_idx), whole{0}, "the part that is read").affecting(data),
    dataset_key("name", &D::name, plain_text{}, "folder of the data set"),
    dataset_key("revision", &D::revision, plain_text{}, "branch, tag or commit of a data set in the local Hugging Face cache"),
    dataset_key("conversation", &D::conversation, plain_text{}, "the template of type sharegpt, the style of alpaca_chat").deprecated("use `chat_template`").not_printed(),
    dataset_key("chat_template", in_chat(&chat_config::chat_template), template_name{}, "how conversations become text").by_default("as the key of the file").when(is_chat).affecting(data),
    dataset_key("field_messages", in_chat(&chat_config::field_messages), plain_text{}, "key of the messages; a.b for a nested one").when(is_chat).affecting(data),
    dataset_key("message_property_mappings", collection{node_kind::map, "keys, as {role: from, content: value}"}, "keys of a message").when(is_chat).with_keys(property_keys),
    dataset_key("roles", collection{node_kind::map, "keys with lists, as {user: [human, user]}"}, "roles of the data that a role of the template stands for").reading(read_roles).printed("roles", roles_text).when(is_chat).affecting(data),
    dataset_key("roles_to_train", in_chat(&chat_config::roles_to_train), text_list{"a list of roles, as [assistant]"}, "roles whose messages are targets").reading(read_roles_to_train).when(is_chat).affecting(data),
    dataset_key("train_on_eos", in_chat(&chat_config::train_on_eos), choice<train_on>{}, "turns whose eos is a target").when(is_chat).affecting(data),
    dataset_key("train_on_eot", in_chat(&chat_config::train_on_eot), choice<train_on>{}, "turns whose eot_tokens are targets").by_default("as train_on_eos").when(is_chat).affecting(data),
    dataset_key("message_field_training", in_chat(&chat_config::message_field_training), plain_text{}, "key of true or false, or 1 or 0, in a message: whether it is a target").when(is_chat).affecting(data),
    dataset_key("message_field_training_detail", in_chat(&chat_config::message_field_training_detail), plain_text{}, "key of a message's list of {begin_offset, end_offset, train}: characters that are targets, or not").when(is_chat).affecting(data),
    dataset_key("message_field_role", in_chat(&chat_config::field_role), plain_text{}, "key of the role").when(is_chat).deprecated("use `message_property_mappings`").not_printed(),
    dataset_key("message_field_content", in_chat(&chat_config::field_content), plain_text{}, "key of the text").when(is_chat).deprecated("use `message_property_mappings`").not_printed(),
    dataset_key("field_thinking", in_chat(&chat_config::field_thinking), plain_text{}, "key of a message's thoughts").when(is_chat).affecting(data),
    dataset_key("field_tools", in_chat(&chat_config::field_tools), plain_text{}, "key of a row's tools, which are refused").when(is_chat).affecting(data),
    dataset_key("template_thinking_key", choice<std::string_view>{thinking_keys}, "name of the thoughts in a template").when(is_chat),
    dataset_key("drop_system_message", in_chat(&chat_config::drop_system_message), truth{}, "leaves system messages out").when(is_chat).affecting(data),
}; }

const key_group groups[] = {
    {noted, "data sets are files; no code of theirs is run", {"trust_remote_code"}},
    {noted, "all rows are read once, before the first step", {"preprocess_shards"}},
    {noted, "no type reads it", {"field_human", "field_model", "input_format"}},
    {rejected, "use the name of a template in chat_template", {"chat_template_jinja"}},
    {rejected, "put it into the map of type, as type: {field_instruction: question, format: ...}",
     {"field_input", "field_instruction", "field_output", "field_system", "format", "no_input_format",
      "system_format", "system_prompt"}},
    {rejected, "put the thoughts under reasoning_content", {"split_thinking"}},
    {rejected, "only language modelling is trained", {"field_chosen", "field_completion", "field_label",
     "field_prompt", "field_rejected", "logprobs_field", "max_completion_length", "step_separator",
     "temperature", "train_on_last_step_only"}},
    {rejected, "write rows of ids and use type: tokens", {"length", "max_input_id", "min_input_id", "seed",
     "sequence_length"}},
    {rejected, "use split", {"train_on_split"}},
    {rejected, "use type: chat_template", {"input_transform"}},
    {rejected, "give the fields in a map of type", {"type_kwargs"}},
};
// clang-format on

}  // namespace

key_table<dataset_config> dataset_keys() {
    static const auto keys = with_groups(done_keys(), groups);
    return keys;
}

}  // namespace packkit::train
