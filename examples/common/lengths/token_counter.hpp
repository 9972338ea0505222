// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Counting the tokens of a text.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace packkit::app {

/// Tokens of a text that is not empty. May be called by several threads at once.
using token_counter = std::function<std::int64_t(std::string_view text)>;

/// The counter for a value of `--tokenizer`. `bytes`: UTF-8 bytes, and one token each for
/// begin (bos) and end (eos), so bytes + 2. Otherwise a tokenizer.json, a SentencePiece
/// .model or a folder with one of them: the tokens of the text alone, without those that
/// a tokenizer may put around it.
/// @throws usage_error for anything else, and for a file that is broken
token_counter make_token_counter(const std::string& name);

}  // namespace packkit::app
