// SPDX-License-Identifier: Apache-2.0
// Rendered conversations, compared with what Jinja makes of the published templates
// (chat/templates.json by chat/make_goldens.py).
#include <chat/template.hpp>

#include <common/json.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(chat_template_test)

using namespace packkit::train;
using packkit::app::input_error;
using packkit::app::json;

namespace {

const json& goldens() {
    static const json all = packkit::app::read_json_file(PACKKIT_CHAT "/templates.json");
    return all;
}

std::vector<chat_message> conversation(const json& list) {
    std::vector<chat_message> messages;
    for (const json& each : list) {
        chat_message message;
        message.role = each["role"];
        message.content = each["content"];
        message.has_reasoning = each.contains("reasoning_content");
        if (message.has_reasoning) message.reasoning = each["reasoning_content"];
        message.place = "message " + std::to_string(messages.size());
        messages.push_back(message);
    }
    return messages;
}

std::string error(const char* name, const std::vector<chat_message>& messages) {
    const chat_specials specials{"<s>", "</s>"};
    try {
        static_cast<void>(render_chat(*find_chat_template(name), messages, specials));
    } catch (const input_error& fault) { return fault.what(); }
    return "no error";
}

}  // namespace

BOOST_AUTO_TEST_CASE(texts_are_those_of_jinja) {
    std::size_t texts = 0;
    std::size_t refused = 0;
    std::size_t spans = 0;
    for (const json& golden : goldens()["cases"]) {
        const std::string name = golden["template"];
        const std::size_t number = golden["conversation"];
        const auto messages = conversation(goldens()["conversations"][number]);
        const json& family = goldens()["families"][name];
        const chat_specials specials{family["bos"], family["eos"]};
        const std::string what = name + ", conversation " + std::to_string(number);
        if (golden.contains("error")) {
            ++refused;
            BOOST_TEST(error(name.c_str(), messages) != "no error", what);
            continue;
        }
        rendered_chat chat;
        try {
            chat = render_chat(*find_chat_template(name), messages, specials);
        } catch (const input_error& fault) {
            // Roles that do not alternate in a way that the template overlooks.
            BOOST_ERROR(what + ": " + fault.what());
            continue;
        }
        ++texts;
        BOOST_TEST(chat.text == golden["text"].get<std::string>(), what);
        for (const special_place& place : chat.specials) {
            BOOST_TEST(
                chat.text.substr(place.span.begin, place.span.end - place.span.begin) ==
                (place.is_bos ? specials.bos : specials.eos));
        }
        if (!golden.contains("contents")) continue;
        for (std::size_t i = 0; i < messages.size(); ++i) {
            const auto found = chat.contents[i];
            const json& expected = golden["contents"][i];
            BOOST_TEST(found.has_value() == !expected.is_null(),
                       what << ", message " << i);
            if (!found || expected.is_null()) continue;
            ++spans;
            BOOST_TEST(found->begin == expected[0].get<std::size_t>(),
                       what << ", message " << i);
            BOOST_TEST(found->end == expected[1].get<std::size_t>(),
                       what << ", message " << i);
        }
    }
    BOOST_TEST(texts >= 400u);
    BOOST_TEST(refused >= 60u);
    BOOST_TEST(spans >= 1500u);
}

BOOST_AUTO_TEST_CASE(every_template_has_goldens) {
    for (const chat_template& form : chat_templates()) {
        BOOST_TEST(goldens()["families"].contains(std::string(form.name)), form.name);
        BOOST_TEST(find_chat_template(form.name) == &form);
    }
    BOOST_TEST(goldens()["families"].size() == chat_templates().size());
    BOOST_TEST(find_chat_template("chat") == nullptr);
    BOOST_TEST(find_chat_template("") == nullptr);
}

BOOST_AUTO_TEST_CASE(what_no_text_stands_for) {
    const std::vector<chat_message> messages = {{"user", "a"}, {"assistant", "b"}};
    const auto chat = render_chat(*find_chat_template("llama2"), messages, {});
    BOOST_TEST(chat.text == "[INST] a [/INST] b ");
    BOOST_REQUIRE(chat.specials.size() == 2u);
    BOOST_TEST(chat.specials[0].is_bos);
    BOOST_CHECK(chat.specials[0].span == (byte_span{0, 0}));
    BOOST_TEST(!chat.specials[1].is_bos);
    BOOST_CHECK(chat.specials[1].span == (byte_span{19, 19}));
}

BOOST_AUTO_TEST_CASE(wrong_conversations) {
    const auto message = [](const char* role) {
        return chat_message{role, "x", "", false, std::string("the ") + role};
    };
    BOOST_TEST(error("chatml", {}) == "messages: a conversation without a message");
    BOOST_TEST(error("chatml", {message("tool")}) ==
               "the tool: role 'tool' is not supported; expected one of system, user, "
               "assistant");
    BOOST_TEST(error("llama3", {message("asistant")}) ==
               "the asistant: role 'asistant' is not supported; expected one of system, "
               "user, assistant; did you mean 'assistant'?");
    BOOST_TEST(error("gemma", {message("system"), message("user")}) ==
               "the system: role 'system': the template gemma has no system message; "
               "drop_system_message: true leaves it out");
    for (const char* const name : {"gemma", "gemma3", "llama2", "mistral_v1",
                                   "mistral_v2v3", "mistral_v3_tekken"}) {
        BOOST_TEST(error(name, {message("user"), message("user")}) ==
                   "the user: role 'user' where 'assistant' is expected: this template "
                   "wants user and assistant in turns");
        BOOST_TEST(error(name, {message("assistant")}) ==
                   "the assistant: role 'assistant' where 'user' is expected: this "
                   "template wants user and assistant in turns");
    }
    // Stricter than Jinja, which would leave the message out or cut the roles short.
    BOOST_TEST(error("llama2", {message("user"), message("system"), message("user")})
                   .starts_with("the system: role 'system' where 'assistant'"));
}

BOOST_AUTO_TEST_SUITE_END()
