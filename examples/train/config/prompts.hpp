// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// How a row of instruction data becomes a prompt and an answer: Axolotl's prompt
/// strategies as values.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::train {

/// A text that is put together from up to two fields of a row.
struct prompt_text {
    std::string before = {};     ///< constant text
    std::string field = {};      ///< key of the row, or "" for constant text alone
    std::string otherwise = {};  ///< key that is read where `field` is missing, or ""
    std::string between = {};    ///< constant text
    std::string second = {};     ///< key of the row, or ""
    std::string after = {};      ///< constant text
    bool optional = false;       ///< the field may be missing or null: an empty text

    friend bool operator==(const prompt_text&, const prompt_text&) = default;
};

/// The prompt of one dataset type. Formats hold {instruction}, {input} and {system}; a
/// brace that stands for itself is doubled.
struct prompt_format {
    std::string name;                    ///< the type as a configuration spells it
    prompt_text instruction;             ///< value of {instruction}
    prompt_text input;                   ///< value of {input}
    prompt_text output;                  ///< the answer
    prompt_text system = {};             ///< value of {system}, if the row has one
    std::string system_with_input = {};  ///< value of {system} without a field
    std::string system_alone = {};       ///< likewise where the input is empty
    std::string system_format = {};      ///< before the turn where {system} is not empty
    std::string turn_format = {};        ///< with an input
    std::string turn_alone_format = {};  ///< without one
    /// The input's field holds a list of choices: a line `- "choice"` each.
    bool input_is_choices = false;
    /// The answer in terms of {output}, {reflection} and {corrected}; "" unless the row
    /// has all three. Prompt and answer become tokens in one piece.
    std::string reflection_format = {};
    int eos_tokens = 1;  ///< behind the answer

    friend bool operator==(const prompt_format&, const prompt_format&) = default;
};

/// The format of a type as Axolotl spells it ("alpaca", "alpaca:chat",
/// "alpaca_w_system.load_open_orca", "gpteacher", …) or prompt_response; nothing for any
/// other name.
[[nodiscard]] std::optional<prompt_format> find_prompt_format(std::string_view type);

/// The format of type alpaca.
[[nodiscard]] prompt_format alpaca_format();

/// Names of the types that find_prompt_format() knows, without the styles that may follow
/// some of them (":chat", ":chatml", ":instruct", ":phi").
[[nodiscard]] std::vector<std::string_view> prompt_type_names();

/// What is wrong with a user's format, or "": a brace alone, or a name in braces that is
/// not among `names`.
[[nodiscard]] std::string format_problem(std::string_view format,
                                         const std::vector<std::string_view>& names);

/// A format as text: equal formats, and only they, have equal texts.
[[nodiscard]] std::string to_text(const prompt_format& format);

}  // namespace packkit::train
