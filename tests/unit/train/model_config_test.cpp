// SPDX-License-Identifier: Apache-2.0
#include <model_config.hpp>

#include <packkit/error.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

using namespace packkit::train;
using nlohmann::json;
using packkit::model_shape;
using train_test::error_of;

namespace {

const train_test::temporary_folder folder;

/// Llama 2 7B as Transformers 4 writes it, and Llama 3 8B's sizes as Transformers 5 does.
const char* const version4 = R"({
  "_name_or_path": "meta-llama/Llama-2-7b-hf",
  "architectures": ["LlamaForCausalLM"],
  "bos_token_id": 1,
  "eos_token_id": 2,
  "hidden_act": "silu",
  "hidden_size": 4096,
  "initializer_range": 0.02,
  "intermediate_size": 11008,
  "max_position_embeddings": 4096,
  "model_type": "llama",
  "num_attention_heads": 32,
  "num_hidden_layers": 32,
  "num_key_value_heads": 32,
  "pretraining_tp": 1,
  "rms_norm_eps": 1e-05,
  "rope_scaling": null,
  "tie_word_embeddings": false,
  "torch_dtype": "float16",
  "transformers_version": "4.31.0.dev0",
  "use_cache": true,
  "vocab_size": 32000
})";
const char* const version5 = R"({
  "architectures": ["LlamaForCausalLM"],
  "attention_bias": false,
  "attention_dropout": 0.0,
  "bos_token_id": 128000,
  "dtype": "bfloat16",
  "eos_token_id": [128001, 128009],
  "head_dim": 128,
  "hidden_act": "silu",
  "hidden_size": 4096,
  "initializer_range": 0.02,
  "intermediate_size": 14336,
  "max_position_embeddings": 8192,
  "mlp_bias": false,
  "model_type": "llama",
  "num_attention_heads": 32,
  "num_hidden_layers": 32,
  "num_key_value_heads": 8,
  "pad_token_id": null,
  "pretraining_tp": 1,
  "rms_norm_eps": 1e-05,
  "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"},
  "tie_word_embeddings": false,
  "use_cache": true,
  "vocab_size": 128256
})";

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

std::string error_without(const std::string& key) {
    json document = small();
    document.erase(key);
    return error_of(folder, [&] { read(document.dump()); });
}

}  // namespace

BOOST_AUTO_TEST_CASE(transformers_4_and_5) {
    BOOST_CHECK((read(version4) == model_shape{.vocab_size = 32000,
                                               .hidden_size = 4096,
                                               .intermediate_size = 11008,
                                               .num_hidden_layers = 32,
                                               .num_attention_heads = 32,
                                               .num_key_value_heads = 32,
                                               .head_dim = 128,
                                               .rms_norm_eps = 1e-5,
                                               .rope_theta = 10000.0,
                                               .initializer_range = 0.02,
                                               .tie_word_embeddings = false}));
    const model_shape llama3 = read(version5);
    BOOST_CHECK((llama3 == model_shape{.vocab_size = 128256,
                                       .hidden_size = 4096,
                                       .intermediate_size = 14336,
                                       .num_hidden_layers = 32,
                                       .num_attention_heads = 32,
                                       .num_key_value_heads = 8,
                                       .head_dim = 128,
                                       .rms_norm_eps = 1e-5,
                                       .rope_theta = 500000.0,
                                       .initializer_range = 0.02,
                                       .tie_word_embeddings = false}));
    BOOST_TEST(packkit::parameter_count(llama3) == 8030261248);
}

BOOST_AUTO_TEST_CASE(a_folder_or_a_file) {
    folder.write("config.json", small().dump());
    BOOST_CHECK(read_model_config(folder.path().string()) ==
                read_model_config(folder / "config.json"));
    BOOST_TEST(error_of(folder, [] { read_model_config(folder / "none"); }) ==
               "none: cannot be opened: No such file or directory");
}

