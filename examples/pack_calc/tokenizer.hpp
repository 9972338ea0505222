// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Counting the tokens of a text.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace packkit::app {

/// Tokens of a text that is not empty, with the tokens that mark its begin and end.
using token_counter = std::function<std::int64_t(std::string_view text)>;

/// The counter for a value of `--tokenizer`. `bytes`: UTF-8 bytes, and one token each for
/// begin (bos) and end (eos), so bytes + 2.
/// @throws usage_error for anything else, with what this build has
token_counter make_token_counter(const std::string& name);

}  // namespace packkit::app
