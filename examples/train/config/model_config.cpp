// SPDX-License-Identifier: Apache-2.0
#include "config/model_config.hpp"

#include "common/errors.hpp"
#include "common/json.hpp"
#include "common/model_config.hpp"
#include "common/numbers.hpp"

#include <packkit/model/model_traits.hpp>

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

}  // namespace

model_shape read_model_config(const std::string& path) {
    const std::string file = app::model_config_file(path);
    model_shape model = app::read_model_config(path);
    const auto document = read_model_document(path);
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

namespace {

/// The class of Transformers that opens a model of this type.
std::string_view architecture_of(std::string_view model_type) {
    constexpr std::pair<std::string_view, std::string_view> known[] = {
        {"llama", "LlamaForCausalLM"},       {"mistral", "MistralForCausalLM"},
        {"mixtral", "MixtralForCausalLM"},   {"qwen2", "Qwen2ForCausalLM"},
        {"qwen3", "Qwen3ForCausalLM"},       {"qwen3_moe", "Qwen3MoeForCausalLM"},
        {"gemma", "GemmaForCausalLM"},       {"gemma2", "Gemma2ForCausalLM"},
        {"gemma3_text", "Gemma3ForCausalLM"}};
    for (const auto& [type, architecture] : known) {
        if (type == model_type) return architecture;
    }
    return {};
}

}  // namespace

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