BOOST_AUTO_TEST_CASE(defaults_and_optional_keys) {
    json document = small();
    for (const char* const key : {"rope_theta", "num_key_value_heads", "rms_norm_eps"}) {
        document.erase(key);
    }
    const model_shape model = read(document.dump());
    BOOST_TEST(model.num_key_value_heads == 4);
    BOOST_TEST(model.head_dim == 16);
    BOOST_TEST(model.rope_theta == 10000.0);
    BOOST_TEST(model.rms_norm_eps == 1e-6);
    BOOST_TEST(model.initializer_range == 0.02);
    BOOST_TEST(!model.tie_word_embeddings);
    BOOST_TEST(error_with("head_dim", nullptr) == "no error");
    BOOST_TEST(error_with("rope_scaling", {{"type", "default"}}) == "no error");
    BOOST_TEST(error_with("rope_parameters", {{"rope_type", "default"}}) == "no error");
    BOOST_TEST(error_with("attention_dropout", 0) == "no error");
    document["head_dim"] = 32;
    document["tie_word_embeddings"] = true;
    BOOST_TEST(read(document.dump()).head_dim == 32);
    BOOST_TEST(read(document.dump()).tie_word_embeddings);
}

BOOST_AUTO_TEST_CASE(other_models_are_refused) {
    BOOST_TEST(
        error_with("model_type", "qwen2") ==
        "config.json: model_type: 'qwen2' is not supported; expected one of llama");
    BOOST_TEST(error_without("model_type") ==
               "config.json: model_type: is missing; expected one of llama");
    BOOST_TEST(error_with("model_type", 5) ==
               "config.json: model_type: 5 is not supported; expected one of llama");
    BOOST_TEST(error_with("hidden_act", "gelu") ==
               "config.json: hidden_act: 'gelu' is not supported; expected 'silu'");
    BOOST_TEST(error_with("attention_bias", true) ==
               "config.json: attention_bias: true is not supported; expected false");
    BOOST_TEST(error_with("mlp_bias", true) ==
               "config.json: mlp_bias: true is not supported; expected false");
    BOOST_TEST(error_with("attention_dropout", 0.1) ==
               "config.json: attention_dropout: 0.1 is not supported; expected 0.0");
    BOOST_TEST(error_with("partial_rotary_factor", 0.5) ==
               "config.json: partial_rotary_factor: 0.5 is not supported; expected 1.0");
    BOOST_TEST(error_with("quantization_config", {{"bits", 4}}) ==
               "config.json: quantization_config: quantized weights are not supported");
}

BOOST_AUTO_TEST_CASE(rope) {
    BOOST_TEST(error_with("rope_scaling", {{"rope_type", "llama3"}, {"factor", 8.0}}) ==
               "config.json: rope_scaling.rope_type: 'llama3' is not supported; expected "
               "'default'");
    BOOST_TEST(
        error_with("rope_scaling", {{"type", "linear"}, {"factor", 2.0}}) ==
        "config.json: rope_scaling.type: 'linear' is not supported; expected 'default'");
    BOOST_TEST(
        error_with("rope_parameters", {{"rope_type", "yarn"}}) ==
        "config.json: rope_parameters.rope_type: 'yarn' is not supported; expected "
        "'default'");
    BOOST_TEST(
        error_with("rope_parameters", {{"rope_type", "default"}, {"factor", 2.0}}) ==
        "config.json: rope_parameters.factor: 2.0 is not supported");
    BOOST_TEST(
        error_with("rope_parameters", {{"full_attention", {{"rope_theta", 1.0}}}}) ==
        "config.json: rope_parameters.full_attention: an object is not supported");
    BOOST_TEST(
        error_with("rope_parameters", {{"rope_theta", 5.0}}) ==
        "config.json: rope_parameters.rope_theta: 5.0 contradicts rope_theta 10000.0 of "
        "the same file");
    BOOST_TEST(error_with("rope_parameters", {{"rope_theta", 10000}}) == "no error");
    BOOST_TEST(error_with("rope_parameters", 3) ==
               "config.json: rope_parameters: expected an object, found 3");
    BOOST_TEST(error_with("rope_theta", 0) ==
               "config.json: rope_theta: expected a number > 0, found 0");
}

