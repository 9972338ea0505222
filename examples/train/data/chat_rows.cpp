// SPDX-License-Identifier: Apache-2.0
#include "data/chat_rows.hpp"

#include "chat/families.hpp"
#include "common/errors.hpp"
#include "data/row_fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace packkit::train {
namespace {

using app::in_quotes;
using app::input_error;
using app::json;

/// A turn's end is among so many tokens behind its content: white space may be between.
constexpr std::size_t tokens_to_end = 4;

/// A truth, or the numbers 1 and 0 for it.
bool truth_of(const std::string& place, std::string_view key, const json& value) {
    if (value.is_boolean()) return value.get<bool>();
    const bool number = value.is_number();
    if (number && value == 0) return false;
    if (number && value == 1) return true;
    if (number) {
        throw input_error(place,
                          fmt::format("key {} holds {}; expected true or false, or "
                                      "1 or 0: weights between are not supported",
                                      in_quotes(key), value.dump().substr(0, 40)));
    }
    refuse_kind(place, key, value, "true or false");
}

/// Bytes of a text at which its characters begin, and its end.
std::vector<std::size_t> character_ends(std::string_view text) {
    std::vector<std::size_t> bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if ((static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U) bytes.push_back(i);
    }
    bytes.push_back(text.size());
    return bytes;
}

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
        if (!trained(i)) continue;
        sample.train(turns[i]->begin, turns[i]->end);
        unmark(i, chat, sample);
    }
    const bool by_eot = label_end(turns, chat_.train_on_eot, eot_, sample);
    const bool by_eos = label_end(turns, chat_.train_on_eos, eos_, sample);
    const bool wanted =
        chat_.train_on_eot != train_on::none || chat_.train_on_eos != train_on::none;
    bool any_turn = false;
    for (std::size_t i = 0; i < turns.size(); ++i)
        any_turn = any_turn || (turns[i] && trained(i));
    if (any_turn && wanted && !by_eot && !by_eos) ++without_end_;
}

bool chat_reader::trained(std::size_t message) const {
    const training_mark& mark = marks_[message];
    if (mark.whole) return *mark.whole;
    if (!mark.pieces.empty()) return true;
    return train_on_inputs_ || contains(chat_.roles_to_train, messages_[message].role);
}

/// Takes the targets back from pieces of a content that are not trained.
void chat_reader::unmark(std::size_t message, const rendered_chat& chat,
                         labelled_tokens& sample) {
    const auto& pieces = marks_[message].pieces;
    if (pieces.empty()) return;
    const byte_span rendered = *chat.contents[message];
    const std::string_view text =
        std::string_view(chat.text).substr(rendered.begin, rendered.end - rendered.begin);
    // A template strips white space, and may put thoughts before the content.
    const std::string& content = messages_[message].content;
    const std::string_view shown = stripped(content);
    const std::size_t inside = text.rfind(shown);
    if (inside == std::string_view::npos) {
        throw input_error(messages_[message].place,
                          "parts with train or weight do not go with the template " +
                              in_quotes(template_.name) + ", which changes the content");
    }
    const std::size_t left_out = static_cast<std::size_t>(shown.data() - content.data());
    const auto in_text = [&](std::size_t byte) {
        const std::size_t at = std::max(byte, left_out) - left_out;
        return rendered.begin + std::min(inside + at, text.size());
    };
    for (const auto& [bytes, train] : pieces) {
        const byte_span span{in_text(bytes.begin), in_text(bytes.end)};
        if (train || span.begin >= span.end) continue;
        const token_span tokens = encoder_.tokens_of(span);
        for (std::size_t i = tokens.begin; i < tokens.end; ++i)
            sample.labels[i] = ignored_label;
    }
}

bool chat_reader::label_end(const turn_list& turns, train_on when,
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
    return last.has_value();
}

void chat_reader::read_messages(const std::string& place, const json& row) {
    messages_.clear();
    marks_.clear();
    for (const std::string& key : {std::string("images"), chat_.field_tools}) {
        const json* const given = find_field(place, row, key);
        if (given == nullptr || given->is_null() || given->empty()) continue;
        throw input_error(place, "key " + in_quotes(key) +
                                     " is not supported: templates show texts alone; "
                                     "leave the key out to train without it");
    }
    const json& given = field_of(place, row, chat_.field_messages);
    json parsed;
    if (given.is_string()) {
        parsed = app::parse_json(given.get_ref<const std::string&>(),
                                 place + ": " + chat_.field_messages, 0);
    }
    const json& list = given.is_string() ? parsed : given;
    if (!list.is_array()) {
        refuse_kind(place, chat_.field_messages, list, "an array of messages");
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
        read_message(place + ": " + chat_.field_messages + "[" + std::to_string(i) + "]",
                     list[i]);
    }
    insert_system(place, row);
    if (chat_.drop_system_message && !messages_.empty() &&
        messages_.front().role == "system") {
        messages_.erase(messages_.begin());
        marks_.erase(marks_.begin());
    }
}

