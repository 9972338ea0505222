// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// From a checkpoint to a Hugging Face model folder.

#include <string>

namespace packkit::train {

/// Writes `folder` with config.json, model.safetensors and the tokenizer's files of the
/// checkpoint (or of the
/// newest whole one of an output_dir), the weights in `dtype` ("float32", "float64",
/// "bfloat16", rounded to nearest even; empty: as they are). The folder appears complete
/// or not at all.
/// \return what was written, for people.
/// \throws app::usage_error when `folder` exists and is not empty, or the dtype is
/// unknown; app::input_error when the checkpoint is broken; std::runtime_error when it
/// cannot be written.
std::string export_checkpoint(const std::string& checkpoint, const std::string& folder,
                              const std::string& dtype);

}  // namespace packkit::train
