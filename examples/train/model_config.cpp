// SPDX-License-Identifier: Apache-2.0
#include "model_config.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "common/json.hpp"

#include <packkit/error.hpp>

#include <array>
#include <cmath>
#include <filesystem>
#include <optional>

namespace packkit::train {
namespace {

using app::in_quotes;
using app::json;

constexpr std::array<std::string_view, 1> supported_models = {"llama"};

/// Sizes beyond this are no model, and their products would not fit 64 bits.
constexpr std::int64_t max_size = (std::int64_t{1} << 31) - 1;
constexpr std::int64_t max_layers = 1 << 16;
constexpr long double max_parameters = 1e15L;

std::string shown(const json& value) {
    if (value.is_string()) return in_quotes(value.get_ref<const std::string&>());
    if (value.is_object() || value.is_array()) return std::string(app::json_kind(value));
    return value.dump();
}

/// The keys of one object of the file. null counts as not there, as it does in
/// Transformers.
class model_reader {
public:
    /// \param prefix of names in messages: "rope_parameters.".
    model_reader(std::string file, const json& object, std::string prefix = {})
        : file_(std::move(file)), object_(object), prefix_(std::move(prefix)) {}

    [[nodiscard]] const json* find(const char* key) const {
        const auto found = object_.find(key);
        return found == object_.end() || found->is_null() ? nullptr : &*found;
    }

    [[noreturn]] void fail(std::string_view key, const std::string& message) const {
        throw app::input_error(file_, prefix_ + std::string(key) + ": " + message);
    }

    [[nodiscard]] std::optional<std::int64_t> size(const char* key,
                                                   std::int64_t high = max_size) const {
        const json* const value = find(key);
        if (value == nullptr) return std::nullopt;
        const bool whole = value->is_number_integer();
        const bool fits =
            whole && (!value->is_number_unsigned() ||
                      value->get<std::uint64_t>() <= static_cast<std::uint64_t>(high));
        if (!fits || value->get<std::int64_t>() < 1) {
            fail(key, "expected a whole number from 1 to " + std::to_string(high) +
                          ", found " + shown(*value));
        }
        return value->get<std::int64_t>();
    }

    [[nodiscard]] std::int64_t required_size(const char* key,
                                             std::int64_t high = max_size) const {
        const auto value = size(key, high);
        if (!value) fail(key, "is missing; expected a whole number >= 1");
        return *value;
    }

    [[nodiscard]] std::optional<double> positive(const char* key) const {
        const json* const value = find(key);
        if (value == nullptr) return std::nullopt;
        if (!value->is_number() || !std::isfinite(value->get<double>()) ||
            value->get<double>() <= 0.0) {
            fail(key, "expected a number > 0, found " + shown(*value));
        }
        return value->get<double>();
    }

    [[nodiscard]] bool truth(const char* key, bool otherwise) const {
        const json* const value = find(key);
        if (value == nullptr) return otherwise;
        if (!value->is_boolean())
            fail(key, "expected true or false, found " + shown(*value));
        return value->get<bool>();
    }

    /// Refuses any value but this one; the key may be missing.
    void only(const char* key, const json& supported) const {
        const json* const value = find(key);
        if (value == nullptr || *value == supported) return;
        fail(key, shown(*value) + " is not supported; expected " + shown(supported));
    }

