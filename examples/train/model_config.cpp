// SPDX-License-Identifier: Apache-2.0
#include "model_config.hpp"

#include "common/config_object.hpp"
#include "common/errors.hpp"
#include "common/json.hpp"
#include "common/model_config.hpp"

namespace packkit::train {

model_shape read_model_config(const std::string& path) {
    const std::string file = app::model_config_file(path);
    const model_shape model = app::read_model_config(path);
    const auto refuse = [&](const std::string& key, const app::json& value,
                            const std::string& computed) {
        throw app::input_error(file, key + ": " + app::shown(value) +
                                         " is not supported; packkit-train computes " +
                                         computed);
    };
    const bool computed = traits_of(model).norm == norm_kind::rms_norm;
    if (!computed) {
        refuse("model_type", to_string(model.family),
               "llama, mistral, mixtral, qwen2, qwen3, qwen3_moe, gemma, gemma2 and "
               "gemma3_text");
    }
    if (model.scaling.kind == rope_scaling_kind::dynamic) {
        refuse("rope_scaling", to_string(model.scaling.kind),
               "kinds that do not depend on the longest sequence of a batch: default, "
               "linear, llama3, yarn");
    }
    if (model.partial_rotary_factor != 1.0)
        refuse("partial_rotary_factor", model.partial_rotary_factor, "1.0");
    if (model.attention_dropout != 0.0)
        refuse("attention_dropout", model.attention_dropout, "0.0");
    if (model.hidden_dropout != 0.0)
        refuse("hidden_dropout", model.hidden_dropout, "0.0");
    return model;
}

std::string write_model_config(const model_shape& model, std::string_view dtype,
                               const special_token_ids& ids,
                               std::int64_t max_position_embeddings) {
    check_model_shape(model);
    app::ordered_json document;
    document["architectures"] = {"LlamaForCausalLM"};
    document["model_type"] = "llama";
    document["vocab_size"] = model.vocab_size;
    document["hidden_size"] = model.hidden_size;
    document["intermediate_size"] = model.intermediate_size;
    document["num_hidden_layers"] = model.num_hidden_layers;
    document["num_attention_heads"] = model.num_attention_heads;
    document["num_key_value_heads"] = model.num_key_value_heads;
    document["head_dim"] = model.head_dim;
    document["hidden_act"] = "silu";
    document["max_position_embeddings"] = max_position_embeddings;
    document["initializer_range"] = model.initializer_range;
    document["rms_norm_eps"] = model.rms_norm_eps;
    // Transformers 4 reads the first two, 5 the third.
    document["rope_theta"] = model.rope_theta;
    document["rope_scaling"] = nullptr;
    document["rope_parameters"] = {{"rope_theta", model.rope_theta},
                                   {"rope_type", "default"}};
    document["tie_word_embeddings"] = model.tie_word_embeddings;
    document["attention_bias"] = false;
    document["attention_dropout"] = 0.0;
    document["mlp_bias"] = false;
    document["bos_token_id"] = ids.bos;
    document["eos_token_id"] = ids.eos;
    document["pad_token_id"] = ids.pad;
    document["torch_dtype"] = dtype;
    document["dtype"] = dtype;
    document["use_cache"] = true;
    return document.dump(2) + "\n";
}

}  // namespace packkit::train
