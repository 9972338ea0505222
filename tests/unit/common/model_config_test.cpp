// SPDX-License-Identifier: Apache-2.0
// What config.json may hold. That the shapes are those of Transformers is
// tests/golden/model_shapes_test.cpp.
#include <common/errors.hpp>
#include <common/model_config.hpp>

#include <packkit/model/model_traits.hpp>
#include <packkit/model/parameters.hpp>
#include <packkit/model/presets.hpp>

#include <run_process.hpp>

#include <boost/test/unit_test.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>

#include "model_config_cases.hpp"

BOOST_AUTO_TEST_SUITE(model_config_test)

using namespace model_config_cases;
using packkit::activation_kind;
using packkit::attention_window;
using packkit::rope_scaling_kind;

namespace {

/// The error of the small model with one key set to a value.
std::string error_with(const std::string& key, const json& value) {
    return error_in(with(small(), {{key, value}}));
}

}  // namespace

BOOST_AUTO_TEST_CASE(transformers_4_and_5) {
    // As published: Llama 2 7B, and Llama 3 8B in the words of Transformers 5.
    const json version4 = {{"_name_or_path", "meta-llama/Llama-2-7b-hf"},
                           {"architectures", {"LlamaForCausalLM"}},
                           {"bos_token_id", 1},
                           {"hidden_act", "silu"},
                           {"hidden_size", 4096},
                           {"initializer_range", 0.02},
                           {"intermediate_size", 11008},
                           {"max_position_embeddings", 4096},
                           {"model_type", "llama"},
                           {"num_attention_heads", 32},
                           {"num_hidden_layers", 32},
                           {"num_key_value_heads", 32},
                           {"pretraining_tp", 1},
                           {"rms_norm_eps", 1e-05},
                           {"rope_scaling", nullptr},
                           {"tie_word_embeddings", false},
                           {"torch_dtype", "float16"},
                           {"vocab_size", 32000}};
    BOOST_CHECK(read(version4) == packkit::find_model("llama-2-7b")->shape);
    const json version5 = {
        {"architectures", {"LlamaForCausalLM"}},
        {"attention_bias", false},
        {"attention_dropout", 0.0},
        {"dtype", "bfloat16"},
        {"eos_token_id", {128001, 128009}},
        {"head_dim", 128},
        {"hidden_act", "silu"},
        {"hidden_size", 4096},
        {"intermediate_size", 14336},
        {"max_position_embeddings", 8192},
        {"mlp_bias", false},
        {"model_type", "llama"},
        {"num_attention_heads", 32},
        {"num_hidden_layers", 32},
        {"num_key_value_heads", 8},
        {"pad_token_id", nullptr},
        {"rms_norm_eps", 1e-05},
        {"rope_parameters", {{"rope_theta", 500000.0}, {"rope_type", "default"}}},
        {"tie_word_embeddings", false},
        {"vocab_size", 128256}};
    const model_shape llama3 = read(version5);
    BOOST_CHECK(llama3 == packkit::find_model("llama-3-8b")->shape);
    BOOST_TEST(packkit::parameter_count(llama3) == 8030261248);
}

BOOST_AUTO_TEST_CASE(a_folder_or_a_file) {
    const packkit::test::temporary_folder folder;
    const std::string file = folder.write("config.json", small().dump());
    BOOST_CHECK(packkit::app::read_model_config(folder.path().string()) == read(small()));
    BOOST_CHECK(packkit::app::read_model_config(file) == read(small()));
    const auto message = [](const std::string& path) -> std::string {
        try {
            packkit::app::read_model_config(path);
        } catch (const packkit::app::input_error& error) { return error.what(); }
        return "no error";
    };
    BOOST_TEST(message(folder / "none") ==
               (folder / "none") + ": cannot be opened: No such file or directory");
    folder.write("config.json", "{\"model_type\": \"llama\"}");
    BOOST_TEST(message(folder.path().string()) ==
               file + ":1: vocab_size: is missing; expected a whole number >= 1");
}