/// Makes a message of the row's key system, unless the messages begin with one.
void chat_reader::insert_system(const std::string& place, const json& row) {
    const bool has_system = !messages_.empty() && messages_.front().role == "system";
    const json* const system = find_field(place, row, "system");
    if (system == nullptr || system->is_null() || has_system) return;
    chat_message message;
    message.role = "system";
    message.content = text_field(place, row, "system");
    message.place = place + ": system";
    messages_.insert(messages_.begin(), std::move(message));
    marks_.emplace(marks_.begin());
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
    training_mark mark;
    read.content = content_of(place, message, mark);
    const auto reasoning = message.find(chat_.field_thinking);
    if (reasoning != message.end() && !reasoning->is_null()) {
        read.reasoning = text_field(place, message, chat_.field_thinking);
        read.has_reasoning = true;
    }
    if (chat_.message_field_training.empty()) {
        const auto is_mark = [&](const char* key) {
            const auto given = message.find(key);
            return given != message.end() && !given->is_null();
        };
        if (is_mark("weight") || is_mark("train") || is_mark("training")) ++unused_marks_;
    } else {
        const json* const given =
            find_field(place, message, chat_.message_field_training);
        if (given != nullptr && !given->is_null())
            mark.whole = truth_of(place, chat_.message_field_training, *given);
    }
    if (!chat_.message_field_training_detail.empty())
        read_details(place, message, read.content, mark);
    messages_.push_back(std::move(read));
    marks_.push_back(std::move(mark));
}

std::string chat_reader::content_of(const std::string& place, const json& message,
                                    training_mark& mark) const {
    const json& content = field_of(place, message, chat_.field_content);
    if (!content.is_array()) return text_field(place, message, chat_.field_content);
    std::string joined;
    bool says_train = false;
    for (std::size_t i = 0; i < content.size(); ++i) {
        const std::string where =
            place + ": " + chat_.field_content + "[" + std::to_string(i) + "]";
        const json& part = content[i];
        const bool is_text =
            part.is_object() && (!part.contains("type") || part["type"] == "text");
        if (!is_text) {
            throw input_error(where,
                              "is not supported; expected {\"type\": \"text\", "
                              "\"text\": ...}");
        }
        const char* key = "text";
        for (const char* const other : {"content", "value"}) {
            if (!part.contains(key) && part.contains(other)) key = other;
        }
        const std::size_t begin = joined.size();
        joined += text_field(where, part, key);
        bool train = true;
        for (const char* const says : {"weight", "train"}) {
            const auto given = part.find(says);
            if (given == part.end() || given->is_null()) continue;
            train = truth_of(where, says, *given);
            says_train = true;
        }
        mark.pieces.push_back({{begin, joined.size()}, train});
    }
    if (!says_train) mark.pieces.clear();
    return joined;
}

/// Reads [{"begin_offset": 0, "end_offset": 4, "train": true}, …]: characters of the
/// content, both ends included. Characters that no entry names are not trained.
void chat_reader::read_details(const std::string& place, const json& message,
                               std::string_view content, training_mark& mark) const {
    const std::string& key = chat_.message_field_training_detail;
    const json* const list = find_field(place, message, key);
    if (list == nullptr || list->is_null()) return;
    if (!list->is_array()) refuse_kind(place, key, *list, "an array of details");
    const std::vector<std::size_t> bytes = character_ends(content);
    std::vector<char> trained(bytes.size() - 1, 0);
    for (std::size_t i = 0; i < list->size(); ++i) {
        const std::string where = place + ": " + key + "[" + std::to_string(i) + "]";
        const json& detail = (*list)[i];
        require_object(where, detail);
        const auto offset = [&](const char* name) {
            const json& value = field_of(where, detail, name);
            const bool good =
                value.is_number_unsigned() && value.get<std::uint64_t>() < trained.size();
            if (!good) {
                throw input_error(where, fmt::format("{} is no character of the content, "
                                                     "which has {}",
                                                     name, trained.size()));
            }
            return value.get<std::size_t>();
        };
        const std::size_t begin = offset("begin_offset");
        const std::size_t end = offset("end_offset");
        if (begin > end) throw input_error(where, "begin_offset is behind end_offset");
        const bool train = truth_of(where, "train", field_of(where, detail, "train"));
        for (std::size_t c = begin; c <= end; ++c)
            trained[c] = train ? 1 : 0;
    }
    mark.pieces.clear();
    for (std::size_t c = 0; c < trained.size(); ++c) {
        const bool train = trained[c] != 0;
        if (mark.pieces.empty() || mark.pieces.back().train != train)
            mark.pieces.push_back({{bytes[c], bytes[c]}, train});
        mark.pieces.back().bytes.end = bytes[c + 1];
    }
}

}  // namespace packkit::train
