// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The kinds of inputs. A further kind is a reader of its own and one row in input.cpp.

#include "sample_sink.hpp"

#include "common/input_file.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {

/// What a row of a structured input holds.
enum class row_content { ids, length, text };

/// How the rows of structured inputs are read.
struct row_options {
    row_content content = row_content::ids;
    /// One field, or for text several whose texts are joined. "a.b" is field b of object
    /// a.
    std::vector<std::string> fields = {"input_ids"};
    std::string tokenizer;                   ///< for text
    std::optional<std::int64_t> vocab_size;  ///< for ids: each must be below

    /// For files of columns: the one to read, whose type says what its rows hold. Empty:
    /// `fields`, whose type must agree with `content` if the user has named them.
    std::string column;
    bool fields_given = false;  ///< `fields` are the user's words, not the default
};

/// Whether a kind of input holds a list of lengths, or rows to be read as `row_options`
/// say: objects with fields, or columns.
enum class input_shape { lengths, objects, columns };

/// What follows from a file's name, or from `format`, a name of input_formats(), if that
/// is not empty. Nothing for standard input, whose first bytes decide.
/// @throws usage_error for a kind of file that this build does not read, without touching
/// the file
std::optional<input_shape> shape_of(const std::string& path, const std::string& format);

/// Names for `--input-format`: txt, json, npy, jsonl, parquet, arrow.
std::vector<std::string_view> input_formats();

/// Reads a file, or standard input for "-", into `sink`.
/// @throws usage_error as shape_of
/// @throws input_error with the place of the first fault
void read_input(const std::string& path, const std::string& format,
                const row_options& rows, sample_sink& sink);

// --- The readers. Each takes an open file and throws input_error with its name.
// ---------

/// One length a line.
void read_text_lengths(input_file file, const row_options& rows, sample_sink& sink);

/// An array of lengths.
void read_json_lengths(input_file file, const row_options& rows, sample_sink& sink);

/// A one-dimensional NumPy array of integers, format versions 1 to 3. In pieces: memory
/// does not depend on the size of the file.
void read_npy_lengths(input_file file, const row_options& rows, sample_sink& sink);

/// One JSON object a line.
void read_jsonl_rows(input_file file, const row_options& rows, sample_sink& sink);

/// A column of an Apache Parquet file, row group after row group, page checksums
/// verified where the file has them. @throws usage_error in a build without Arrow
void read_parquet_rows(input_file file, const row_options& rows, sample_sink& sink);

/// A column of an Arrow IPC file or stream (.arrow, .feather).
/// @throws usage_error in a build without Arrow
void read_arrow_rows(input_file file, const row_options& rows, sample_sink& sink);

}  // namespace packkit::app