BOOST_AUTO_TEST_CASE(defaults_and_optional_keys) {
    json document = small();
    for (const char* const key : {"rope_theta", "num_key_value_heads", "rms_norm_eps"}) {
        document.erase(key);
    }
    const model_shape model = read(document);
    BOOST_TEST(model.num_key_value_heads == 4);
    BOOST_TEST(model.head_dim == 16);
    BOOST_TEST(model.rope_theta == 10000.0);
    BOOST_TEST(model.rms_norm_eps == 1e-6);
    BOOST_TEST(model.initializer_range == 0.02);
    BOOST_TEST(model.max_position_embeddings == 0);
    BOOST_TEST(!model.tie_word_embeddings);
    BOOST_TEST(error_with("head_dim", nullptr) == "no error");
    BOOST_TEST(error_with("rope_scaling", {{"type", "default"}}) == "no error");
    BOOST_TEST(error_with("rope_parameters", {{"rope_type", "default"}}) == "no error");
    BOOST_TEST(read(with(document, {{"head_dim", 32}})).head_dim == 32);
    BOOST_TEST(read(with(document, {{"tie_word_embeddings", true}})).tie_word_embeddings);
    // null, as Transformers has it: as many as heads; missing: whatever the class says.
    BOOST_TEST(
        read(of_type("qwen2", {{"num_key_value_heads", nullptr}})).num_key_value_heads ==
        4);
    BOOST_TEST(error_without(of_type("qwen2"), "num_key_value_heads") ==
               "config.json:1: num_key_value_heads: is missing; expected a whole number "
               ">= 1");
    BOOST_TEST(error_without(of_type("gemma"), "head_dim") ==
               "config.json:1: head_dim: is missing; expected a whole number >= 1");
    BOOST_TEST(error_without(of_type("qwen3"), "head_dim") ==
               "config.json:1: head_dim: is missing; expected a whole number >= 1");
}

BOOST_AUTO_TEST_CASE(model_types) {
    const std::string known =
        "expected one of llama, mistral, mixtral, qwen2, qwen3, qwen3_moe, gemma, "
        "gemma2, gemma3_text, gpt2, gpt_neox, mpt";
    BOOST_TEST(error_with("model_type", "lama") ==
               "config.json:1: model_type: 'lama' is not known; " + known +
                   "; did you mean 'llama'?");
    BOOST_TEST(error_with("model_type", "Qwen-2") ==
               "config.json:1: model_type: 'Qwen-2' is not known; " + known +
                   "; did you mean 'qwen2'?");
    BOOST_TEST(error_with("model_type", "bert") ==
               "config.json:1: model_type: 'bert' is not known; " + known);
    BOOST_TEST(error_with("model_type", "") ==
               "config.json:1: model_type: '' is not known; " + known);
    BOOST_TEST(error_with("model_type", nullptr) ==
               "config.json:1: model_type: is missing; " + known);
    BOOST_TEST(error_with("model_type", 5) ==
               "config.json:1: model_type: expected a string, found 5");
    BOOST_TEST(error_with("quantization_config", {{"bits", 4}}) ==
               "config.json:1: quantization_config: quantized weights are not supported");
}

BOOST_AUTO_TEST_CASE(activations) {
    using enum activation_kind;
    const auto activation = [](const char* type, const char* key, const json& name) {
        return read(of_type(type, {{key, name}})).activation;
    };
    BOOST_CHECK(activation("llama", "hidden_act", "silu") == silu);
    BOOST_CHECK(activation("llama", "hidden_act", "swish") == silu);
    BOOST_CHECK(activation("llama", "hidden_act", "gelu") == gelu);
    BOOST_CHECK(activation("llama", "hidden_act", "gelu_new") == gelu_tanh);
    BOOST_CHECK(activation("llama", "hidden_act", "relu") == relu);
    BOOST_CHECK(activation("llama", "hidden_act", nullptr) == silu);
    // The first Gemma files say gelu and mean its approximation.
    BOOST_CHECK(activation("gemma", "hidden_act", "gelu") == gelu_tanh);
    BOOST_CHECK(activation("gemma2", "hidden_activation", "gelu") == gelu);
    BOOST_TEST(error_with("hidden_act", "gelu_pytorch_tan") ==
               "config.json:1: hidden_act: 'gelu_pytorch_tan' is not known; expected one "
               "of silu, swish, gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu; did "
               "you mean 'gelu_pytorch_tanh'?");
    BOOST_TEST(error_with("hidden_act", 1) ==
               "config.json:1: hidden_act: expected a string, found 1");
}

