// SPDX-License-Identifier: Apache-2.0
// What the trainer takes of a model's config.json, and what it writes; how the file is
// read is tests/unit/common/model_config_test.cpp.
#include <config/model_config.hpp>

#include <packkit/error.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <nlohmann/json.hpp>

#include <string>

BOOST_AUTO_TEST_SUITE(model_config_test)

using namespace packkit::train;
using nlohmann::json;
using packkit::model_shape;
using train_test::error_of;

namespace {

const train_test::temporary_folder folder;

json small() {
    return {
        {"model_type", "llama"},   {"vocab_size", 259},        {"hidden_size", 64},
        {"intermediate_size", 96}, {"num_hidden_layers", 2},   {"num_attention_heads", 4},
        {"rope_theta", 10000.0},   {"num_key_value_heads", 2}, {"rms_norm_eps", 1e-6}};
}

model_shape read(const std::string& text) {
    return read_model_config(folder.write("config.json", text));
}

/// The error of the small model with one key set to a value.
std::string error_with(const std::string& key, const json& value) {
    json document = small();
    document[key] = value;
    return error_of(folder, [&] { read(document.dump()); });
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_folder_or_a_file) {
    folder.write("config.json", small().dump());
    BOOST_CHECK(read_model_config(folder.path().string()) ==
                read_model_config(folder / "config.json"));
    BOOST_TEST(error_of(folder, [] { read_model_config(folder / "none"); }) ==
               "none: cannot be opened: No such file or directory");
    BOOST_TEST(
        error_with("hidden_size", 0) ==
        "config.json:1: hidden_size: expected a whole number from 1 to 2147483647, "
        "found 0");
}

BOOST_AUTO_TEST_CASE(the_padding_row_is_that_of_transformers) {
    using row = std::optional<std::int64_t>;
    const auto padding = [](const std::string& type, const json& id) {
        json document = small();
        document["model_type"] = type;
        document["head_dim"] = 16;
        if (id != "missing") document["pad_token_id"] = id;
        return read(document.dump()).pad_token_id;
    };
    BOOST_CHECK(padding("llama", "missing") == row());
    BOOST_CHECK(padding("llama", nullptr) == row());
    BOOST_CHECK(padding("llama", 0) == row(0));
    BOOST_CHECK(padding("qwen3", 258) == row(258));
    BOOST_CHECK(padding("mistral", -1) == row(258));
    // Transformers opens no model with such a one.
    BOOST_CHECK(padding("llama", 259) == row());
    for (const char* gemma : {"gemma", "gemma2", "gemma3_text"}) {
        BOOST_CHECK(padding(gemma, "missing") == row(0));
        BOOST_CHECK(padding(gemma, nullptr) == row());
        BOOST_CHECK(padding(gemma, 3) == row(3));
    }
}

BOOST_AUTO_TEST_CASE(losses_of_a_router_are_refused) {
    json document = small();
    document.update({{"model_type", "mixtral"},
                     {"num_local_experts", 4},
                     {"num_experts_per_tok", 2},
                     {"output_router_logits", false},
                     {"router_jitter_noise", 0.0}});
    const auto error = [](const json& config) {
        return error_of(folder, [&] { read(config.dump()); });
    };
    BOOST_TEST(error(document) == "no error");
    auto noisy = document;
    noisy["router_jitter_noise"] = 0.1;
    BOOST_TEST(error(noisy) ==
               "config.json: router_jitter_noise: 0.1 is not supported; packkit-train "
               "computes 0.0");
    document["output_router_logits"] = true;
    BOOST_TEST(error(document) ==
               "config.json: output_router_logits: true is not supported; packkit-train "
               "computes the loss without that of the router (set it to false)");
}

BOOST_AUTO_TEST_CASE(what_is_not_computed_is_refused) {
    BOOST_TEST(error_with("model_type", "llama") == "no error");
    for (const char* type : {"qwen2", "mistral", "gemma2", "gemma3_text"}) {
        json document = small();
        document["model_type"] = type;
        document["head_dim"] = 16;
        BOOST_TEST(error_of(folder, [&] { read(document.dump()); }) == "no error");
    }
    BOOST_TEST(error_with("model_type", "gpt_neox") ==
               "config.json: model_type: 'gpt_neox' is not supported; packkit-train "
               "computes llama, mistral, mixtral, qwen2, qwen3, qwen3_moe, gemma, gemma2 "
               "and gemma3_text");
    BOOST_TEST(error_with("hidden_act", "gelu") == "no error");
    BOOST_TEST(error_with("attention_bias", true) == "no error");
    BOOST_TEST(error_with("mlp_bias", true) == "no error");
    BOOST_TEST(error_with("attention_dropout", 0.1) ==
               "config.json: attention_dropout: 0.1 is not supported; packkit-train "
               "computes 0.0");
    BOOST_TEST(error_with("partial_rotary_factor", 0.5) ==
               "config.json: partial_rotary_factor: 0.5 is not supported; packkit-train "
               "computes 1.0");
    BOOST_TEST(error_with("rope_scaling", {{"type", "linear"}, {"factor", 2.0}}) ==
               "no error");
    BOOST_TEST(error_with("rope_scaling", {{"type", "dynamic"}, {"factor", 2.0}}) ==
               "config.json: rope_scaling: 'dynamic' is not supported; packkit-train "
               "computes kinds that do not depend on the longest sequence of a batch: "
               "default, linear, llama3, yarn");
    BOOST_TEST(error_with("quantization_config", {{"bits", 4}}) ==
               "config.json:1: quantization_config: quantized weights are not supported");
    BOOST_TEST(error_with("rope_parameters", {{"rope_type", "default"}}) == "no error");
}

BOOST_AUTO_TEST_CASE(what_is_written_reads_back) {
    const packkit::app::ordered_json base = {
        {"model_type", "llama"},
        {"vocab_size", 259},
        {"hidden_size", 64},
        {"intermediate_size", 96},
        {"num_hidden_layers", 2},
        {"num_attention_heads", 4},
        {"head_dim", 32},
        {"rope_parameters",
         {{"rope_theta", 123456.7}, {"rope_type", "linear"}, {"factor", 2.0}}},
        {"tie_word_embeddings", true},
        {"bos_token_id", 1},
        {"torch_dtype", "bfloat16"}};
    const std::string text = saved_model_config(base, "float64");
    BOOST_CHECK(read(text) == read(base.dump()));
    const json document = json::parse(text);
    BOOST_TEST(document["architectures"] == json({"LlamaForCausalLM"}));
    BOOST_TEST(document["bos_token_id"] == 1);
    BOOST_TEST(document["torch_dtype"] == "float64");
    BOOST_TEST(document["dtype"] == "float64");
    BOOST_TEST(document["rope_theta"] == 123456.7);
    BOOST_TEST(document["rope_scaling"]["factor"] == 2.0);
    BOOST_TEST(text.ends_with("}\n"));
}

BOOST_AUTO_TEST_SUITE_END()
