// SPDX-License-Identifier: Apache-2.0
#include "input_options.hpp"

#include "sample_sink.hpp"
#include "token_counter.hpp"

#include "common/errors.hpp"
#include "common/numbers.hpp"

#include <CLI/CLI.hpp>

#include <array>
#include <utility>

namespace packkit::app {

void add_input_options(CLI::App& command, input_option_texts& texts) {
    const auto option = [&](const char* name, std::string& value, const char* type,
                            const char* text) {
        command.add_option(name, value, text)->type_name(type)->group("Inputs");
    };
    option("--input-format", texts.input_format, "NAME",
           "What the inputs are: txt, json, npy, jsonl, parquet, arrow");
    option("--column", texts.column, "NAME",
           "Column of .parquet and .arrow; a.b is field b of struct a");
    option("--length-field", texts.length_field, "F",
           "Field with the length; a.b is field b of object a");
    option("--text-field", texts.text_field, "F,F...",
           "Fields with text, for --tokenizer");
    option("--tokenizer", texts.tokenizer, "PATH",
           "bytes, a tokenizer.json or .model file, or a folder with one");
    option("--ids-field", texts.ids_field, "F",
           "Field with an array of token ids (default input_ids)");
    option("--vocab-size", texts.vocab_size, "N", "Refuse ids of N and above");
}

row_options parse_row_options(const input_option_texts& texts,
                              const std::vector<std::string>& inputs) {
    const std::array<std::pair<const char*, const std::string*>, 3> fields = {
        {{"--length-field", &texts.length_field},
         {"--text-field", &texts.text_field},
         {"--ids-field", &texts.ids_field}}};
    const char* given = nullptr;
    for (const auto& [option, value] : fields) {
        if (value->empty()) continue;
        if (given != nullptr) {
            throw usage_error(std::string(given) + " and " + option +
                              " exclude each other: a row holds a length, a text or ids");
        }
        given = option;
    }
    row_options rows;
    rows.fields_given = given != nullptr;
    if (!texts.length_field.empty()) {
        rows.content = row_content::length;
        rows.fields = {texts.length_field};
    } else if (!texts.text_field.empty()) {
        rows.content = row_content::text;
        rows.fields = split_list("--text-field", texts.text_field);
        if (texts.tokenizer.empty()) {
            throw usage_error("--text-field",
                              "needs a tokenizer, as in --tokenizer bytes");
        }
    } else if (!texts.ids_field.empty()) {
        rows.fields = {texts.ids_field};
    }
    rows.column = texts.column;
    if (!texts.tokenizer.empty()) {
        make_token_counter(
            texts.tokenizer);  // refuses unknown ones before anything is read
        if (rows.content != row_content::text && rows.column.empty()) {
            throw usage_error("--tokenizer", "needs a text, as in --text-field text");
        }
    }
    rows.tokenizer = texts.tokenizer;
    rows.vocab_size = parse_given_integer("--vocab-size", texts.vocab_size, 1);
    if (rows.vocab_size && rows.content != row_content::ids) {
        throw usage_error("--vocab-size",
                          "is for token ids, not with " + std::string(given));
    }
    bool objects = false;  // or what may turn out to be
    bool columns = false;
    for (const auto& path : inputs) {
        const auto shape = shape_of(path, texts.input_format);
        objects = objects || shape.value_or(input_shape::objects) == input_shape::objects;
        columns = columns || shape.value_or(input_shape::columns) == input_shape::columns;
    }
    if (!columns && !rows.column.empty()) {
        throw usage_error("--column", "is for .parquet and .arrow inputs; none is given");
    }
    if (!objects && !columns && (given != nullptr || rows.vocab_size)) {
        throw usage_error(given != nullptr ? given : "--vocab-size",
                          "is for .jsonl, .parquet and .arrow inputs; none is given");
    }
    return rows;
}

excess_length_strategy parse_excess_option(std::string_view text) {
    static constexpr std::array<std::string_view, 4> known = {"drop", "truncate", "split",
                                                              "raise"};
    if (text.empty()) return excess_length_strategy::drop;
    parse_choice("--excess-length-strategy", "strategy", text, known);
    return parse_excess_length_strategy(text);
}

sample_table read_samples(const std::vector<std::string>& inputs,
                          const std::string& format, const row_options& rows,
                          std::int64_t longest_allowed) {
    sample_sink sink(longest_allowed);
    for (const auto& path : inputs)
        read_input(path, format, rows, sink);
    return std::move(sink).take();
}

}  // namespace packkit::app
