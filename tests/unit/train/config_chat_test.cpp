// SPDX-License-Identifier: Apache-2.0
// Keys of conversations: what they become, and what is refused.
#include <config/config.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <string>
#include <string_view>

BOOST_AUTO_TEST_SUITE(config_chat_test)

using namespace packkit::train;
using train_test::error_of;
using train_test::run_folder;

namespace {

const run_folder run;

std::string chat_text(std::string_view keys, std::string_view top_level = "") {
    return run_folder::config_with("datasets: [{path: data.jsonl, type: chat_template" +
                                   std::string(keys) + "}]\n" + std::string(top_level));
}

train_config load(std::string_view keys, std::string_view top_level = "") {
    return load_config(run.write(chat_text(keys, top_level)));
}

/// The error, without the place.
std::string error(std::string_view keys, std::string_view top_level = "") {
    const std::string text =
        error_of(run.folder, [&] { static_cast<void>(load(keys, top_level)); });
    const std::string_view place = "config.yaml:";
    return text.starts_with(place) ? text.substr(text.find(": ") + 2) : text;
}

std::string type_error(std::string_view dataset) {
    const std::string path =
        run.write(run_folder::config_with("datasets: [" + std::string(dataset) + "]"));
    return error_of(run.folder, [&] { load_config(path); });
}

}  // namespace

BOOST_AUTO_TEST_CASE(defaults) {
    const auto config = load(", chat_template: chatml");
    const chat_config& chat = config.datasets[0].chat;
    chat_config expected;
    expected.chat_template = "chatml";
    BOOST_CHECK(chat == expected);
    BOOST_TEST(chat.field_messages == "messages");
    BOOST_TEST(chat.roles_to_train == std::vector<std::string>{"assistant"},
               boost::test_tools::per_element());
    BOOST_CHECK(chat.train_on_eos == train_on::turn);
    BOOST_TEST(!config.train_on_inputs);
    BOOST_TEST(config.eot_tokens.empty());
}

BOOST_AUTO_TEST_CASE(all_keys) {
    const auto config = load(
        ", chat_template: qwen3, field_messages: a.b, "
        "message_property_mappings: {role: from, content: value}, "
        "roles: {user: [h], assistant: [g, bot]}, roles_to_train: [g, system], "
        "train_on_eos: last, train_on_eot: none, message_field_training: train, "
        "drop_system_message: true",
        "chat_template: gemma\ntrain_on_inputs: true\neot_tokens: [<x>, y]");
    const chat_config& chat = config.datasets[0].chat;
    BOOST_TEST(chat.chat_template == "qwen3");
    BOOST_TEST(chat.field_messages == "a.b");
    BOOST_TEST(chat.field_role == "from");
    BOOST_TEST(chat.field_content == "value");
    BOOST_CHECK(chat.roles ==
                (std::vector<role_name>{
                    {"h", "user"}, {"g", "assistant"}, {"bot", "assistant"}}));
    BOOST_TEST(chat.roles_to_train == (std::vector<std::string>{"assistant", "system"}),
               boost::test_tools::per_element());
    BOOST_CHECK(chat.train_on_eos == train_on::last);
    BOOST_CHECK(chat.train_on_eot == train_on::none);
    BOOST_TEST(chat.message_field_training == "train");
    BOOST_TEST(chat.drop_system_message);
    BOOST_TEST(config.train_on_inputs);
    BOOST_TEST(config.eot_tokens == (std::vector<std::string>{"<x>", "y"}),
               boost::test_tools::per_element());
    BOOST_TEST(load("", "chat_template: gemma").datasets[0].chat.chat_template ==
               "gemma");
    BOOST_CHECK(load(", chat_template: llama3, train_on_eos: all")
                    .datasets[0]
                    .chat.train_on_eot == train_on::all);
    // Ranks compare these: each key counts.
    const auto settings = resolved_settings(config);
    const auto other = resolved_settings(load(", chat_template: qwen3"));
    const auto differing =
        std::count_if(settings.begin(), settings.end(), [&](const auto& setting) {
            return std::find(other.begin(), other.end(), setting) == other.end();
        });
    BOOST_TEST(differing == 11);
}

BOOST_AUTO_TEST_CASE(ends_that_are_not_trained_are_told) {
    const auto warned = [](const std::string& keys, const std::string& top = "") {
        const auto warnings = load(keys, top).warnings;
        return std::count(warnings.begin(), warnings.end(),
                          "EOS token not found in chat_template: the turns of gemma3 end "
                          "with <end_of_turn>, which is trained only with `eot_tokens: "
                          "[\"<end_of_turn>\"]`");
    };
    BOOST_TEST(warned(", chat_template: gemma3") == 1);
    BOOST_TEST(warned("", "chat_template: gemma3") == 1);
    BOOST_TEST(warned(", chat_template: gemma3", "eot_tokens: [<end_of_turn>]") == 0);
    BOOST_TEST(warned(", chat_template: gemma3, train_on_eos: none") == 0);
    BOOST_TEST(warned(", chat_template: chatml") == 0);
}

