// SPDX-License-Identifier: Apache-2.0
// Gemma: user and model in turns; the third puts a system message before the first
// user's.
#include "chat/families.hpp"
#include "common/errors.hpp"

namespace packkit::train {
namespace {

chat_text& begin_turn(chat_text& text, const chat_message& message) {
    const bool answer = message.role == "assistant";
    return text.add("<start_of_turn>").add(answer ? "model\n" : "user\n");
}

}  // namespace

void render_gemma(chat_messages messages, chat_text& text) {
    if (behind_system(messages) == 1) {
        throw app::input_error(messages.front().place,
                               "role 'system': the template gemma has no system message; "
                               "drop_system_message: true leaves it out");
    }
    render_gemma3(messages, text);
}

void render_gemma3(chat_messages messages, chat_text& text) {
    const std::size_t first = behind_system(messages);
    require_alternation(messages, first);
    text.bos();
    for (std::size_t i = first; i < messages.size(); ++i) {
        begin_turn(text, messages[i]);
        if (first == 1 && i == 1) text.add(messages[0].content).add("\n\n");
        text.content(i, stripped(messages[i].content)).add("<end_of_turn>\n");
    }
}

}  // namespace packkit::train
