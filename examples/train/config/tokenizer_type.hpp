// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Whether there is the tokenizer that a configuration names.

#include <string>

namespace packkit::train {

/// Why `tokenizer_type` cannot be loaded, or "" when its file is there.
std::string tokenizer_type_problem(const std::string& tokenizer_type);

}  // namespace packkit::train
