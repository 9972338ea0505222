// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Rows of the dataset types alpaca, with its relatives, and input_output.

#include "common/json.hpp"
#include "config/prompts.hpp"
#include "data/labelled_tokens.hpp"
#include "data/tokenizer.hpp"

#include <string>
#include <vector>

namespace packkit::train {

/// Texts of a row of instructions.
struct prompt_and_answer {
    std::string prompt;
    std::string answer;
    /// Prompt and answer become tokens in one piece.
    bool in_one_piece = false;
};

/// Puts prompt and answer of a row together, as Axolotl's prompters do.
/// \throws app::input_error with `place`, key and what it holds
[[nodiscard]] prompt_and_answer texts_of_row(const std::string& place,
                                             const app::json& row,
                                             const prompt_format& format);

/// Keys of a row that the format reads: those that must be there, and others.
struct prompt_keys {
    std::vector<std::string> needed;
    std::vector<std::string> optional;
};
[[nodiscard]] prompt_keys keys_of(const prompt_format& format);

/// A row of type alpaca or of one of its relatives.
/// \details Prompt and answer become tokens each for itself, as Axolotl does it: bos (if
/// the tokenizer puts one), the prompt, the answer, eos unless it is there (metharme:
/// three). Targets are the answer and eos; with train_on_inputs everything is. An answer
/// without text trains eos alone. Prompt and answer of type reflection become tokens in
/// one piece, and as many tokens as the prompt has alone are no targets.
/// \throws app::input_error as texts_of_row(), and for text that the tokenizer refuses
void read_instruction(const std::string& place, const app::json& row,
                      const prompt_format& format, const tokenizer& tokens,
                      bool train_on_inputs, labelled_tokens& sample);

/// A row {"segments": [{"label": true, "text": …}, …]}: each text becomes tokens for
/// itself, targets where `label` is true or with train_on_inputs. Nothing is put around
/// them.
/// \throws app::input_error with `place`, segment, key and what it holds.
void read_segments(const std::string& place, const app::json& row,
                   const tokenizer& tokens, bool train_on_inputs,
                   labelled_tokens& sample);

}  // namespace packkit::train
