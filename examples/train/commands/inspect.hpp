// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `packkit-train inspect`: what a file or folder holds.

#include "common/table.hpp"

// After table.hpp: an enumerator of output_format has the name of its alias json.
#include "common/json.hpp"

#include <string>

namespace packkit::train {

/// Reads a file or folder in full and checks it as the program that uses it would.
/// \details The kind follows from the name, and from the first bytes where the name says
/// nothing. Of tensors no more than 16 MiB are in memory at a time, of rows one;
/// .json and .tokens files are held whole.
///
/// "kind" is one of
/// - safetensors, sharded_safetensors (an index or a folder with one), checkpoint (of
///   packkit-train; checksums are verified; of an output_dir the newest whole one), model
///   (a folder with config.json; the weights must be those of the configuration): with
///   "tensors": {name: {"dtype", "shape", "sum", "nan", "inf"}}, sums as of element_sum;
/// - tokenizer (tokenizer.json or SentencePiece .model): "vocabulary", "bos", "eos",
///   "pad";
/// - config (config.json of a model): "parameters" and sizes;
/// - jsonl, json, parquet, arrow: "rows", "columns": {name: {"rows", "types"}}; text:
///   "rows" are lines;
/// - npy: "dtype", "shape", "sum"; prepared_data (*.tokens): "rows", "tokens", "targets";
/// - configuration (YAML): "keys" and the command that checks it.
/// \throws app::input_error with file and place for what is broken, or of no known kind
[[nodiscard]] app::ordered_json inspect(const std::string& path);

/// inspect() as JSON, or for people.
/// \throws app::usage_error for another format; as inspect()
[[nodiscard]] std::string inspection_text(const std::string& path,
                                          app::output_format format);

}  // namespace packkit::train
