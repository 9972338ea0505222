// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// A tokenizer as the files that describe it, and changes of its tokens.

#include "common/tokenizer.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {

/// Names of the files that a tokenizer's folder may have: Transformers opens a folder
/// that holds the same ones.
inline constexpr std::array<std::string_view, 9> tokenizer_file_names = {
    "tokenizer.json",          "tokenizer.model",   "tokenizer_config.json",
    "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
    "chat_template.json",      "vocab.json",        "merges.txt"};

/// Contents of files by name.
using file_texts = std::map<std::string, std::string>;

/// Reads a tokenizer's file, as tokenizer.json or tokenizer.model whatever its name, and
/// those of tokenizer_file_names that lie beside it, byte for byte.
/// @param file as tokenizer_file() returns it; "" (bytes) has no files
/// @throws input_error when one cannot be read
[[nodiscard]] file_texts read_tokenizer_files(const std::string& file);

/// Tokens that a configuration adds to a tokenizer or gives a meaning. Empty texts: as
/// the tokenizer's files say.
struct tokenizer_changes {
    std::string bos_token;
    std::string eos_token;
    std::string pad_token;
    std::string unk_token;
    std::vector<std::string> tokens;  ///< found in a text as they stand
    std::vector<std::string> additional_special_tokens;
    std::map<std::int32_t, std::string> overrides;  ///< new texts of added tokens

    [[nodiscard]] bool empty() const { return *this == tokenizer_changes(); }
    friend bool operator==(const tokenizer_changes&, const tokenizer_changes&) = default;
};

/// Rewrites the files of a tokenizer.json as Transformers' tokenizers do it.
/// @details First the new texts of added tokens; then bos_token, eos_token, pad_token,
/// unk_token, `tokens` and additional_special_tokens are added in this order: a token
/// that is there keeps its id, others get the next ids behind the vocabulary. Where the
/// post-processor puts the former bos or eos around a text, it puts the new one.
/// A SentencePiece model cannot take new tokens: only pieces that it has may become bos,
/// eos, pad and unk.
/// @param name of the tokenizer, for messages
/// @throws input_error naming the token or id that cannot be changed
void apply_changes(file_texts& files, const tokenizer_changes& changes,
                   const std::string& name);

/// Makes a tokenizer from its files.
/// @param file as tokenizer_file() returns it, for messages; "" is bytes
/// @param name that the tokenizer gets
/// @throws input_error as load_tokenizer
[[nodiscard]] std::unique_ptr<const tokenizer> make_tokenizer(const file_texts& files,
                                                              const std::string& file,
                                                              const std::string& name);

}  // namespace packkit::app
