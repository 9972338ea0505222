// SPDX-License-Identifier: Apache-2.0
// ChatML, and what Qwen made of it.
#include "chat/families.hpp"

namespace packkit::train {
namespace {

chat_text& begin_turn(chat_text& text, std::string_view role) {
    return text.add("<|im_start|>").add(role).add("\n");
}

void end_turn(chat_text& text) {
    text.add("<|im_end|>\n");
}

void with_default_system(chat_messages messages, chat_text& text,
                         std::string_view system) {
    if (behind_system(messages) == 0) {
        begin_turn(text, "system").add(system);
        end_turn(text);
    }
    render_chatml(messages, text);
}

/// An answer in its two parts.
struct qwen3_answer {
    std::string_view reasoning;
    std::string_view content;
};

/// The thoughts are given by themselves, or stand in the content before </think>.
qwen3_answer answer_of(const chat_message& message) {
    constexpr std::string_view open = "<think>";
    constexpr std::string_view close = "</think>";
    std::string_view content = message.content;
    if (message.has_reasoning) return {message.reasoning, content};
    const std::size_t first = content.find(close);
    if (first == std::string_view::npos) return {"", content};
    std::string_view reasoning = without_trailing_feeds(content.substr(0, first));
    const std::size_t begin = reasoning.rfind(open);
    if (begin != std::string_view::npos) reasoning.remove_prefix(begin + open.size());
    content.remove_prefix(content.rfind(close) + close.size());
    return {without_leading_feeds(reasoning), without_leading_feeds(content)};
}

/// The last message of a user that is no tool's answer: thoughts before it are left out.
std::size_t last_query(chat_messages messages) {
    for (std::size_t i = messages.size(); i-- > 0;) {
        const std::string& content = messages[i].content;
        const bool of_tool = content.starts_with("<tool_response>") &&
                             content.ends_with("</tool_response>");
        if (messages[i].role == "user" && !of_tool) return i;
    }
    return messages.size() - 1;
}

}  // namespace

void render_chatml(chat_messages messages, chat_text& text) {
    for (std::size_t i = 0; i < messages.size(); ++i) {
        begin_turn(text, messages[i].role).content(i, messages[i].content);
        end_turn(text);
    }
}

void render_qwen2(chat_messages messages, chat_text& text) {
    with_default_system(messages, text, "You are a helpful assistant.");
}

void render_qwen_25(chat_messages messages, chat_text& text) {
    with_default_system(
        messages, text,
        "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.");
}

void render_qwen3(chat_messages messages, chat_text& text) {
    const std::size_t query = last_query(messages);
    for (std::size_t i = 0; i < messages.size(); ++i) {
        begin_turn(text, messages[i].role);
        if (messages[i].role != "assistant") {
            text.content(i, messages[i].content);
            end_turn(text);
            continue;
        }
        const auto [reasoning, content] = answer_of(messages[i]);
        const bool last = i + 1 == messages.size();
        if (i <= query || (!last && reasoning.empty())) {
            text.content(i, content);
        } else {
            constexpr std::string_view between = "\n</think>\n\n";
            const auto thoughts =
                without_leading_feeds(without_trailing_feeds(reasoning));
            const auto answer = without_leading_feeds(content);
            // The last answer gets the marks of thoughts even when it has none: they are
            // the template's. What stands there only because of the thoughts is theirs.
            if (last) text.add("<think>");
            if (thoughts.empty() && last) {
                text.add("\n").add(between).content(i, answer);
            } else {
                std::string shown = last ? "\n" : "<think>\n";
                shown.append(thoughts).append(between).append(answer);
                text.content(i, shown);
            }
        }
        end_turn(text);
    }
}

}  // namespace packkit::train
