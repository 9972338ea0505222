// SPDX-License-Identifier: Apache-2.0
// Mistral and Mixtral: versions differ in blanks, and in where a system message goes.
#include "chat/families.hpp"

namespace packkit::train {
namespace {

/// How a version writes a conversation.
struct mistral_form {
    std::string_view question_begin;
    std::string_view question_end;
    std::string_view answer_begin;
    std::string_view (*answer)(std::string_view content);
    /// Where a system message goes: before the first question, or before the last one and
    /// only if that is the last message, so that a conversation that ends with an answer
    /// does not show it.
    bool system_first;
};

std::string_view unchanged(std::string_view text) {
    return text;
}

void render(chat_messages messages, chat_text& text, const mistral_form& form) {
    const std::size_t first = behind_system(messages);
    require_alternation(messages, first);
    text.bos();
    for (std::size_t i = first; i < messages.size(); ++i) {
        const std::string& content = messages[i].content;
        if (messages[i].role == "assistant") {
            text.add(form.answer_begin).content(i, form.answer(content)).eos();
            continue;
        }
        text.add(form.question_begin);
        if (first == 1 && i == (form.system_first ? 1 : messages.size() - 1))
            text.add(messages[0].content).add("\n\n");
        text.content(i, content).add(form.question_end);
    }
}

}  // namespace

void render_mistral_v1(chat_messages messages, chat_text& text) {
    render(messages, text, {" [INST] ", " [/INST]", " ", unchanged, true});
}

void render_mistral_v2v3(chat_messages messages, chat_text& text) {
    render(messages, text, {"[INST] ", "[/INST]", " ", stripped, false});
}

void render_mistral_v3_tekken(chat_messages messages, chat_text& text) {
    render(messages, text, {"[INST]", "[/INST]", "", unchanged, false});
}

}  // namespace packkit::train
