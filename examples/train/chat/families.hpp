// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// The templates of the families, and what several of them share. For
/// template.cpp alone.

#include "chat/template.hpp"

namespace packkit::train {

using chat_messages = std::span<const chat_message>;

// chatml.cpp
void render_chatml(chat_messages messages, chat_text& text);
void render_qwen2(chat_messages messages, chat_text& text);
void render_qwen_25(chat_messages messages, chat_text& text);
void render_qwen3(chat_messages messages, chat_text& text);
// gemma.cpp
void render_gemma(chat_messages messages, chat_text& text);
void render_gemma3(chat_messages messages, chat_text& text);
// llama.cpp
void render_llama2(chat_messages messages, chat_text& text);
void render_llama3(chat_messages messages, chat_text& text);
// mistral.cpp
void render_mistral_v1(chat_messages messages, chat_text& text);
void render_mistral_v2v3(chat_messages messages, chat_text& text);
void render_mistral_v3_tekken(chat_messages messages, chat_text& text);

/// Where the messages behind a leading system message begin: 1 or 0.
[[nodiscard]] std::size_t behind_system(chat_messages messages);

/// Refuses messages from `first` on that are not user, assistant, user, assistant, …
void require_alternation(chat_messages messages, std::size_t first);

/// `text` without the white space around it, as Python's str.strip() sees it.
[[nodiscard]] std::string_view stripped(std::string_view text);

/// `text` without that white space at its end.
[[nodiscard]] std::string_view stripped_at_end(std::string_view text);

/// `text` without the line feeds at its beginning or end.
[[nodiscard]] std::string_view without_leading_feeds(std::string_view text);
[[nodiscard]] std::string_view without_trailing_feeds(std::string_view text);

}  // namespace packkit::train
