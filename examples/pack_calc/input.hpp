// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The kinds of inputs. A further kind is a reader of its own and one row in input.cpp.

#include "sample_sink.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace packkit::app {

/// What a row of a .jsonl input holds.
enum class row_content { ids, length, text };

/// How the rows of structured inputs are read.
struct row_options {
    row_content content = row_content::ids;
    /// One field, or for text several whose texts are joined. "a.b" is field b of object
    /// a.
    std::vector<std::string> fields = {"input_ids"};
    std::string tokenizer;                   ///< for text
    std::optional<std::int64_t> vocab_size;  ///< for ids: each must be below
};

/// Reads a file, or standard input for "-", into `sink`.
/// @throws usage_error for a kind of file that this build does not read
/// @throws input_error with the place of the first fault
void read_input(const std::string& path, const row_options& rows, sample_sink& sink);

/// Whether the file's rows are read by `row_options`: .jsonl does, a list of lengths not.
/// @throws usage_error as read_input, without touching the file
bool has_rows(const std::string& path);

/// One length a line.
void read_text_lengths(const std::string& path, sample_sink& sink);

/// An array of lengths.
void read_json_lengths(const std::string& path, sample_sink& sink);

/// A one-dimensional NumPy array of integers, format versions 1 to 3.
void read_npy_lengths(const std::string& path, sample_sink& sink);

/// One JSON object a line.
void read_jsonl_rows(const std::string& path, const row_options& rows, sample_sink& sink);

}  // namespace packkit::app
