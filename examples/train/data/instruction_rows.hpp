// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Rows of the dataset types alpaca and input_output.

#include "common/json.hpp"
#include "data/labelled_tokens.hpp"
#include "data/tokenizer.hpp"

#include <string>
#include <string_view>

namespace packkit::train {

/// The text before the answer: Alpaca's prompt in Axolotl's wording, which is another
/// without `input`.
[[nodiscard]] std::string alpaca_prompt(std::string_view instruction,
                                        std::string_view input);

/// A row {"instruction": …, "input": …, "output": …}; "input" may be missing, null or
/// empty.
/// \details Prompt and output become tokens each for itself, as Axolotl does it: bos (if
/// the tokenizer puts one), the prompt, the output, eos unless it is there. Targets are
/// the output and eos; with train_on_inputs everything is. An output without text trains
/// eos alone.
/// \throws app::input_error with `place`, key and what it holds.
void read_alpaca(const std::string& place, const app::json& row, const tokenizer& tokens,
                 bool train_on_inputs, labelled_tokens& sample);

/// A row {"segments": [{"label": true, "text": …}, …]}: each text becomes tokens for
/// itself, targets where `label` is true or with train_on_inputs. Nothing is put around
/// them.
/// \throws app::input_error with `place`, segment, key and what it holds.
void read_segments(const std::string& place, const app::json& row,
                   const tokenizer& tokens, bool train_on_inputs,
                   labelled_tokens& sample);

}  // namespace packkit::train
