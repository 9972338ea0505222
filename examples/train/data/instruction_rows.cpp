// SPDX-License-Identifier: Apache-2.0
#include "data/instruction_rows.hpp"

#include "data/row_fields.hpp"

#include <algorithm>

namespace packkit::train {
namespace {

using app::json;

/// The text under a key that need not be there.
std::string_view optional_text(const std::string& place, const json& row,
                               std::string_view key) {
    const json* const value = find_field(place, row, key);
    if (value == nullptr || value->is_null()) return {};
    if (!value->is_string()) refuse_kind(place, key, *value, "a string");
    return value->get_ref<const std::string&>();
}

/// Whether the tokenizer itself puts bos before a text.
bool puts_bos(const tokenizer& tokens) {
    const auto around = tokens.encode("", true);
    return !around.empty() && around.front() == tokens.specials().bos;
}

}  // namespace

std::string alpaca_prompt(std::string_view instruction, std::string_view input) {
    std::string prompt = "Below is an instruction that describes a task";
    if (!input.empty()) {
        prompt += ", paired with an input that provides further context";
    }
    prompt += ". Write a response that appropriately completes the request.\n\n";
    prompt.append("### Instruction:\n").append(instruction).append("\n\n");
    if (!input.empty()) prompt.append("### Input:\n").append(input).append("\n\n");
    return prompt + "### Response:\n";
}

void read_alpaca(const std::string& place, const json& row, const tokenizer& tokens,
                 bool train_on_inputs, labelled_tokens& sample) {
    const std::string& instruction = text_field(place, row, "instruction");
    const std::string_view input = optional_text(place, row, "input");
    const std::string& output = text_field(place, row, "output");
    const app::special_ids specials = tokens.specials();
    if (puts_bos(tokens)) sample.ids.push_back(*specials.bos);
    tokens.encode(alpaca_prompt(instruction, input), false, sample.ids);
    sample.label_rest(train_on_inputs);
    const std::size_t answer = sample.ids.size();
    tokens.encode(output, false, sample.ids);
    const bool ended = sample.ids.size() > answer && sample.ids.back() == specials.eos;
    if (specials.eos && !ended) sample.ids.push_back(*specials.eos);
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