BOOST_AUTO_TEST_CASE(rope) {
    const json llama3 = {{"rope_type", "llama3"},
                         {"factor", 8.0},
                         {"low_freq_factor", 1.0},
                         {"high_freq_factor", 4.0},
                         {"original_max_position_embeddings", 8192}};
    const packkit::rope_scaling scaling =
        read(with(small(), {{"rope_scaling", llama3}})).scaling;
    BOOST_CHECK(
        (scaling == packkit::rope_scaling{.kind = rope_scaling_kind::llama3,
                                          .factor = 8.0,
                                          .low_freq_factor = 1.0,
                                          .high_freq_factor = 4.0,
                                          .original_max_position_embeddings = 8192}));
    BOOST_CHECK(read(with(small(), {{"rope_parameters", llama3}})).scaling == scaling);
    const auto yarn =
        read(with(small(), {{"rope_scaling", {{"type", "yarn"}, {"factor", 4}}}}))
            .scaling;
    BOOST_TEST(yarn.beta_fast == 32.0);
    BOOST_TEST(yarn.beta_slow == 1.0);
    BOOST_TEST(error_with("rope_scaling", {{"rope_type", "llama3"}, {"factor", 8.0}}) ==
               "config.json:1: rope_scaling.low_freq_factor: is missing; rope type "
               "'llama3' needs it");
    BOOST_TEST(error_with("rope_scaling", with(llama3, {{"low_freq_factor", 4}})) ==
               "config.json:1: rope_scaling.high_freq_factor: 4.0 is not above "
               "low_freq_factor 4");
    BOOST_TEST(error_with("rope_scaling", {{"type", "linear"}}) ==
               "config.json:1: rope_scaling.factor: is missing; rope type 'linear' needs "
               "it");
    BOOST_TEST(error_with("rope_scaling", {{"type", "linear"}, {"factor", -1}}) ==
               "config.json:1: rope_scaling.factor: expected a number > 0, found -1");
    BOOST_TEST(
        error_with("rope_parameters", {{"rope_type", "yarm"}}) ==
        "config.json:1: rope_parameters.rope_type: 'yarm' is not known; expected one of "
        "default, linear, dynamic, llama3, yarn; did you mean 'yarn'?");
    BOOST_TEST(error_with("rope_scaling", {{"type", "linear"}, {"rope_type", "yarn"}}) ==
               "config.json:1: rope_scaling.type: 'linear' contradicts rope_type 'yarn' "
               "of the same object");
    BOOST_TEST(
        error_with("rope_parameters", {{"rope_type", "default"}, {"factor", 2.0}}) ==
        "config.json:1: rope_parameters.factor: 2.0 is not supported with rope type "
        "'default'");
    BOOST_TEST(
        error_with("rope_parameters", {{"full_attention", {{"rope_theta", 1.0}}}}) ==
        "config.json:1: rope_parameters.full_attention: an object is not supported with "
        "rope type 'default'");
    BOOST_TEST(error_with("rope_parameters", {{"rope_theta", 5.0}}) ==
               "config.json:1: rope_parameters.rope_theta: 5.0 contradicts rope_theta "
               "10000.0 of "
               "the same file");
    BOOST_TEST(error_with("rope_parameters", {{"rope_theta", 10000}}) == "no error");
    BOOST_TEST(error_with("rope_parameters", 3) ==
               "config.json:1: rope_parameters: expected an object, found 3");
    BOOST_TEST(error_with("rope_theta", 0) ==
               "config.json:1: rope_theta: expected a number > 0, found 0");
    BOOST_TEST(
        error_in(with(small(), {{"rope_scaling", llama3},
                                {"rope_parameters", {{"rope_theta", 1e4}}}})) ==
        "config.json:1: rope_parameters: contradicts the rope scaling given before "
        "in the same file");
    BOOST_TEST(error_with("partial_rotary_factor", 1.5) ==
               "config.json: partial_rotary_factor is 1.5, expected a number > 0 and <= "
               "1");
}

