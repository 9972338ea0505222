// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// config.json of a Hugging Face model folder: what the trainer takes and what it writes.

#include <packkit/model_shape.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace packkit::train {

/// The ids that config.json names.
struct special_token_ids {
    std::int64_t bos = 256;
    std::int64_t eos = 257;
    std::int64_t pad = 258;
};

/// Reads the config.json of a model that this trainer computes: see
/// app::read_model_config.
/// \param path the file, or the folder that holds it.
/// \details What this trainer would compute differently is refused, not ignored: another
/// family or activation, scaled rotary frequencies, biases, dropout.
/// \throws app::input_error with file, key and value.
model_shape read_model_config(const std::string& path);

/// The text of a config.json that Transformers (4 and 5) opens as LlamaForCausalLM and
/// read_model_config reads back as the same shape.
/// \param dtype "float32", "float64", "bfloat16": of the weights beside it.
/// \param max_position_embeddings the longest sequence, usually sequence_len.
std::string write_model_config(const model_shape& model, std::string_view dtype,
                               const special_token_ids& ids,
                               std::int64_t max_position_embeddings);

}  // namespace packkit::train
