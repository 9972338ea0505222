// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// config.json of a Hugging Face model folder, in and out.

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

/// Reads the config.json of a Llama model as Transformers 4 (rope_theta, rope_scaling) or
/// 5 (rope_parameters) writes it.
/// \param path the file, or the folder that holds it.
/// \details head_dim defaults to hidden_size / num_attention_heads, num_key_value_heads
/// to num_attention_heads, other defaults are those of Transformers' LlamaConfig; the
/// sizes must be there. What this trainer would compute differently is refused, not
/// ignored: another model_type or hidden_act, a rope type other than default, biases,
/// dropout, quantization.
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
