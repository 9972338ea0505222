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

/// Returns the counter for a value of `--tokenizer`: `bytes`, a tokenizer.json, a
/// SentencePiece .model, or a folder with one of them. Counts the tokens of a document as
/// the trainer packs it (encode_document): with what the tokenizer puts around a text,
/// and eos. For `bytes` these are the bytes of UTF-8, bos and eos.
/// @throws usage_error for anything else, and for a file that is broken
token_counter make_token_counter(const std::string& name);

}  // namespace packkit::app
