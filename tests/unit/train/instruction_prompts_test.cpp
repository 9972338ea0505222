// SPDX-License-Identifier: Apache-2.0
// Instruction prompts: the tokens and targets that Axolotl's own strategies make
// (prompts/make_prompts.py).
#include <common/json.hpp>
#include <config/config.hpp>
#include <config/prompts.hpp>
#include <data/instruction_rows.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <set>
#include <string>

BOOST_AUTO_TEST_SUITE(instruction_prompts_test)

using namespace packkit::train;
using packkit::app::json;
using train_test::error_of;
using train_test::run_folder;

namespace {

const byte_tokenizer bytes;
const run_folder run;

/// The format of a type as a configuration names it, a text or a map.
prompt_format format_of(const json& type) {
    const auto config = load_config(run.write(run_folder::config_with(
        "datasets: [{path: data.jsonl, type: " + type.dump() + "}]")));
    BOOST_CHECK(config.datasets[0].type == dataset_type::alpaca);
    return config.datasets[0].prompt;
}

/// The text of the tokens, with U+0001 for bos and U+0002 for eos.
std::string text_of(const labelled_tokens& sample) {
    std::string text;
    for (const auto id : sample.ids)
        text += static_cast<char>(id == 256 ? 1 : id == 257 ? 2 : id);
    return text;
}

}  // namespace

BOOST_AUTO_TEST_CASE(prompts_are_those_of_axolotl) {
    std::set<std::string> types;
    for (const json& each :
         packkit::app::read_json_file(PACKKIT_PROMPTS "/prompts.json")) {
        const prompt_format format = format_of(each["type"]);
        labelled_tokens sample;
        read_instruction("here", each["row"], format, bytes, false, sample);
        BOOST_TEST(text_of(sample) == each["text"].get<std::string>(), each.dump());
        const auto from = each["from"].get<std::size_t>();
        for (std::size_t i = 0; i < sample.ids.size(); ++i) {
            BOOST_TEST_REQUIRE(sample.labels[i] ==
                               (i < from ? ignored_label : sample.ids[i]));
        }
        labelled_tokens all;
        read_instruction("here", each["row"], format, bytes, true, all);
        BOOST_TEST(all.labels == all.ids, boost::test_tools::per_element());
        const json& type = each["type"];
        if (type.is_string()) {
            const auto name = type.get<std::string>();
            types.insert(name.substr(0, name.find(':')));
        }
    }
    // Every type is compared but the one that Axolotl does not have.
    for (const auto name : prompt_type_names()) {
        if (name != "prompt_response")
            BOOST_TEST(types.contains(std::string(name)), name);
    }
}

BOOST_AUTO_TEST_CASE(prompt_and_response) {
    labelled_tokens sample;
    read_instruction("here", {{"prompt", "a {x} "}, {"response", "b"}},
                     format_of("prompt_response"), bytes, false, sample);
    BOOST_TEST(text_of(sample) ==
               "\x01"
               "a {x} b\x02");
    BOOST_TEST(std::count(sample.labels.begin(), sample.labels.end(), ignored_label) ==
               7);
}

BOOST_AUTO_TEST_CASE(types_that_are_other_types) {
    const auto load = [&](const std::string& entry) {
        return load_config(run.write(run_folder::config_with(
                               "datasets: [{path: data.jsonl, " + entry + "}]")))
            .datasets[0];
    };
    const auto chat = load("type: sharegpt, conversation: chatml");
    BOOST_CHECK(chat.type == dataset_type::chat_template);
    BOOST_TEST(chat.chat.field_messages == "conversations");
    BOOST_TEST(chat.chat.field_role == "from");
    BOOST_TEST(chat.chat.field_content == "value");
    BOOST_TEST(chat.chat.chat_template == "chatml");
    const auto other =
        load("type: 'sharegpt:chat', chat_template: llama3, field_messages: x");
    BOOST_TEST(other.chat.field_messages == "x");
    BOOST_TEST(load("type: 'completion:body'").field == "body");
    BOOST_CHECK(load("type: pretrain, text_column: t").type == dataset_type::completion);
    BOOST_TEST(load("type: ''").type_is_set == false);
    BOOST_TEST(load("type: alpaca_chat, conversation: chatml").prompt.turn_format ==
               load("type: 'alpaca:chatml'").prompt.turn_format);
}

BOOST_AUTO_TEST_CASE(wrong_instructions) {
    const auto alpaca = [](const char* row) {
        labelled_tokens sample;
        return error_of(run.folder, [&] {
            read_instruction("d.jsonl:4", json::parse(row), alpaca_format(), bytes, false,
                             sample);
        });
    };
    BOOST_TEST(alpaca(R"({"output": "x"})") == "d.jsonl:4: key 'instruction' is missing");
    BOOST_TEST(alpaca(R"({"instruction": "x"})") == "d.jsonl:4: key 'output' is missing");
    BOOST_TEST(alpaca(R"({"instruction": "x", "input": 3, "output": "y"})") ==
               "d.jsonl:4: key 'input' holds a number; expected a string");
    BOOST_TEST(alpaca(R"({"instruction": "x", "input": null, "output": ""})") ==
               "no error");
    const auto segments = [](const char* row) {
        labelled_tokens sample;
        return error_of(run.folder, [&] {
            read_segments("d.jsonl:4", json::parse(row), bytes, false, sample);
        });
    };
    BOOST_TEST(segments("{}") == "d.jsonl:4: key 'segments' is missing");
    BOOST_TEST(segments(R"({"segments": {}})") ==
               "d.jsonl:4: key 'segments' holds an object; expected an array of "
               "{\"label\", \"text\"}");
    BOOST_TEST(segments(R"({"segments": [1]})") ==
               "d.jsonl:4: segments[0]: expected an object, found a number");
    BOOST_TEST(segments(R"({"segments": [{"label": 1, "text": "x"}]})") ==
               "d.jsonl:4: segments[0]: key 'label' holds a number; expected true or "
               "false");
    BOOST_TEST(segments(R"({"segments": [{"label": true}]})") ==
               "d.jsonl:4: segments[0]: key 'text' is missing");
}

BOOST_AUTO_TEST_SUITE_END()