BOOST_AUTO_TEST_CASE(rope_of_gemma_3) {
    const auto gemma3 = [](const json& more) { return of_type("gemma3_text", more); };
    const model_shape plain = read(gemma3({{"rope_theta", nullptr}}));
    BOOST_TEST(plain.rope_theta == 1e6);
    BOOST_TEST(plain.rope_local_theta == 1e4);
    const json by_type = {
        {"full_attention",
         {{"rope_type", "linear"}, {"factor", 8.0}, {"rope_theta", 2e6}}},
        {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 3e4}}}};
    const json file = gemma3({{"rope_theta", nullptr}, {"rope_parameters", by_type}});
    BOOST_TEST(read(file).rope_theta == 2e6);
    BOOST_TEST(read(file).rope_local_theta == 3e4);
    BOOST_CHECK(read(file).scaling.kind == rope_scaling_kind::linear);
    json scaled = file;
    scaled["rope_parameters"]["sliding_attention"]["rope_type"] = "dynamic";
    scaled["rope_parameters"]["sliding_attention"]["factor"] = 2.0;
    BOOST_TEST(
        error_in(scaled) ==
        "config.json:1: rope_parameters.sliding_attention.rope_type: layers with a "
        "window are not scaled; expected 'default'");
    json chunked = file;
    chunked["rope_parameters"]["chunked_attention"] = json::object();
    BOOST_TEST(error_in(chunked) ==
               "config.json:1: rope_parameters.chunked_attention: an object is not "
               "supported; expected full_attention and sliding_attention");
}

