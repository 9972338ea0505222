// SPDX-License-Identifier: Apache-2.0
#include "plan/identity.hpp"

#include "config/schema.hpp"

namespace packkit::train {

run_identity identity_of(const train_config& config, const run_inputs& inputs,
                         const data_plan& plan, const mesh_shape& mesh) {
    const model_shape& shape = inputs.shape;
    const auto rows = config.micro_batch_size * config.gradient_accumulation_steps *
                      mesh.data_parallel_size();
    run_identity identity;
    identity.fixed = {
        {"model_type", std::string(to_string(shape.family))},
        {"hidden_size", std::to_string(shape.hidden_size)},
        {"vocab_size", std::to_string(shape.vocab_size)},
        {"intermediate_size", std::to_string(shape.intermediate_size)},
        {"num_hidden_layers", std::to_string(shape.num_hidden_layers)},
        {"num_attention_heads", std::to_string(shape.num_attention_heads)},
        {"num_key_value_heads", std::to_string(shape.num_key_value_heads)},
        {"head_dim", std::to_string(shape.head_dim)},
        {"tie_word_embeddings", shape.tie_word_embeddings ? "true" : "false"},
        {"rows of a global batch", std::to_string(rows)},
        {"tokens that fit a row", std::to_string(plan.row_capacity())},
        {data_identity, std::to_string(inputs.content_hash)},
        {"packing plan (hash)", std::to_string(plan.plan().hash())}};
    for (auto& [key, value] : settings_that_affect(config, key_effect::run))
        identity.fixed.emplace(std::move(key), std::move(value));
    for (auto& [key, value] : settings_that_affect(config, key_effect::change))
        identity.changeable.emplace(std::move(key), std::move(value));
    for (auto& [key, value] : settings_that_affect(config, key_effect::data)) {
        if (!identity.fixed.contains(key))
            identity.data.emplace(std::move(key), std::move(value));
    }
    return identity;
}

}  // namespace packkit::train
