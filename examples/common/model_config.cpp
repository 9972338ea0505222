// SPDX-License-Identifier: Apache-2.0
#include "model_config.hpp"

#include "did_you_mean.hpp"
#include "document_field.hpp"
#include "errors.hpp"
#include "numbers.hpp"
#include "rope_config.hpp"
#include "window_config.hpp"

#include <packkit/error.hpp>
#include <packkit/model/check_model_shape.hpp>
#include <packkit/model/model_traits.hpp>

#include <array>
#include <cmath>
#include <filesystem>
#include <optional>

namespace packkit::app {
namespace {

using enum model_family;

constexpr std::int64_t max_layers = 1 << 16;

/// How a family's config.json differs: the names of its keys, and what is meant when one
/// is missing. A size without a default must be there.
struct family_keys {
    const char* hidden_size = "hidden_size";
    const char* layers = "num_hidden_layers";
    const char* heads = "num_attention_heads";
    const char* context = "max_position_embeddings";
    const char* epsilon = "rms_norm_eps";
    const char* activation = "hidden_act";
    const char* attention_dropout = "attention_dropout";
    const char* hidden_dropout = "";

    /// Sizes of the one family whose files leave them out; 0: they must be there.
    std::int64_t default_vocab_size = 0;
    std::int64_t default_heads = 0;
    std::int64_t default_key_value_heads = 0;
    std::int64_t default_head_dim = 0;
    std::int64_t default_context = 0;
    /// num_key_value_heads may be missing and is num_attention_heads then.
    bool key_value_heads_follow = false;
    /// head_dim may be missing and is hidden_size / num_attention_heads then.
    bool head_dim_follows = true;
};

/// The shape before the file has spoken: defaults of the configuration class.
model_shape defaults_of(model_family family) {
    model_shape model{.family = family};
    switch (family) {
        case llama:
        case mistral:
        case qwen2:
        case qwen3:
        case qwen3_moe:
            break;
        case mixtral:
            model.rms_norm_eps = 1e-5;
            model.rope_theta = 1e6;
            model.norm_topk_prob = true;
            break;
        case gemma3:
            model.rope_theta = 1e6;
            model.rope_local_theta = 1e4;
            [[fallthrough]];
        case gemma:
        case gemma2:
            model.activation = activation_kind::gelu_tanh;
            model.tie_word_embeddings = true;
            break;
        case gpt2:
            model.rms_norm_eps = 1e-5;
            model.activation = activation_kind::gelu_tanh;
            model.tie_word_embeddings = true;
            model.attention_dropout = model.hidden_dropout = 0.1;
            break;
        case gpt_neox:
            model.rms_norm_eps = 1e-5;
            model.activation = activation_kind::gelu;
            model.attention_bias = true;
            model.partial_rotary_factor = 0.25;
            model.parallel_residual = true;
            break;
        case mpt:
            model.rms_norm_eps = 1e-5;
            model.activation = activation_kind::gelu;
            model.tie_word_embeddings = true;
            break;
    }
    return model;
}

family_keys keys_of(model_family family) {
    switch (family) {
        case llama:
            return {.key_value_heads_follow = true};
        case mistral:
        case mixtral:
        case qwen2:
        case qwen3_moe:
            return {};
        case qwen3:
        case gemma:
            return {.head_dim_follows = false};
        case gemma2:
            return {.activation = "hidden_activation", .head_dim_follows = false};
        case gemma3:
            return {.activation = "hidden_activation",
                    .default_vocab_size = 262208,
                    .default_heads = 8,
                    .default_key_value_heads = 4,
                    .default_head_dim = 256,
                    .default_context = 131072};
        case gpt2:
            return {.hidden_size = "n_embd",
                    .layers = "n_layer",
                    .heads = "n_head",
                    .context = "n_positions",
                    .epsilon = "layer_norm_epsilon",
                    .activation = "activation_function",
                    .attention_dropout = "attn_pdrop",
                    .hidden_dropout = "resid_pdrop"};
        case gpt_neox:
            return {.epsilon = "layer_norm_eps", .hidden_dropout = "hidden_dropout"};
        case mpt:
            return {.hidden_size = "d_model",
                    .layers = "n_layers",
                    .heads = "n_heads",
                    .context = "max_seq_len",
                    .epsilon = "layer_norm_epsilon",
                    .activation = "",
                    .attention_dropout = "",
                    .hidden_dropout = "resid_pdrop"};
    }
    throw packkit::invalid_argument("model_family has no value " +
                                    std::to_string(static_cast<int>(family)));
}

model_family read_family(const document_field& keys) {
    const auto type = keys.find("model_type");
    if (!type) {
        keys.fail("model_type",
                  "is missing; expected one of " + name_list(model_family_names));
    }
    return static_cast<model_family>(type->one_of(model_family_names));
}

/// A size that must be there unless `otherwise` is above 0.
std::int64_t sized(const document_field& keys, const char* key, std::int64_t otherwise) {
    return otherwise > 0 ? keys.size(key).value_or(otherwise) : keys.required_size(key);
}

std::int64_t read_head_dim(const document_field& keys, const family_keys& names,
                           const model_shape& model) {
    const bool fused = traits_of(model).fused_qkv;
    const auto head_dim = fused ? std::nullopt : keys.size("head_dim");
    if (head_dim) return *head_dim;
    if (names.default_head_dim > 0) return names.default_head_dim;
    if (!names.head_dim_follows) return keys.required_size("head_dim");
    if (model.hidden_size % model.num_attention_heads != 0) {
        const std::string reason = std::to_string(model.num_attention_heads) +
                                   " does not divide " + names.hidden_size + " " +
                                   std::to_string(model.hidden_size);
        if (fused) keys.fail(names.heads, reason);
        keys.fail("head_dim", "is missing, and num_attention_heads " + reason);
    }
    return model.hidden_size / model.num_attention_heads;
}

std::int64_t read_key_value_heads(const document_field& keys, const family_keys& names,
                                  const model_shape& model) {
    const char* const key = "num_key_value_heads";
    if (const auto heads = keys.size(key)) return *heads;
    if (names.key_value_heads_follow || keys.has(key)) return model.num_attention_heads;
    return sized(keys, key, names.default_key_value_heads);
}

/// The keys that LLM Foundry nests, and a factor where others have a size.
void read_mpt(const document_field& keys, model_shape& model) {
    const double expansion = keys.positive("expansion_ratio").value_or(4.0);
    const double wide = expansion * static_cast<double>(model.hidden_size);
    if (!(wide < static_cast<double>(max_size)) || wide != std::floor(wide) ||
        wide < 1.0) {
        keys.fail("expansion_ratio", shortest(expansion) + " times d_model " +
                                         std::to_string(model.hidden_size) +
                                         " is not a whole number from 1 to " +
                                         std::to_string(max_size));
    }
    model.intermediate_size = static_cast<std::int64_t>(wide);
    keys.only("norm_type", keys.text("norm_type") == "layernorm"
                               ? "layernorm"
                               : "low_precision_layernorm");
    const bool biased = !keys.truth("no_bias").value_or(true);
    model.attention_bias = model.mlp_bias = model.norm_bias = biased;
    model.alibi = true;
    const auto attention = keys.inner("attn_config");
    if (attention) {
        model.alibi = attention->truth("alibi").value_or(true);
        model.attention_dropout = attention->probability("attn_pdrop").value_or(0.0);
        attention->only("rope", false);
        attention->only("qk_ln", false);
        attention->only("qk_gn", false);
        const std::string type =
            attention->text("attn_type").value_or("multihead_attention");
        if (type == "multiquery_attention") {
            model.num_key_value_heads = 1;
        } else if (type == "grouped_query_attention") {
            model.num_key_value_heads = attention->required_size("kv_n_heads");
        } else {
            attention->only("attn_type", "multihead_attention");
        }
    }
    if (!model.alibi) keys.only("learned_pos_emb", true);
}

void read_sizes(const document_field& keys, const family_keys& names,
                model_shape& model) {
    model.vocab_size = sized(keys, "vocab_size", names.default_vocab_size);
    model.hidden_size = keys.required_size(names.hidden_size);
    model.num_hidden_layers = keys.required_size(names.layers, max_layers);
    model.num_attention_heads = sized(keys, names.heads, names.default_heads);
    model.head_dim = read_head_dim(keys, names, model);
    const bool learned = traits_of(model).positions == position_kind::learned;
    model.max_position_embeddings =
        learned ? keys.required_size(names.context)
                : keys.size(names.context).value_or(names.default_context);
    if (traits_of(model).fused_qkv) {
        model.num_key_value_heads = model.num_attention_heads;
    } else {
        model.num_key_value_heads = read_key_value_heads(keys, names, model);
    }
    if (model.family == gpt2) {
        model.intermediate_size = keys.size("n_inner").value_or(4 * model.hidden_size);
    } else if (model.family == mpt) {
        read_mpt(keys, model);
    } else {
        model.intermediate_size = keys.required_size("intermediate_size");
    }
}

void read_activation(const document_field& keys, const char* key, model_shape& model) {
    using enum activation_kind;
    const auto name = *key == '\0' ? std::nullopt : keys.find(key);
    if (!name) return;
    constexpr std::array kinds = {silu,      silu,      gelu, gelu_tanh,
                                  gelu_tanh, gelu_tanh, relu};
    model.activation = kinds[name->one_of(
        {"silu", "swish", "gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu"})];
    // The first Gemma files say gelu and mean its approximation by tanh.
    if (model.family == gemma && model.activation == gelu) model.activation = gelu_tanh;
}

void read_switches(const document_field& keys, const family_keys& names,
                   model_shape& model) {
    const auto put = [](auto& target, const auto& value) {
        if (value) target = *value;
    };
    put(model.rms_norm_eps, keys.positive(names.epsilon));
    put(model.initializer_range, keys.positive("initializer_range"));
    put(model.tie_word_embeddings, keys.truth("tie_word_embeddings"));
    if (*names.attention_dropout != '\0')
        put(model.attention_dropout, keys.probability(names.attention_dropout));
    if (*names.hidden_dropout != '\0')
        put(model.hidden_dropout, keys.probability(names.hidden_dropout));
    read_activation(keys, names.activation, model);
    switch (model.family) {
        case llama:
            put(model.mlp_bias, keys.truth("mlp_bias"));
            [[fallthrough]];
        case qwen3:
        case qwen3_moe:
        case gemma:
            put(model.attention_bias, keys.truth("attention_bias"));
            break;
        case gemma2:
        case gemma3:
            put(model.attention_bias, keys.truth("attention_bias"));
            model.query_pre_attn_scalar =
                keys.positive("query_pre_attn_scalar").value_or(256.0);
            // null means none here, and a missing key the class's default.
            if (model.family == gemma2) {
                model.attn_logit_softcapping =
                    keys.has("attn_logit_softcapping") ? 0.0 : 50.0;
                model.final_logit_softcapping =
                    keys.has("final_logit_softcapping") ? 0.0 : 30.0;
            }
            put(model.attn_logit_softcapping, keys.positive("attn_logit_softcapping"));
            put(model.final_logit_softcapping, keys.positive("final_logit_softcapping"));
            keys.only("use_bidirectional_attention", false);
            break;
        case gpt2:
            keys.only("add_cross_attention", false);
            break;
        case gpt_neox:
            put(model.attention_bias, keys.truth("attention_bias"));
            put(model.parallel_residual, keys.truth("use_parallel_residual"));
            break;
        case mistral:
        case mixtral:
        case qwen2:
        case mpt:
            break;
    }
}

void read_experts(const document_field& keys, model_shape& model) {
    if (!traits_of(model).experts) return;
    // Transformers 4 calls the number of Qwen's experts num_experts, 5 as Mixtral does.
    const bool old_name =
        model.family == qwen3_moe && keys.find("num_experts").has_value();
    model.num_experts =
        keys.required_size(old_name ? "num_experts" : "num_local_experts", 1 << 16);
    model.num_experts_per_tok = keys.required_size("num_experts_per_tok", 1 << 16);
    if (model.family == mixtral) return;
    model.moe_intermediate_size = keys.required_size("moe_intermediate_size");
    model.decoder_sparse_step = keys.size("decoder_sparse_step").value_or(1);
    model.norm_topk_prob = keys.truth("norm_topk_prob").value_or(false);
    const auto dense = keys.find("mlp_only_layers");
    if (dense && (dense->node().type != document_node::kind::sequence ||
                  !dense->node().items.empty())) {
        dense->fail(describe_json(dense->node()) +
                    " is not supported; expected an empty array");
    }
}

model_shape read_shape(const document_field& keys) {
    if (keys.find("quantization_config")) {
        keys.fail("quantization_config", "quantized weights are not supported");
    }
    const model_family family = read_family(keys);
    const family_keys names = keys_of(family);
    model_shape model = defaults_of(family);
    read_switches(keys, names, model);
    read_sizes(keys, names, model);
    read_experts(keys, model);
    read_windows(keys, model);
    if (traits_of(model).positions == position_kind::rotary) read_rope(keys, model);
    try {
        check_model_shape(model);
    } catch (const packkit::invalid_argument& error) {
        throw input_error(keys.file(), error.what());
    }
    return model;
}

/// A Gemma 3 with eyes holds its language model in text_config.
model_shape read_nested(document_node& document, const std::string& file) {
    const document_field keys(document, file);
    const auto text = keys.inner("text_config");
    if (!text) keys.fail("text_config", "is missing; expected an object");
    text->only("model_type", "gemma3_text");
    const auto set = [&](const char* key, const document_node& value) {
        auto& members = document.find("text_config")->members;
        std::erase_if(members, [&](const auto& one) { return one.key == key; });
        members.push_back({key, value, value.line});
    };
    document_node type;
    type.type = document_node::kind::scalar;
    type.quoted = true;
    type.text = "gemma3_text";
    type.line = text->node().line;
    set("model_type", type);
    for (const char* const shared : {"tie_word_embeddings", "quantization_config"}) {
        const document_node* const value = document.find(shared);
        if (value != nullptr && !text->find(shared)) set(shared, *value);
    }
    return read_shape(*text);
}

model_shape read_document(document_node document, const std::string& file) {
    const document_field keys(document, file);
    const auto type = keys.find("model_type");
    if (type && is_text(type->node()) && type->node().text == "gemma3")
        return read_nested(document, file);
    return read_shape(keys);
}

}  // namespace

std::string model_config_file(const std::string& path) {
    std::error_code error;
    const std::filesystem::path given(path);
    return std::filesystem::is_directory(given, error) ? (given / "config.json").string()
                                                       : path;
}

model_shape read_model_config(const std::string& path) {
    const std::string file = model_config_file(path);
    return read_document(read_json_document(file), file);
}

model_shape parse_model_config(std::string_view text, const std::string& place) {
    return read_document(parse_json_document(text, place), place);
}

}  // namespace packkit::app