BOOST_AUTO_TEST_CASE(wrong_templates) {
    const std::string names =
        "chatml, gemma, gemma3, llama2, llama3, mistral_v1, mistral_v2v3, "
        "mistral_v3_tekken, qwen2, qwen_25, qwen3";
    BOOST_TEST(error("") ==
               "datasets.0.type: chat_template needs the template's name, as "
               "chat_template: chatml");
    BOOST_TEST(error(", chat_template: lama3") ==
               "datasets.0.chat_template: expected one of " + names +
                   ", found 'lama3'; did you mean 'llama3'?");
    BOOST_TEST(error(", chat_template: tokenizer_default") ==
               "datasets.0.chat_template: 'tokenizer_default' is not supported: Jinja "
               "templates are not read; expected one of " +
                   names);
    BOOST_TEST(error(", chat_template: chatml", "chat_template: [x]") ==
               "chat_template: expected one of " + names + ", found a list");
    BOOST_TEST(error(", chat_template: chatml, chat_template_jinja: x")
                   .starts_with("datasets.0.chat_template_jinja is not supported; use "));
}

BOOST_AUTO_TEST_CASE(wrong_keys) {
    const auto chat = [](const std::string& keys) {
        return error(", chat_template: chatml, " + keys);
    };
    BOOST_TEST(chat("train_on_eos: every") ==
               "datasets.0.train_on_eos: expected one of turn, all, last, none, found "
               "'every'");
    BOOST_TEST(chat("train_on_eos: true") ==
               "datasets.0.train_on_eos: expected one of turn, all, last, none, found "
               "'true'");
    BOOST_TEST(chat("roles_to_train: assistant") ==
               "datasets.0.roles_to_train: expected a list of roles, as [assistant], "
               "found 'assistant'");
    BOOST_TEST(chat("roles_to_train: [asistant]") ==
               "datasets.0.roles_to_train: role 'asistant' is unknown; expected one of "
               "system, user, assistant; did you mean 'assistant'?");
    BOOST_TEST(chat("message_property_mappings: {rol: from}") ==
               "key 'datasets.0.message_property_mappings.rol' is unknown; did you "
               "mean 'role'?");
    BOOST_TEST(chat("message_property_mappings: {role: [x]}") ==
               "datasets.0.message_property_mappings.role: expected a text, found a "
               "list");
    BOOST_TEST(chat("roles: [user]") ==
               "datasets.0.roles: expected keys with lists, as {user: [human, user]}, "
               "found a list");
    BOOST_TEST(chat("roles: {user: human}") ==
               "datasets.0.roles.user: expected a list of roles, found 'human'");
    BOOST_TEST(chat("message_field_role: from, message_property_mappings: {role: x}") ==
               "datasets.0.message_field_role: 'from' contradicts "
               "message_property_mappings.role: 'x'");
    BOOST_TEST(chat("feild_messages: x") ==
               "key 'datasets.0.feild_messages' is unknown; did you mean "
               "'field_messages'?");
    BOOST_TEST(chat("field: x") ==
               "datasets.0.field: is for type completion, the type is chat_template");
    BOOST_TEST(error(", chat_template: chatml", "eot_tokens: x") ==
               "eot_tokens: expected a list of tokens, as [\"<end_of_turn>\"], found "
               "'x'");
}

BOOST_AUTO_TEST_CASE(other_types) {
    const std::string at = "config.yaml:1: datasets.0.";
    BOOST_TEST(type_error("{path: data.jsonl, type: alpaca}") == "no error");
    BOOST_TEST(type_error("{path: data.jsonl, type: input_output}") == "no error");
    BOOST_TEST(type_error("{path: data.jsonl, type: alpaca, train_on_eos: all}") ==
               at + "train_on_eos: is for type chat_template, the type is alpaca");
    BOOST_TEST(type_error("{path: data.txt, type: alpaca}") ==
               at + "path: expected a .jsonl, .json, .csv, .parquet or .arrow file for "
                    "type alpaca, or ds_type, found 'data.txt'");
    BOOST_TEST(type_error("{path: data.jsonl, type: 'alpaca:chat'}") == "no error");
    BOOST_TEST(type_error("{path: data.jsonl, type: chat_templat}") ==
               at + "type: expected one of completion, tokens, alpaca, input_output, "
                    "chat_template, found 'chat_templat'; did you mean 'chat_template'?");
}

BOOST_AUTO_TEST_CASE(train_on_inputs_without_prompts) {
    const auto plain =
        load_config(run.write(run_folder::config_with("train_on_inputs: true")));
    BOOST_TEST(std::count(plain.warnings.begin(), plain.warnings.end(),
                          "`train_on_inputs` has no effect: completion trains on all "
                          "tokens, tokens on those with labels") == 1);
    BOOST_TEST(load(", chat_template: chatml", "train_on_inputs: true").warnings.empty());
}

BOOST_AUTO_TEST_SUITE_END()
