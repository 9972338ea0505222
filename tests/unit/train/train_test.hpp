// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What the trainer's unit tests share.

#include <common/errors.hpp>
#include <config/names.hpp>

#include <run_process.hpp>

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace train_test {

using packkit::test::file_content;
using packkit::test::temporary_folder;

/// A tokenizer.json of the words a to d; "<s>" is put before a text, "</s>" is an added
/// token that a file beside it may call eos.
inline constexpr const char* words = R"({"version": "1.0",
    "added_tokens": [{"id": 4, "content": "<s>", "special": true},
                     {"id": 5, "content": "</s>", "special": true}],
    "pre_tokenizer": {"type": "WhitespaceSplit"},
    "model": {"type": "WordLevel", "unk_token": "a",
              "vocab": {"a": 0, "b": 1, "c": 2, "d": 3}},
    "post_processor": {"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                   {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [4], "tokens": ["<s>"]}}}})";

/// `text` with every `from` replaced.
inline std::string replaced(std::string text, std::string_view from,
                            std::string_view to) {
    for (std::size_t at = text.find(from); at != std::string::npos;
         at = text.find(from, at + to.size())) {
        text.replace(at, from.size(), to);
    }
    return text;
}

/// The value of an enumeration that a configuration calls so.
template <class Enum>
Enum value_of(std::string_view name) {
    for (const auto& each : packkit::train::names_of<Enum>) {
        if (each.name == name) return each.value;
    }
    throw std::invalid_argument("no value is called " + std::string(name));
}

/// The whole message of the input_error that `call` throws, with `folder` taken out; "no
/// error" when it throws none. Other exceptions pass through.
template <class Call>
std::string error_of(const temporary_folder& folder, Call&& call) {
    try {
        call();
    } catch (const packkit::app::input_error& error) {
        return replaced(error.what(), folder.path().string() + "/", "");
    }
    return "no error";
}

/// A folder with a config.yaml, a model folder and data that the config names.
class run_folder {
public:
    run_folder() {
        std::filesystem::create_directory(folder.path() / "model");
        folder.write("data.jsonl", "{\"text\":\"abc\"}\n");
        folder.write("data.txt", "abc\n");
    }

    /// The smallest config that loads, without the lines whose keys `more` sets again.
    static std::string config_with(std::string_view more) {
        const std::vector<std::string> lines = {"base_model: model",
                                                "tokenizer_type: bytes",
                                                "datasets: [{path: data.jsonl}]",
                                                "micro_batch_size: 1",
                                                "gradient_accumulation_steps: 2",
                                                "learning_rate: 1.0e-3",
                                                "output_dir: out"};
        std::string text;
        for (const std::string& line : lines) {
            const std::string key = line.substr(0, line.find(':') + 1);
            const bool again =
                more.starts_with(key) || more.find("\n" + key) != std::string_view::npos;
            if (!again) text += line + "\n";
        }
        return std::string(more) + "\n" + text;
    }

    [[nodiscard]] std::string write(std::string_view config) const {
        return folder.write("config.yaml", config);
    }

    temporary_folder folder;
};

}  // namespace train_test
