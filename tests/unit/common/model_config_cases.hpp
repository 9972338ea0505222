// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The small config.json, what is read from it and how it is rejected.

#include <common/errors.hpp>
#include <common/model_config.hpp>

#include <nlohmann/json.hpp>

#include <string>

namespace model_config_cases {

using nlohmann::json;
using packkit::model_shape;

inline json small() {
    return {
        {"model_type", "llama"},   {"vocab_size", 259},        {"hidden_size", 64},
        {"intermediate_size", 96}, {"num_hidden_layers", 2},   {"num_attention_heads", 4},
        {"rope_theta", 10000.0},   {"num_key_value_heads", 2}, {"rms_norm_eps", 1e-6}};
}

inline json with(json document, const json& more) {
    document.update(more);
    return document;
}

inline json of_type(const char* type, const json& more = json::object()) {
    return with(with(small(), {{"model_type", type}, {"head_dim", 16}}), more);
}

inline model_shape read(const json& document) {
    return packkit::app::parse_model_config(document.dump(), "config.json");
}

/// The whole message of the input_error, or "no error".
inline std::string error_of(const std::string& text) {
    try {
        packkit::app::parse_model_config(text, "config.json");
    } catch (const packkit::app::input_error& error) { return error.what(); }
    return "no error";
}

inline std::string error_in(const json& document) {
    return error_of(document.dump());
}

inline std::string error_without(const json& document, const std::string& key) {
    json less = document;
    less.erase(key);
    return error_in(less);
}

}  // namespace model_config_cases
