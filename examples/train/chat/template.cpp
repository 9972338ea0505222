// SPDX-License-Identifier: Apache-2.0
#include "chat/template.hpp"

#include "chat/families.hpp"
#include "common/did_you_mean.hpp"
#include "common/errors.hpp"

#include <algorithm>
#include <array>

namespace packkit::train {
namespace {

using namespace std::string_view_literals;

constexpr std::array templates = {
    chat_template{"chatml", render_chatml},
    chat_template{"gemma", render_gemma},
    chat_template{"gemma3", render_gemma3},
    chat_template{"llama2", render_llama2},
    chat_template{"llama3", render_llama3},
    chat_template{"mistral_v1", render_mistral_v1},
    chat_template{"mistral_v2v3", render_mistral_v2v3},
    chat_template{"mistral_v3_tekken", render_mistral_v3_tekken},
    chat_template{"qwen2", render_qwen2},
    chat_template{"qwen_25", render_qwen_25},
    chat_template{"qwen3", render_qwen3}};

constexpr std::array roles = {"system"sv, "user"sv, "assistant"sv};

/// White space of Python's str.isspace() beyond ASCII, as UTF-8.
constexpr std::array wide_spaces = {
    "\xC2\x85"sv,     "\xC2\xA0"sv,     "\xE1\x9A\x80"sv, "\xE2\x80\x80"sv,
    "\xE2\x80\x81"sv, "\xE2\x80\x82"sv, "\xE2\x80\x83"sv, "\xE2\x80\x84"sv,
    "\xE2\x80\x85"sv, "\xE2\x80\x86"sv, "\xE2\x80\x87"sv, "\xE2\x80\x88"sv,
    "\xE2\x80\x89"sv, "\xE2\x80\x8A"sv, "\xE2\x80\xA8"sv, "\xE2\x80\xA9"sv,
    "\xE2\x80\xAF"sv, "\xE2\x81\x9F"sv, "\xE3\x80\x80"sv};

bool is_ascii_space(char c) {
    return (c >= '\t' && c <= '\r') || (c >= '\x1C' && c <= ' ');
}

/// Bytes of the white space that a text begins or ends with, 0 where there is none.
std::size_t space_at(std::string_view text, bool end) {
    if (text.empty()) return 0;
    if (is_ascii_space(end ? text.back() : text.front())) return 1;
    for (const auto space : wide_spaces) {
        if (end ? text.ends_with(space) : text.starts_with(space)) return space.size();
    }
    return 0;
}

}  // namespace

std::size_t behind_system(chat_messages messages) {
    return messages.front().role == "system" ? 1 : 0;
}

void require_alternation(chat_messages messages, std::size_t first) {
    for (std::size_t i = first; i < messages.size(); ++i) {
        const std::string_view expected = (i - first) % 2 == 0 ? "user" : "assistant";
        if (messages[i].role == expected) continue;
        throw app::input_error(messages[i].place,
                               "role " + app::in_quotes(messages[i].role) + " where " +
                                   app::in_quotes(expected) +
                                   " is expected: this template wants user and "
                                   "assistant in turns");
    }
}

std::string_view stripped(std::string_view text) {
    while (const std::size_t bytes = space_at(text, false))
        text.remove_prefix(bytes);
    return stripped_at_end(text);
}

std::string_view stripped_at_end(std::string_view text) {
    while (const std::size_t bytes = space_at(text, true))
        text.remove_suffix(bytes);
    return text;
}

std::string_view without_leading_feeds(std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
    return text;
}

std::string_view without_trailing_feeds(std::string_view text) {
    return text.substr(0, text.find_last_not_of('\n') + 1);
}

std::span<const chat_template> chat_templates() {
    return templates;
}

const chat_template* find_chat_template(std::string_view name) {
    const auto found =
        std::find_if(templates.begin(), templates.end(),
                     [name](const chat_template& form) { return form.name == name; });
    return found == templates.end() ? nullptr : &*found;
}

rendered_chat render_chat(const chat_template& form, chat_messages messages,
                          const chat_specials& specials) {
    if (messages.empty()) {
        throw app::input_error("messages", "a conversation without a message");
    }
    for (const chat_message& message : messages) {
        if (std::find(roles.begin(), roles.end(), message.role) != roles.end()) continue;
        throw app::input_error(message.place, "role " + app::in_quotes(message.role) +
                                                  " is not supported; expected one of " +
                                                  app::name_list(roles) +
                                                  app::did_you_mean(message.role, roles));
    }
    chat_text text(specials, messages.size());
    form.render(messages, text);
    return text.take();
}

}  // namespace packkit::train
