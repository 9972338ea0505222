// SPDX-License-Identifier: Apache-2.0
#include "data/chat_rows.hpp"

#include "common/errors.hpp"
#include "data/row_fields.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace packkit::train {
namespace {

using app::in_quotes;
using app::input_error;
using app::json;

/// A turn's end is among so many tokens behind its content: white space may be between.
constexpr std::size_t tokens_to_end = 4;

bool contains(const auto& values, const auto& value) {
    return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

chat_reader::chat_reader(const dataset_config& data, const train_config& config,
                         const tokenizer& tokens)
    : chat_(data.chat),
      train_on_inputs_(config.train_on_inputs),
      template_(*find_chat_template(data.chat.chat_template)),
      encoder_(tokens) {
    if (const auto eos = tokens.specials().eos) eos_.push_back(*eos);
    if (config.eot_tokens.empty()) eot_ = eos_;
    for (const std::string& text : config.eot_tokens) {
        const auto ids = tokens.encode(text);
        if (ids.size() != 1) {
            throw input_error(
                data.path,
                fmt::format("eot_tokens: {} is {} tokens of the tokenizer {}; expected 1",
                            in_quotes(text), ids.size(), in_quotes(tokens.name())));
        }
        eot_.push_back(ids.front());
    }
    if (chat_.train_on_eot != chat_.train_on_eos && !eos_.empty() &&
        contains(eot_, eos_.front())) {
        throw input_error(
            data.path,
            fmt::format("train_on_eot: {} contradicts train_on_eos: {}: eos is among the "
                        "eot_tokens",
                        to_string(chat_.train_on_eot), to_string(chat_.train_on_eos)));
    }
}

void chat_reader::read(const std::string& place, const json& row,
                       labelled_tokens& sample) {
    read_messages(place, row);
    if (messages_.empty()) {
        throw input_error(place,
                          "key " + in_quotes(chat_.field_messages) + " holds no message");
    }
    const rendered_chat chat = render_chat(template_, messages_, encoder_.specials());
    try {
        sample.ids = encoder_.encode(chat);
    } catch (const input_error& fault) { throw input_error(place, fault.what()); }
    sample.label_rest(false);
    const bool all_ends =
        chat_.train_on_eos == train_on::all || chat_.train_on_eot == train_on::all;
    // Where a message's tokens are is looked up only if it matters.
    turn_list turns(messages_.size());
    for (std::size_t i = 0; i < messages_.size(); ++i) {
        if (!chat.contents[i] || !(trained(i) || all_ends)) continue;
        turns[i] = encoder_.tokens_of(*chat.contents[i]);
        if (trained(i)) sample.train(turns[i]->begin, turns[i]->end);
    }
    label_end(turns, chat_.train_on_eot, eot_, sample);
    label_end(turns, chat_.train_on_eos, eos_, sample);
}

bool chat_reader::trained(std::size_t message) const {
    return marks_[message].value_or(
        train_on_inputs_ || contains(chat_.roles_to_train, messages_[message].role));
}

void chat_reader::label_end(const turn_list& turns, train_on when,
                            const std::vector<std::int32_t>& ends,
                            labelled_tokens& sample) const {
    std::optional<std::size_t> last;
    for (std::size_t i = 0; i < turns.size(); ++i) {
        const bool of_all = when == train_on::all;
        if (!turns[i] || when == train_on::none || !(trained(i) || of_all)) continue;
        const std::size_t limit =
            std::min(turns[i]->end + tokens_to_end, sample.ids.size());
        for (std::size_t at = turns[i]->end; at < limit; ++at) {
            if (!contains(ends, sample.ids[at])) continue;
            last = at;
            if (when != train_on::last) sample.train(at, at + 1);
            break;
        }
    }
    if (when == train_on::last && last) sample.train(*last, *last + 1);
}

void chat_reader::read_messages(const std::string& place, const json& row) {
    messages_.clear();
    marks_.clear();
    const json& list = field_of(place, row, chat_.field_messages);
    if (!list.is_array()) {
        refuse_kind(place, chat_.field_messages, list, "an array of messages");
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
        read_message(place + ": " + chat_.field_messages + "[" + std::to_string(i) + "]",
                     list[i]);
    }
    const bool has_system = !messages_.empty() && messages_.front().role == "system";
    const json* const system = find_field(place, row, "system");
    if (system != nullptr && !system->is_null() && !has_system) {
        chat_message message;
        message.role = "system";
        message.content = text_field(place, row, "system");
        message.place = place + ": system";
        messages_.insert(messages_.begin(), std::move(message));
        marks_.insert(marks_.begin(), std::nullopt);
    }
    if (chat_.drop_system_message && !messages_.empty() &&
        messages_.front().role == "system") {
        messages_.erase(messages_.begin());
        marks_.erase(marks_.begin());
    }
}

void chat_reader::read_message(const std::string& place, const json& message) {
    require_object(place, message);
    chat_message read;
    read.place = place;
    read.role = text_field(place, message, chat_.field_role);
    const auto renamed =
        std::find_if(chat_.roles.begin(), chat_.roles.end(),
                     [&](const role_name& name) { return name.source == read.role; });
    if (renamed != chat_.roles.end()) read.role = renamed->target;
    for (const char* const key : {"tool_calls", "images"}) {
        const auto found = message.find(key);
        if (found != message.end() && !found->is_null() && !found->empty()) {
            throw input_error(place, "key " + in_quotes(key) + " is not supported");
        }
    }
    read.content = content_of(place, message);
    const auto reasoning = message.find("reasoning_content");
    if (reasoning != message.end() && !reasoning->is_null()) {
        read.reasoning = text_field(place, message, "reasoning_content");
        read.has_reasoning = true;
    }
    training_mark mark;
    if (!chat_.message_field_training.empty()) {
        const json* const given =
            find_field(place, message, chat_.message_field_training);
        if (given != nullptr && !given->is_null()) {
            if (!given->is_boolean()) {
                refuse_kind(place, chat_.message_field_training, *given, "true or false");
            }
            mark = given->get<bool>();
        }
    }
    messages_.push_back(std::move(read));
    marks_.push_back(mark);
}

std::string chat_reader::content_of(const std::string& place, const json& message) const {
    const json& content = field_of(place, message, chat_.field_content);
    if (!content.is_array()) return text_field(place, message, chat_.field_content);
    std::string joined;
    for (std::size_t i = 0; i < content.size(); ++i) {
        const std::string where =
            place + ": " + chat_.field_content + "[" + std::to_string(i) + "]";
        const json& part = content[i];
        const bool is_text =
            part.is_object() && (!part.contains("type") || part["type"] == "text");
        if (!is_text || part.contains("train") || part.contains("weight")) {
            throw input_error(where,
                              "is not supported; expected {\"type\": \"text\", "
                              "\"text\": ...} without train or weight");
        }
        joined += text_field(where, part, "text");
    }
    return joined;
}

}  // namespace packkit::train
