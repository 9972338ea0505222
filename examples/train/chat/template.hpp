// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A conversation as the text that a model family's chat template makes of it, with the
/// place of each message in that text.
/// \details A template here is a function; none is read from a file. What Jinja makes of
/// the families' published templates, these functions make byte for byte
/// (tests/unit/train/chat). Tools and images are not rendered.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace packkit::train {

/// One message of a conversation.
struct chat_message {
    std::string role;            ///< system, user or assistant
    std::string content;         ///< UTF-8
    std::string reasoning = {};  ///< thoughts before the answer; qwen3 alone shows them
    bool has_reasoning = false;  ///< given beside the content, not inside <think>
    std::string place = {};      ///< for faults: "data.jsonl:3: messages[2]"
};

/// The texts of the tokens that begin and end a sequence; "" when no text stands for
/// them.
struct chat_specials {
    std::string bos;
    std::string eos;
};

/// Bytes [begin, end) of a text.
struct byte_span {
    std::size_t begin = 0;
    std::size_t end = 0;

    friend bool operator==(const byte_span&, const byte_span&) = default;
};

/// Where a template put bos or eos. The span is empty when no text stands for the token.
struct special_place {
    byte_span span;
    bool is_bos = false;
};

/// A conversation as text.
struct rendered_chat {
    std::string text;
    /// For message i: what the template made of its content, without the white space that
    /// it strips; with the thoughts where these are shown. Nothing for a message that is
    /// no turn of its own: a system message that the template leaves out or puts into a
    /// question.
    std::vector<std::optional<byte_span>> contents;
    std::vector<special_place> specials;  ///< in the order of the text
};

/// A text under construction, passed to the functions of the families.
class chat_text {
public:
    chat_text(const chat_specials& specials, std::size_t messages) : specials_(specials) {
        chat_.contents.resize(messages);
    }

    chat_text& add(std::string_view text) {
        chat_.text += text;
        return *this;
    }
    chat_text& bos() { return add_special(true); }
    chat_text& eos() { return add_special(false); }
    /// Adds `text` as the content of message `index`.
    chat_text& content(std::size_t index, std::string_view text) {
        chat_.contents[index] =
            byte_span{chat_.text.size(), chat_.text.size() + text.size()};
        return add(text);
    }

    [[nodiscard]] rendered_chat take() { return std::move(chat_); }

private:
    chat_text& add_special(bool is_bos) {
        const std::string& text = is_bos ? specials_.bos : specials_.eos;
        const std::size_t begin = chat_.text.size();
        chat_.specials.push_back({{begin, begin + text.size()}, is_bos});
        return add(text);
    }

    const chat_specials& specials_;
    rendered_chat chat_;
};

/// A template by its name.
struct chat_template {
    std::string_view name;  ///< Axolotl's where it has the template
    void (*render)(std::span<const chat_message> messages, chat_text& text);
};

/// All templates: chatml, gemma (1 and 2), gemma3, llama2, llama3, mistral_v1 (also
/// Mixtral 8x7B), mistral_v2v3, mistral_v3_tekken, qwen2, qwen_25, qwen3.
[[nodiscard]] std::span<const chat_template> chat_templates();

/// The template of that name, or nullptr.
[[nodiscard]] const chat_template* find_chat_template(std::string_view name);

/// The whole conversation as text; no prompt for a further answer follows it.
/// \throws app::input_error with the message's place: no message at all, another role
/// than system, user or assistant, a system message where the template has none, roles
/// that do not alternate where the template demands it.
[[nodiscard]] rendered_chat render_chat(const chat_template& form,
                                        std::span<const chat_message> messages,
                                        const chat_specials& specials);

}  // namespace packkit::train