BOOST_AUTO_TEST_CASE(wrong_sizes) {
    for (const char* const key :
         {"vocab_size", "hidden_size", "intermediate_size", "num_attention_heads",
          "num_key_value_heads", "head_dim"}) {
        const std::string expected =
            "config.json: " + std::string(key) +
            ": expected a whole number from 1 to 2147483647, found ";
        BOOST_TEST(error_with(key, -5) == expected + "-5");
        BOOST_TEST(error_with(key, 0) == expected + "0");
        BOOST_TEST(error_with(key, 64.0) == expected + "64.0");
        BOOST_TEST(error_with(key, "64") == expected + "'64'");
        BOOST_TEST(error_with(key, true) == expected + "true");
        BOOST_TEST(error_with(key, {64}) == expected + "an array");
        BOOST_TEST(error_with(key, 18446744073709551615U) ==
                   expected + "18446744073709551615");
    }
    BOOST_TEST(
        error_with("num_hidden_layers", 100000) ==
        "config.json: num_hidden_layers: expected a whole number from 1 to 65536, found "
        "100000");
    for (const char* const key : {"vocab_size", "hidden_size", "intermediate_size",
                                  "num_hidden_layers", "num_attention_heads"}) {
        BOOST_TEST(error_without(key) ==
                   "config.json: " + std::string(key) +
                       ": is missing; expected a whole number >= 1");
    }
    BOOST_TEST(
        error_with("num_attention_heads", 5) ==
        "config.json: head_dim: is missing, and num_attention_heads 5 does not divide "
        "hidden_size 64");
    BOOST_TEST(
        error_with("num_key_value_heads", 3) ==
        "config.json: num_key_value_heads 3 does not divide num_attention_heads 4");
    BOOST_TEST(
        error_with("head_dim", 3) ==
        "config.json: head_dim 3 is odd; rotary embedding turns pairs of features");
    BOOST_TEST(error_with("hidden_size", 1048576) == "no error");
    BOOST_TEST(error_with("intermediate_size", 2147483647) == "no error");
    json huge = small();
    huge["hidden_size"] = huge["intermediate_size"] = 2147483644;
    BOOST_TEST(
        error_of(folder, [&] { read(huge.dump()); }) ==
        "config.json: hidden_size: with the other sizes this is a model of more than "
        "1,000,000,000,000,000 parameters");
}

BOOST_AUTO_TEST_CASE(wrong_types) {
    BOOST_TEST(error_with("rms_norm_eps", -1e-5) ==
               "config.json: rms_norm_eps: expected a number > 0, found -1e-05");
    BOOST_TEST(error_with("initializer_range", "x") ==
               "config.json: initializer_range: expected a number > 0, found 'x'");
    BOOST_TEST(error_with("tie_word_embeddings", 1) ==
               "config.json: tie_word_embeddings: expected true or false, found 1");
    BOOST_TEST(error_of(folder, [] { read("[]"); }) ==
               "config.json: expected an object, found an array");
    BOOST_TEST(error_of(folder, [] { read("{\"a\":1,\"a\":2}"); }) ==
               "config.json:1: key 'a' appears twice in one object");
    BOOST_TEST(error_of(folder, [] { read(""); }) ==
               "config.json:1: empty; expected a JSON document");
}

BOOST_AUTO_TEST_CASE(what_is_written_reads_back) {
    const model_shape model{.vocab_size = 259,
                            .hidden_size = 64,
                            .intermediate_size = 96,
                            .num_hidden_layers = 2,
                            .num_attention_heads = 4,
                            .num_key_value_heads = 2,
                            .head_dim = 32,
                            .rms_norm_eps = 1.1e-5,
                            .rope_theta = 123456.7,
                            .initializer_range = 0.03,
                            .tie_word_embeddings = true};
    const std::string text = write_model_config(model, "float64", {1, 2, 3}, 77);
    BOOST_CHECK(read(text) == model);
    const json document = json::parse(text);
    BOOST_TEST(document["architectures"] == json({"LlamaForCausalLM"}));
    BOOST_TEST(document["model_type"] == "llama");
    BOOST_TEST(document["max_position_embeddings"] == 77);
    BOOST_TEST(document["bos_token_id"] == 1);
    BOOST_TEST(document["eos_token_id"] == 2);
    BOOST_TEST(document["pad_token_id"] == 3);
    BOOST_TEST(document["torch_dtype"] == "float64");
    BOOST_TEST(document["dtype"] == "float64");
    BOOST_TEST(document["attention_bias"] == false);
    BOOST_TEST(document["mlp_bias"] == false);
    BOOST_TEST(document["rope_parameters"]["rope_theta"] == 123456.7);
    BOOST_TEST(text.ends_with("}\n"));
    BOOST_CHECK_THROW(write_model_config({}, "float32", {}, 1),
                      packkit::invalid_argument);
}