    [[nodiscard]] const std::string& file() const { return file_; }
    [[nodiscard]] const json& object() const { return object_; }

private:
    std::string file_;
    const json& object_;
    std::string prefix_;
};

void check_model_type(const model_reader& keys) {
    const json* const type = keys.find("model_type");
    if (type == nullptr) {
        keys.fail("model_type",
                  "is missing; expected one of " + app::name_list(supported_models));
    }
    if (*type != supported_models.front()) {
        keys.fail("model_type", shown(*type) + " is not supported; expected one of " +
                                    app::name_list(supported_models));
    }
}

/// What would change the numbers and is not computed here.
void check_unsupported(const model_reader& keys) {
    keys.only("hidden_act", "silu");
    keys.only("attention_bias", false);
    keys.only("mlp_bias", false);
    keys.only("attention_dropout", 0.0);
    keys.only("partial_rotary_factor", 1.0);
    if (keys.find("quantization_config") != nullptr) {
        keys.fail("quantization_config", "quantized weights are not supported");
    }
}

void check_rope_type(const model_reader& rope) {
    rope.only("rope_type", "default");
    rope.only("type", "default");
    rope.only("partial_rotary_factor", 1.0);
    for (const auto& [key, value] : rope.object().items()) {
        if (key == "rope_type" || key == "type" || key == "rope_theta" ||
            key == "partial_rotary_factor") {
            continue;
        }
        // "factor" and its like belong to the other types.
        if (!value.is_null()) rope.fail(key, shown(value) + " is not supported");
    }
}

/// rope_theta from the top (Transformers 4) or from rope_parameters (5).
double read_rope_theta(const model_reader& keys) {
    std::optional<double> theta = keys.positive("rope_theta");
    for (const char* const name : {"rope_scaling", "rope_parameters"}) {
        const json* const object = keys.find(name);
        if (object == nullptr) continue;
        if (!object->is_object()) {
            keys.fail(name, "expected an object, found " + shown(*object));
        }
        const model_reader rope(keys.file(), *object, std::string(name) + ".");
        check_rope_type(rope);
        const auto inner = rope.positive("rope_theta");
        if (theta && inner && *theta != *inner) {
            rope.fail("rope_theta", shown((*object)["rope_theta"]) +
                                        " contradicts rope_theta " + json(*theta).dump() +
                                        " of the same file");
        }
        if (inner) theta = inner;
    }
    return theta.value_or(10000.0);
}

void check_parameters(const model_reader& keys, const model_shape& model) {
    const auto real = [](std::int64_t size) { return static_cast<long double>(size); };
    const long double heads =
        real(model.num_attention_heads) + real(model.num_key_value_heads);
    const long double block =
        real(model.hidden_size) *
        (2.0L * heads * real(model.head_dim) + 3.0L * real(model.intermediate_size));
    const long double all = real(model.num_hidden_layers) * block +
                            2.0L * real(model.vocab_size) * real(model.hidden_size);
    if (all > max_parameters) {
        keys.fail("hidden_size",
                  "with the other sizes this is a model of more than "
                  "1,000,000,000,000,000 parameters");
    }
}

std::string config_file(const std::string& path) {
    std::error_code error;
    const std::filesystem::path given(path);
    return std::filesystem::is_directory(given, error) ? (given / "config.json").string()
                                                       : path;
}

}  // namespace

model_shape read_model_config(const std::string& path) {
    const std::string file = config_file(path);
    const json document = app::read_json_file(file);
    if (!document.is_object()) {
        throw app::input_error(file, "expected an object, found " + shown(document));
    }
    const model_reader keys(file, document);
    check_model_type(keys);
    check_unsupported(keys);
    model_shape model;
    model.vocab_size = keys.required_size("vocab_size");
    model.hidden_size = keys.required_size("hidden_size");
    model.intermediate_size = keys.required_size("intermediate_size");
    model.num_hidden_layers = keys.required_size("num_hidden_layers", max_layers);
    model.num_attention_heads = keys.required_size("num_attention_heads");
    model.num_key_value_heads =
        keys.size("num_key_value_heads").value_or(model.num_attention_heads);
    if (const auto head_dim = keys.size("head_dim")) {
        model.head_dim = *head_dim;
    } else if (model.hidden_size % model.num_attention_heads != 0) {
        keys.fail("head_dim", "is missing, and num_attention_heads " +
                                  std::to_string(model.num_attention_heads) +
                                  " does not divide hidden_size " +
                                  std::to_string(model.hidden_size));
    } else {
        model.head_dim = model.hidden_size / model.num_attention_heads;
    }
    model.rms_norm_eps = keys.positive("rms_norm_eps").value_or(1e-6);
    model.rope_theta = read_rope_theta(keys);
    model.initializer_range = keys.positive("initializer_range").value_or(0.02);
    model.tie_word_embeddings = keys.truth("tie_word_embeddings", false);
    check_parameters(keys, model);
    try {
        check_model_shape(model);
    } catch (const packkit::invalid_argument& error) {
        throw app::input_error(file, error.what());
    }
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
