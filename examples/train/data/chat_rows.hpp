// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Rows of the dataset type chat_template.

#include "chat/template.hpp"
#include "common/json.hpp"
#include "config/config.hpp"
#include "data/chat_encoder.hpp"
#include "data/labelled_tokens.hpp"
#include "data/tokenizer.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::train {

/// Rows with conversations, as a dataset's keys say where they are.
/// \details
/// The messages stand under field_messages, as an array or as the JSON text of one; role
/// and content under the keys of message_property_mappings; a role is renamed by `roles`.
/// The content is a string, or an array of {"type": "text", "text": …}, which are joined.
/// Thoughts of an answer (field_thinking) are read for the template qwen3. A row's key
/// "system" is a system message when the messages have none at their beginning.
///
/// Targets are the contents of the messages whose role is in roles_to_train (of all with
/// train_on_inputs; the key message_field_training of a message, true or false, 1 or 0,
/// goes before both). A part of a content with `train: false` or `weight: 0`, and
/// characters that message_field_training_detail does not train, are no targets, and
/// neither is a token that lies across an end of these. Targets are also the token that
/// ends a turn by train_on_eos: of the turns that are trained, of all, of the last
/// trained one, of none. That token is eos, and those of eot_tokens by train_on_eot,
/// among the four tokens behind the content; a template whose turns end otherwise (gemma:
/// <end_of_turn>) trains no end without eot_tokens. Headers are never targets. A turn
/// without content trains its end (Axolotl skips it).
class chat_reader {
public:
    /// \throws app::input_error with the dataset's path: an eot token that is no single
    /// token of the tokenizer; eos among the eot_tokens and train_on_eot unlike
    /// train_on_eos.
    chat_reader(const dataset_config& data, const train_config& config,
                const tokenizer& tokens);

    /// Puts the tokens and labels of a row behind those of `sample`, which must be empty.
    /// \throws app::input_error with `place`, message, key and what it holds, and as
    /// render_chat().
    void read(const std::string& place, const app::json& row, labelled_tokens& sample);

    /// Conversations so far in which a turn is trained although no end of a turn is found
    /// that train_on_eos and train_on_eot make a target.
    [[nodiscard]] std::int64_t without_end() const { return without_end_; }

    /// Messages so far with a key weight, train or training that message_field_training
    /// does not name.
    [[nodiscard]] std::int64_t unused_marks() const { return unused_marks_; }

private:
    /// Characters of a content as bytes of it, and whether they are trained.
    struct marked_bytes {
        byte_span bytes;
        bool train = true;
    };
    /// What a message says about its own targets.
    struct training_mark {
        std::optional<bool> whole;         ///< by message_field_training
        std::vector<marked_bytes> pieces;  ///< by its parts or details; none: all of it
    };
    /// The tokens of each message's content; nothing for what need not be known.
    using turn_list = std::vector<std::optional<token_span>>;

    void read_messages(const std::string& place, const app::json& row);
    void read_message(const std::string& place, const app::json& message);
    void insert_system(const std::string& place, const app::json& row);
    [[nodiscard]] std::string content_of(const std::string& place,
                                         const app::json& message,
                                         training_mark& mark) const;
    void read_details(const std::string& place, const app::json& message,
                      std::string_view content, training_mark& mark) const;
    [[nodiscard]] bool trained(std::size_t message) const;
    void unmark(std::size_t message, const rendered_chat& chat, labelled_tokens& sample);
    /// Returns whether an end was made a target.
    bool label_end(const turn_list& turns, train_on when,
                   const std::vector<std::int32_t>& ends, labelled_tokens& sample) const;

    const chat_config& chat_;
    bool train_on_inputs_;
    const chat_template& template_;
    chat_encoder encoder_;
    std::vector<std::int32_t> eos_;
    std::vector<std::int32_t> eot_;
    std::vector<chat_message> messages_;
    std::vector<training_mark> marks_;
    std::int64_t without_end_ = 0;
    std::int64_t unused_marks_ = 0;
};

}  // namespace packkit::train
