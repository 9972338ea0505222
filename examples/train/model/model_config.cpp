// SPDX-License-Identifier: Apache-2.0
#include "model/model_config.hpp"

#include "common/config_object.hpp"
#include "common/errors.hpp"
#include "common/json.hpp"
#include "common/model_config.hpp"

#include <fstream>
#include <utility>

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
