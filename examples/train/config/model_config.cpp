// SPDX-License-Identifier: Apache-2.0
#include "config/model_config.hpp"

#include "common/errors.hpp"
#include "common/json.hpp"
#include "common/model_config.hpp"
#include "common/numbers.hpp"

#include <packkit/model/model_traits.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <optional>
#include <utility>

namespace packkit::train {

namespace {

/// What Transformers takes as the embedding's padding_idx: of a negative one counted from
/// the end; null is none, and a missing key the family's default.
std::optional<std::int64_t> padding_of(const app::ordered_json& document,
                                       const model_shape& model) {
    const auto& text =
        document.contains("text_config") ? document["text_config"] : document;
    const bool gemma = model.family == model_family::gemma ||
                       model.family == model_family::gemma2 ||
                       model.family == model_family::gemma3;
    if (!text.contains("pad_token_id"))
        return gemma ? std::optional<std::int64_t>(0) : std::nullopt;
    const auto& id = text["pad_token_id"];
    if (!id.is_number_integer()) return std::nullopt;
    auto row = id.get<std::int64_t>();
    if (row < 0) row += model.vocab_size;
    if (row < 0 || row >= model.vocab_size) return std::nullopt;
    return row;
}

/// The language model's part of a config.json: a Gemma 3 with eyes nests it.
app::ordered_json& language_model(app::ordered_json& document) {
    return document.contains("text_config") ? document["text_config"] : document;
}

/// Holds a shape to what this trainer computes. \param file for messages
model_shape checked_shape(model_shape model, const app::ordered_json& document,
                          const std::string& file) {
    const auto refuse = [&](const std::string& key, const std::string& value,
                            const std::string& computed) {
        throw app::input_error(
            file,
            key + ": " + value + " is not supported; packkit-train computes " + computed);
    };
    const bool computed = traits_of(model).norm == norm_kind::rms_norm;
    if (!computed) {
        refuse("model_type", app::in_quotes(to_string(model.family)),
               "llama, mistral, mixtral, qwen2, qwen3, qwen3_moe, gemma, gemma2 and "
               "gemma3_text");
    }
    if (model.scaling.kind == rope_scaling_kind::dynamic) {
        refuse("rope_scaling", app::in_quotes(to_string(model.scaling.kind)),
               "kinds that do not depend on the longest sequence of a batch: default, "
               "linear, llama3, yarn");
    }
    if (model.partial_rotary_factor != 1.0)
        refuse("partial_rotary_factor", app::shortest(model.partial_rotary_factor),
               "1.0");
    if (model.attention_dropout != 0.0)
        refuse("attention_dropout", app::shortest(model.attention_dropout), "0.0");
    if (model.hidden_dropout != 0.0)
        refuse("hidden_dropout", app::shortest(model.hidden_dropout), "0.0");
    if (traits_of(model).experts) {
        // Training would differ; other families do not know these keys.
        if (document.value("output_router_logits", app::ordered_json()) == true)
            refuse("output_router_logits", "true",
                   "the loss without that of the router (set it to false)");
        const auto noise = document.value("router_jitter_noise", app::ordered_json());
        if (noise.is_number() && noise != 0.0)
            refuse("router_jitter_noise", app::shortest(noise.get<double>()), "0.0");
    }
    model.pad_token_id = padding_of(document, model);
    return model;
}

/// Keys of rope in the two generations of config.json: a new value of one generation ends
/// the old one of the other.
void drop_replaced_rope(app::ordered_json& target, const std::string& key,
                        const app::ordered_json& value) {
    const bool nested =
        target.contains("rope_parameters") && target["rope_parameters"].is_object();
    if (key == "rope_scaling" && nested) {
        const auto rope = target["rope_parameters"];
        for (const char* const kept : {"rope_theta", "partial_rotary_factor"}) {
            if (rope.contains(kept) && !target.contains(kept)) target[kept] = rope[kept];
        }
        target.erase("rope_parameters");
    } else if (key == "rope_theta" && nested) {
        target["rope_parameters"][key] = value;
    } else if (key == "rope_parameters") {
        target.erase("rope_scaling");
        target.erase("rope_theta");
    }
}

void merge_over(app::ordered_json& target, const app::ordered_json& overrides) {
    for (const auto& [key, value] : overrides.items()) {
        drop_replaced_rope(target, key, value);
        target[key] = value;
    }
}

}  // namespace

model_shape read_model_config(const std::string& path) {
    return checked_shape(app::read_model_config(path), read_model_document(path),
                         app::model_config_file(path));
}

std::string config_folder(const train_config& config) {
    return config.base_model_config.empty() ? config.base_model
                                            : config.base_model_config;
}

std::span<const std::string_view> model_config_keys() {
    static constexpr std::string_view keys[] = {"vocab_size",
                                                "hidden_size",
                                                "intermediate_size",
                                                "num_hidden_layers",
                                                "num_attention_heads",
                                                "num_key_value_heads",
                                                "head_dim",
                                                "max_position_embeddings",
                                                "rms_norm_eps",
                                                "initializer_range",
                                                "tie_word_embeddings",
                                                "hidden_act",
                                                "hidden_activation",
                                                "attention_bias",
                                                "mlp_bias",
                                                "attention_dropout",
                                                "query_pre_attn_scalar",
                                                "attn_logit_softcapping",
                                                "final_logit_softcapping",
                                                "use_bidirectional_attention",
                                                "num_local_experts",
                                                "num_experts",
                                                "num_experts_per_tok",
                                                "moe_intermediate_size",
                                                "decoder_sparse_step",
                                                "norm_topk_prob",
                                                "mlp_only_layers",
                                                "output_router_logits",
                                                "router_jitter_noise",
                                                "layer_types",
                                                "sliding_window",
                                                "use_sliding_window",
                                                "max_window_layers",
                                                "sliding_window_pattern",
                                                "rope_theta",
                                                "rope_scaling",
                                                "rope_parameters",
                                                "rope_local_base_freq",
                                                "partial_rotary_factor",
                                                "pad_token_id",
                                                "bos_token_id",
                                                "eos_token_id",
                                                "use_cache"};
    return keys;
}

configured_model read_configured_model(const train_config& config) {
    const std::string path = config_folder(config);
    configured_model model;
    model.document = read_model_document(path);
    app::ordered_json overrides = app::ordered_json::object();
    for (const auto* text : {&config.overrides_of_model_config, &config.model_config}) {
        if (!text->empty()) overrides.update(app::ordered_json::parse(*text));
    }
    if (!config.rope_scaling.empty())
        overrides["rope_scaling"] = app::ordered_json::parse(config.rope_scaling);
    if (overrides.empty()) {
        model.shape = read_model_config(path);
    } else {
        // Only an object has keys to be replaced; reading says what is wrong with others.
        if (!model.document.is_object()) static_cast<void>(read_model_config(path));
        merge_over(language_model(model.document), overrides);
        const std::string file =
            app::model_config_file(path) + " with overrides_of_model_config";
        model.shape = checked_shape(app::parse_model_config(model.document.dump(), file),
                                    model.document, file);
    }
    model.stored_vocabulary = model.shape.vocab_size;
    return model;
}

void fit_vocabulary(configured_model& model, const train_config& config,
                    const app::tokenizer& tokens) {
    put_token_ids(model.document, config, tokens);
    const bool rounds = config.resize_token_embeddings_to_32x;
    if (config.token_changes.empty() && !rounds) return;
    constexpr std::int64_t multiple = 32;
    std::int64_t rows = tokens.vocabulary_size();
    if (rounds) rows = (rows + multiple - 1) / multiple * multiple;
    if (rows <= model.shape.vocab_size) return;
    auto& document = language_model(model.document);
    model.shape.vocab_size = rows;
    document["vocab_size"] = rows;
    // A padding row that is counted from the end stays the row that it was.
    if (model.shape.pad_token_id && document.contains("pad_token_id"))
        document["pad_token_id"] = *model.shape.pad_token_id;
}

void put_token_ids(app::ordered_json& document, const train_config& config,
                   const app::tokenizer& tokens) {
    const auto put = [&](const char* key, const std::string& named,
                         std::optional<std::int32_t> id) {
        if (named.empty() || !id) return;
        document[key] = *id;
        auto& inner = language_model(document);
        if (inner.contains(key)) inner[key] = *id;
    };
    put("bos_token_id", config.token_changes.bos_token, tokens.specials().bos);
    put("eos_token_id", config.token_changes.eos_token, tokens.specials().eos);
}

std::string architecture_of(std::string_view model_type) {
    static constexpr std::pair<std::string_view, std::string_view> known[] = {
        {"llama", "LlamaForCausalLM"},
        {"mistral", "MistralForCausalLM"},
        {"mixtral", "MixtralForCausalLM"},
        {"qwen2", "Qwen2ForCausalLM"},
        {"qwen3", "Qwen3ForCausalLM"},
        {"qwen3_moe", "Qwen3MoeForCausalLM"},
        {"gemma3", "Gemma3ForConditionalGeneration"},
        {"gemma", "GemmaForCausalLM"},
        {"gemma2", "Gemma2ForCausalLM"},
        {"gemma3_text", "Gemma3ForCausalLM"}};
    for (const auto& [type, architecture] : known) {
        if (type == model_type) return std::string(architecture);
    }
    return {};
}

app::ordered_json read_model_document(const std::string& path) {
    const std::string file = app::model_config_file(path);
    app::read_json_file(file);  // what is wrong with it is said with its line
    std::ifstream stream(file);
    return app::ordered_json::parse(stream);
}

std::string saved_model_config(const app::ordered_json& base, std::string_view dtype) {
    app::ordered_json document = base;
    const std::string type = document.value("model_type", "");
    const auto architecture = architecture_of(type);
    if (!document.contains("architectures") && !architecture.empty())
        document["architectures"] = {architecture};
    // Transformers 4 reads the first of each pair, 5 the second.
    document["torch_dtype"] = dtype;
    document["dtype"] = dtype;
    if (document.contains("rope_parameters") && !document.contains("rope_theta")) {
        const auto& rope = document["rope_parameters"];
        if (rope.is_object() && rope.contains("rope_theta"))
            document["rope_theta"] = rope["rope_theta"];
        if (rope.is_object() && rope.value("rope_type", "default") != "default" &&
            !document.contains("rope_scaling")) {
            auto scaling = rope;
            scaling.erase("rope_theta");
            document["rope_scaling"] = scaling;
        }
    }
    return document.dump(2) + "\n";
}

}  // namespace packkit::train
