// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// `packkit-train logits`: the logits of documents packed into one row.

#include <string>

namespace packkit::train {

/// Reads {"documents": [[id, …], …]} from `tokens_path`, runs the model of the Hugging
/// Face folder `model_dir` on all of them packed into one row, and returns {"logits":
/// [[[…]]]}, one tokens × vocabulary matrix a document, as JSON text. `dtype`: float64,
/// float32 or bfloat16, of weights and computation. Throws app::input_error.
std::string packed_logits(const std::string& model_dir, const std::string& tokens_path,
                          const std::string& dtype);

}  // namespace packkit::train
