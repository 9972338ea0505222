// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `packkit-train tokenize`: the ids of lines of text.

#include <string>

namespace packkit::train {

/// Prints the ids of each line of `file` ("-": standard input) on stdout, a line each.
/// `tokenizer`: what tokenizer_type takes.
/// \throws app::input_error for a tokenizer or a file that cannot be read
int tokenize(const std::string& tokenizer, const std::string& file);

}  // namespace packkit::train
