// SPDX-License-Identifier: Apache-2.0
// Mistral and Mixtral: versions differ in blanks, and in where a system message goes.
#include "chat/families.hpp"

namespace packkit::train {
namespace {

/// What is written around a question.
struct question_form {
    std::string_view begin;
    std::string_view end;
};

void add_question(chat_messages messages, std::size_t i, bool with_system,
                  const question_form& form, chat_text& text) {
    text.add(form.begin);
    if (with_system) text.add(messages[0].content).add("\n\n");
    text.content(i, messages[i].content).add(form.end);
}

/// From the second version on the system message goes before the last question, and only
/// if that is the last message: a conversation that ends with an answer does not show it.
bool shows_system(chat_messages messages, std::size_t i) {
    return behind_system(messages) == 1 && i + 1 == messages.size();
}

}  // namespace

void render_mistral_v1(chat_messages messages, chat_text& text) {
    const std::size_t first = behind_system(messages);
    require_alternation(messages, first);
    text.bos();
    for (std::size_t i = first; i < messages.size(); ++i) {
        if (messages[i].role == "assistant") {
            text.add(" ").content(i, messages[i].content).eos();
        } else {
            add_question(messages, i, first == 1 && i == 1, {" [INST] ", " [/INST]"},
                         text);
        }
    }
}

void render_mistral_v2v3(chat_messages messages, chat_text& text) {
    const std::size_t first = behind_system(messages);
    require_alternation(messages, first);
    text.bos();
    for (std::size_t i = first; i < messages.size(); ++i) {
        if (messages[i].role == "assistant") {
            text.add(" ").content(i, stripped(messages[i].content)).eos();
        } else {
            add_question(messages, i, shows_system(messages, i), {"[INST] ", "[/INST]"},
                         text);
        }
    }
}

void render_mistral_v3_tekken(chat_messages messages, chat_text& text) {
    const std::size_t first = behind_system(messages);
    require_alternation(messages, first);
    text.bos();
    for (std::size_t i = first; i < messages.size(); ++i) {
        if (messages[i].role == "assistant") {
            text.content(i, messages[i].content).eos();
        } else {
            add_question(messages, i, shows_system(messages, i), {"[INST]", "[/INST]"},
                         text);
        }
    }
}

}  // namespace packkit::train
