// SPDX-License-Identifier: Apache-2.0
// Llama 2 and 3.
#include "chat/families.hpp"

namespace packkit::train {
namespace {

/// The first question of Llama 2 behind its system message: the two are stripped as one
/// text, so white space before the question stays, and nothing is left of a question of
/// white space nor of the line feeds before it.
void add_first_question(chat_messages messages, chat_text& text) {
    text.bos().add("[INST] <<SYS>>\n").add(messages[0].content);
    text.add("\n<</SYS>>");
    const auto question = stripped_at_end(messages[1].content);
    if (!question.empty()) text.add("\n\n");
    text.content(1, question);
}

}  // namespace

void render_llama2(chat_messages messages, chat_text& text) {
    const std::size_t first = behind_system(messages);
    require_alternation(messages, first);
    for (std::size_t i = first; i < messages.size(); ++i) {
        if (messages[i].role == "assistant") {
            text.add(" ").content(i, stripped(messages[i].content)).add(" ").eos();
            continue;
        }
        if (first == 1 && i == 1) {
            add_first_question(messages, text);
        } else {
            text.bos().add("[INST] ").content(i, stripped(messages[i].content));
        }
        text.add(" [/INST]");
    }
}

void render_llama3(chat_messages messages, chat_text& text) {
    text.bos();
    for (std::size_t i = 0; i < messages.size(); ++i) {
        text.add("<|start_header_id|>")
            .add(messages[i].role)
            .add("<|end_header_id|>\n\n");
        text.content(i, stripped(messages[i].content)).add("<|eot_id|>");
    }
}

}  // namespace packkit::train
