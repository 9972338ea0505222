// SPDX-License-Identifier: Apache-2.0
#include "data/instruction_rows.hpp"

#include "data/row_fields.hpp"

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <utility>

namespace packkit::train {
namespace {

using app::json;

/// Replaces {name} by its value; a doubled brace stands for itself.
std::string formatted(
    std::string_view format,
    std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
    std::string text;
    for (std::size_t i = 0; i < format.size(); ++i) {
        const char c = format[i];
        const bool brace = c == '{' || c == '}';
        if (!brace || (i + 1 < format.size() && format[i + 1] == c)) {
            text += c;
            if (brace) ++i;
            continue;
        }
        const std::size_t end = format.find('}', i);
        const std::string_view name = format.substr(i + 1, end - i - 1);
        for (const auto& [key, value] : values) {
            if (key == name) text += value;
        }
        i = end;
    }
    return text;
}

/// The value of one part of a prompt in a row.
std::string text_in(const std::string& place, const json& row, const prompt_text& part) {
    std::string text = part.before;
    const auto add = [&](std::string_view key) {
        const json* const value = find_field(place, row, key);
        const bool missing = value == nullptr || value->is_null();
        if (missing && part.optional) return;
        text += text_field(place, row, key);
    };
    if (!part.field.empty()) {
        const bool there =
            part.otherwise.empty() || find_field(place, row, part.field) != nullptr;
        add(there ? part.field : part.otherwise);
    }
    text += part.between;
    if (!part.second.empty()) add(part.second);
    text += part.after;
    return text;
}

/// A list of choices as lines: `- "choice"`.
std::string choices_in(const std::string& place, const json& row,
                       const std::string& key) {
    const json& list = field_of(place, row, key);
    if (!list.is_array()) refuse_kind(place, key, list, "an array of choices");
    std::string lines;
    for (std::size_t i = 0; i < list.size(); ++i) {
        if (!list[i].is_string()) {
            refuse_kind(place, key + "[" + std::to_string(i) + "]", list[i], "a string");
        }
        lines += (i == 0 ? "- \"" : "\n- \"") + list[i].get<std::string>() + "\"";
    }
    return lines;
}

/// Whether the tokenizer itself puts bos before a text.
bool puts_bos(const tokenizer& tokens) {
    const auto around = tokens.encode("", true);
    return !around.empty() && around.front() == tokens.specials().bos;
}

}  // namespace

prompt_and_answer texts_of_row(const std::string& place, const json& row,
                               const prompt_format& format) {
    const std::string instruction = text_in(place, row, format.instruction);
    const std::string input = format.input_is_choices
                                  ? choices_in(place, row, format.input.field)
                                  : text_in(place, row, format.input);
    std::string system = input.empty() ? format.system_alone : format.system_with_input;
    if (!format.system.field.empty()) {
        const json* const given = find_field(place, row, format.system.field);
        const bool there = given != nullptr && !given->is_null();
        if (there || !format.system.optional) system = text_in(place, row, format.system);
    }
    prompt_and_answer texts;
    if (!system.empty())
        texts.prompt = formatted(format.system_format, {{"system", system}});
    texts.prompt +=
        formatted(input.empty() ? format.turn_alone_format : format.turn_format,
                  {{"instruction", instruction}, {"input", input}, {"system", system}});
    texts.answer = text_in(place, row, format.output);
    if (!format.reflection_format.empty()) {
        texts.in_one_piece = true;
        texts.answer = formatted(format.reflection_format,
                                 {{"output", texts.answer},
                                  {"reflection", text_field(place, row, "reflection")},
                                  {"corrected", text_field(place, row, "corrected")}});
    }
    return texts;
}

prompt_keys keys_of(const prompt_format& format) {
    prompt_keys keys;
    for (const prompt_text* const part :
         {&format.instruction, &format.input, &format.output, &format.system}) {
        const bool needed = !part->optional && part->otherwise.empty();
        auto& list = needed ? keys.needed : keys.optional;
        for (const std::string* const key :
             {&part->field, &part->otherwise, &part->second}) {
            if (!key->empty()) list.push_back(*key);
        }
    }
    if (!format.reflection_format.empty()) {
        keys.needed.emplace_back("reflection");
        keys.needed.emplace_back("corrected");
    }
    return keys;
}

void read_instruction(const std::string& place, const json& row,
                      const prompt_format& format, const tokenizer& tokens,
                      bool train_on_inputs, labelled_tokens& sample) {
    const prompt_and_answer texts = texts_of_row(place, row, format);
    const app::special_ids specials = tokens.specials();
    if (puts_bos(tokens)) sample.ids.push_back(*specials.bos);
    const std::size_t begin = sample.ids.size();
    tokens.encode(texts.prompt, false, sample.ids);
    const std::size_t prompt = sample.ids.size();
    if (texts.in_one_piece) {
        sample.ids.resize(begin);
        tokens.encode(texts.prompt + texts.answer, false, sample.ids);
        sample.labels.assign(std::min(prompt, sample.ids.size()), ignored_label);
        if (train_on_inputs) sample.labels.clear();
    } else {
        sample.label_rest(train_on_inputs);
        tokens.encode(texts.answer, false, sample.ids);
    }
    const bool ended = sample.ids.size() > prompt && sample.ids.back() == specials.eos;
    for (int i = ended ? 1 : 0; specials.eos && i < format.eos_tokens; ++i)
        sample.ids.push_back(*specials.eos);
    sample.label_rest(true);
}

void read_segments(const std::string& place, const json& row, const tokenizer& tokens,
                   bool train_on_inputs, labelled_tokens& sample) {
    const json& segments = field_of(place, row, "segments");
    if (!segments.is_array()) {
        refuse_kind(place, "segments", segments, "an array of {\"label\", \"text\"}");
    }
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const std::string where = place + ": segments[" + std::to_string(i) + "]";
        const json& segment = segments[i];
        require_object(where, segment);
        const json& label = field_of(where, segment, "label");
        if (!label.is_boolean()) refuse_kind(where, "label", label, "true or false");
        tokens.encode(text_field(where, segment, "text"), false, sample.ids);
        sample.label_rest(train_on_inputs || label.get<bool>());
    }
}

}  // namespace packkit::train
