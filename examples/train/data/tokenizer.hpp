// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Text to token ids as training wants them, over common/tokenizer.hpp.

#include "common/tokenizer.hpp"
#include "common/tokenizer_files.hpp"
#include "config/config.hpp"

#include <memory>
#include <string>

namespace packkit::train {

using app::byte_tokenizer;
using app::encode_document;
using app::load_tokenizer;
using app::tokenizer;

/// A configuration's tokenizer.
struct run_tokenizer {
    std::unique_ptr<const tokenizer> tokens;
    app::file_texts files;  ///< with the changes of the configuration
    std::string hash;       ///< of its file and of bos, eos and pad
};

/// Loads the tokenizer that `tokenizer_type` names, with the tokens that the
/// configuration changes. Where none is named (data sets of ids alone) nobody asks the
/// one that is returned, and the files are those of the model's tokenizer, if it has one.
/// \throws app::input_error as app::load_tokenizer and app::apply_changes.
run_tokenizer load_run_tokenizer(const train_config& config);

/// `packkit-train tokenize`: for each line of a file ("-": standard input) the ids of its
/// text, as "[1, 2]", in a line of the result. No ids are put around the text.
/// \throws app::input_error with the line for text that the tokenizer refuses.
std::string tokenize_lines(const tokenizer& tokens, const std::string& path);

}  // namespace packkit::train