BOOST_AUTO_TEST_CASE(wrong_sizes) {
    for (const char* const key :
         {"vocab_size", "hidden_size", "intermediate_size", "num_attention_heads",
          "num_key_value_heads", "head_dim", "max_position_embeddings"}) {
        const std::string expected =
            "config.json:1: " + std::string(key) +
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
    BOOST_TEST(error_with("num_hidden_layers", 100000) ==
               "config.json:1: num_hidden_layers: expected a whole number from 1 to "
               "65536, found "
               "100000");
    for (const char* const key : {"vocab_size", "hidden_size", "intermediate_size",
                                  "num_hidden_layers", "num_attention_heads"}) {
        BOOST_TEST(error_without(small(), key) ==
                   "config.json:1: " + std::string(key) +
                       ": is missing; expected a whole number >= 1");
    }
    BOOST_TEST(
        error_with("num_attention_heads", 5) ==
        "config.json:1: head_dim: is missing, and num_attention_heads 5 does not divide "
        "hidden_size 64");
    BOOST_TEST(
        error_with("num_key_value_heads", 3) ==
        "config.json: num_key_value_heads 3 does not divide num_attention_heads 4");
    BOOST_TEST(
        error_with("head_dim", 3) ==
        "config.json: head_dim 3 is odd; rotary embedding turns pairs of features");
    BOOST_TEST(error_with("hidden_size", 1048576) == "no error");
    BOOST_TEST(error_with("intermediate_size", 2147483647) == "no error");
    BOOST_TEST(
        error_in(with(
            small(), {{"hidden_size", 2147483644}, {"intermediate_size", 2147483644}})) ==
        "config.json: hidden_size 2147483644 with the other sizes makes a model of more "
        "than 1,000,000,000,000,000 parameters");
}

BOOST_AUTO_TEST_CASE(wrong_types) {
    BOOST_TEST(error_with("rms_norm_eps", -1e-5) ==
               "config.json:1: rms_norm_eps: expected a number > 0, found -1e-05");
    BOOST_TEST(error_with("initializer_range", "x") ==
               "config.json:1: initializer_range: expected a number > 0, found 'x'");
    BOOST_TEST(error_with("tie_word_embeddings", 1) ==
               "config.json:1: tie_word_embeddings: expected true or false, found 1");
    BOOST_TEST(
        error_with("attention_dropout", 1) ==
        "config.json:1: attention_dropout: expected a number >= 0 and < 1, found 1");
    BOOST_TEST(error_of("[]") == "config.json:1: expected an object, found an array");
    BOOST_TEST(error_of("{\"a\":1,\"a\":2}") ==
               "config.json:1: key 'a' appears twice, first in line 1");
    BOOST_TEST(error_of("") == "config.json:1: empty; expected a JSON document");
}

BOOST_AUTO_TEST_CASE(windows) {
    // Transformers' classes differ in what a missing key means.
    BOOST_TEST(read(of_type("mistral")).sliding_window == 4096);
    BOOST_TEST(read(of_type("mistral", {{"sliding_window", nullptr}})).sliding_window ==
               0);
    BOOST_TEST(read(of_type("llama", {{"sliding_window", 128}})).sliding_window == 0);
    BOOST_TEST(read(of_type("qwen2", {{"sliding_window", 128}})).sliding_window == 0);
    const json three_layers = {{"num_hidden_layers", 3}};
    const auto windows_of = [&](const json& document) {
        const model_shape model = read(with(document, three_layers));
        std::string text;
        for (std::int64_t layer = 0; layer < 3; ++layer)
            text += " " + std::to_string(attention_window(model, layer));
        return text;
    };
    BOOST_TEST(windows_of(of_type("mistral", {{"sliding_window", 7}})) == " 7 7 7");
    BOOST_TEST(windows_of(of_type("gemma2", {{"sliding_window", 7}})) == " 7 0 7");
    BOOST_TEST(windows_of(of_type("gemma3_text", {{"sliding_window", 7},
                                                  {"sliding_window_pattern", 3}})) ==
               " 7 7 0");
    BOOST_TEST(windows_of(of_type("qwen2", {{"sliding_window", 7},
                                            {"use_sliding_window", true},
                                            {"max_window_layers", 2}})) == " 0 0 7");
    // By name, layer for layer.
    const auto typed = [&](const std::string& letters) {
        json types = json::array();
        for (const char letter : letters)
            types.push_back(letter == 's' ? "sliding_attention" : "full_attention");
        return of_type("gemma2", {{"num_hidden_layers", letters.size()},
                                  {"sliding_window", 7},
                                  {"layer_types", types}});
    };
    for (const std::string letters : {"fff", "sss", "sfs", "ssf", "fss", "ffs"}) {
        std::string expected;
        for (const char letter : letters)
            expected += letter == 's' ? " 7" : " 0";
        BOOST_TEST(windows_of(typed(letters)) == expected, letters);
    }
    BOOST_TEST(read(typed("fff")).sliding_window == 0);
    BOOST_TEST(read(typed("fff")).full_attention_interval == 0);
    BOOST_TEST(error_in(typed("sfssss")) ==
               "config.json:1: layer_types: layer 3 breaks the pattern of the layers "
               "before it: only full attention in every n-th layer and in the first "
               "layers is supported");
    BOOST_TEST(
        error_in(with(typed("sf"), three_layers)) ==
        "config.json:1: layer_types: expected an array of 3 names, found one of 2");
    BOOST_TEST(error_in(of_type("gemma2", {{"layer_types", 1}})) ==
               "config.json:1: layer_types: expected an array of 2 names, found 1");
    BOOST_TEST(error_in(of_type("gemma2", {{"layer_types", {"linear", 2}}})) ==
               "config.json:1: layer_types: 'linear' of layer 0 is not known; expected "
               "full_attention or sliding_attention");
    BOOST_TEST(error_in(with(typed("sf"), {{"sliding_window", nullptr}})) ==
               "config.json:1: sliding_window: is missing, and layer 0 has one by "
               "layer_types");
}

BOOST_AUTO_TEST_CASE(soft_caps) {
    const model_shape plain = read(of_type("gemma2"));
    BOOST_TEST(plain.attn_logit_softcapping == 50.0);
    BOOST_TEST(plain.final_logit_softcapping == 30.0);
    BOOST_TEST(plain.query_pre_attn_scalar == 256.0);
    const model_shape none = read(of_type("gemma2", {{"attn_logit_softcapping", nullptr},
                                                     {"final_logit_softcapping", 20}}));
    BOOST_TEST(none.attn_logit_softcapping == 0.0);
    BOOST_TEST(none.final_logit_softcapping == 20.0);
    BOOST_TEST(read(of_type("gemma3_text")).attn_logit_softcapping == 0.0);
    BOOST_TEST(error_in(of_type("gemma2", {{"final_logit_softcapping", 0}})) ==
               "config.json:1: final_logit_softcapping: expected a number > 0, found 0");
    BOOST_TEST(
        error_in(of_type("gemma3_text", {{"use_bidirectional_attention", true}})) ==
        "config.json:1: use_bidirectional_attention: true is not supported; "
        "expected false");
}

BOOST_AUTO_TEST_SUITE_END()
