// SPDX-License-Identifier: Apache-2.0
// The model and the tokenizer that a configuration names, and what it changes of them.
#include <config/model_config.hpp>
#include <config/schema.hpp>
#include <data/tokenizer.hpp>
#include <plan/inputs.hpp>

#include "config_cases.hpp"

#include <common/json.hpp>

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(model_source_test)

using namespace packkit::train;
using packkit::app::json;
using train_test::error_of;
using train_test::words;
using ids = std::vector<std::int32_t>;

namespace {

constexpr const char* small_model = R"({"model_type": "llama",
    "architectures": ["LlamaForCausalLM"], "vocab_size": 310, "hidden_size": 16,
    "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 512, "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0, "hidden_act": "silu", "bos_token_id": 4, "eos_token_id": 5})";

constexpr const char* notes =
    R"({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"})";

/// A run with a model that has a tokenizer.
struct model_folder : train_test::run_folder {
    model_folder() {
        put("model/config.json", small_model);
        put("model/tokenizer.json", words);
        put("model/tokenizer_config.json", notes);
    }

    /// Writes a file and the folders above it.
    void put(const std::string& name, std::string_view text) const {
        std::filesystem::create_directories((folder.path() / name).parent_path());
        folder.write(name, text);
    }
    [[nodiscard]] train_config load(const std::string& more) const {
        return load_config(write(config_with("tokenizer_type:\n" + more)));
    }
    [[nodiscard]] std::string error(const std::string& more) const {
        return error_of(folder, [&] { static_cast<void>(load(more)); });
    }
};

/// Sets variables of the environment for its lifetime.
class environment {
public:
    environment(const char* name, const std::string& value) : name_(name) {
        const char* const before = std::getenv(name);
        if (before != nullptr) before_ = before;
        setenv(name, value.c_str(), 1);
    }
    environment(const environment&) = delete;
    environment& operator=(const environment&) = delete;
    ~environment() {
        if (before_) {
            setenv(name_, before_->c_str(), 1);
        } else {
            unsetenv(name_);
        }
    }

private:
    const char* name_;
    std::optional<std::string> before_;
};

ids encoded(const tokenizer& tokens, std::string_view text) {
    ids result;
    encode_document(tokens, text, result);
    return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_tokenizer_is_that_of_the_model) {
    const model_folder run;
    const std::string model = run.folder / "model";
    for (const char* const type : {"", "AutoTokenizer", "LlamaTokenizerFast",
                                   "PreTrainedTokenizerFast", "Qwen2Tokenizer"}) {
        const auto config = load_config(run.write(
            train_test::run_folder::config_with("tokenizer_type: " + std::string(type))));
        BOOST_TEST(config.tokenizer_type == model, type);
    }
    run.put("other/tokenizer.json", words);
    BOOST_TEST(run.load("tokenizer_config: other").tokenizer_type ==
               run.folder / "other");
    BOOST_TEST(run.load("base_model_config: other").tokenizer_type ==
               run.folder / "other");
    BOOST_TEST(run.error("tokenizer_config: nowhere") ==
               "config.yaml:2: tokenizer_config: 'nowhere' does not exist");
    BOOST_TEST(error_of(run.folder,
                        [&] {
                            static_cast<void>(
                                load_config(run.write(train_test::run_folder::config_with(
                                    "tokenizer_type: other\ntokenizer_config: other"))));
                        }) ==
               "config.yaml:2: tokenizer_config and tokenizer_type 'other' name two "
               "tokenizers; use tokenizer_type: AutoTokenizer, or only one of the "
               "keys");
    // Ids need none; what a model has beside its weights is kept for checkpoints.
    const auto of_ids = run.load("datasets: [{path: data.jsonl, type: tokens}]");
    BOOST_TEST(of_ids.tokenizer_type == "");
    const auto loaded = load_run_tokenizer(of_ids);
    BOOST_TEST(loaded.files.at("tokenizer.json") == words);
    BOOST_TEST(loaded.hash == "none");
}

BOOST_AUTO_TEST_CASE(names_of_the_hub) {
    const model_folder run;
    const std::string cache = run.folder / "cache";
    const environment home("HOME", run.folder / "home");
    const environment hf_home("HF_HOME", "");
    const environment xdg("XDG_CACHE_HOME", "");
    const environment hub("HF_HUB_CACHE", cache);
    BOOST_TEST(run.error("base_model: org/small") ==
               "config.yaml:2: base_model: 'org/small' is no folder and not in the "
               "Hugging Face cache (looked in cache, home/.cache/huggingface/hub); fetch "
               "it with: huggingface-cli download org/small");
    const std::string repository = "cache/models--org--small/";
    run.put(repository + "refs/main", "0123abc\n");
    run.put(repository + "snapshots/0123abc/config.json", small_model);
    run.put(repository + "snapshots/0123abc/tokenizer.json", words);
    const auto config = run.load("base_model: org/small");
    BOOST_TEST(config.base_model == run.folder / (repository + "snapshots/0123abc"));
    BOOST_TEST(config.tokenizer_type == config.base_model);
    BOOST_TEST(
        run.error("base_model: org/small\nrevision_of_model: v2") ==
        "config.yaml:2: base_model: 'org/small' with revision 'v2' is no folder and "
        "not in the Hugging Face cache (looked in cache, "
        "home/.cache/huggingface/hub); fetch it with: huggingface-cli download "
        "org/small --revision v2");
    BOOST_TEST(run.load("base_model: org/small\nrevision_of_model: 0123abc").base_model ==
               config.base_model);
    // A folder of that name beside the configuration goes first.
    run.put("org/small/config.json", small_model);
    BOOST_TEST(run.load("base_model: org/small\ntokenizer_config: model").base_model ==
               run.folder / "org/small");
    BOOST_TEST(run.error("base_model: ../../nowhere") ==
               "config.yaml:2: base_model: '" +
                   resolved_path(run.folder / "config.yaml", "../../nowhere") +
                   "' does not exist");
}

BOOST_AUTO_TEST_CASE(config_json_can_be_overridden) {
    const model_folder run;
    const auto read = [&](const std::string& more) {
        return read_configured_model(run.load(more));
    };
    const auto changed = read(
        "overrides_of_model_config: {rms_norm_eps: 1.0e-6, use_cache: false}\n"
        "model_config: {rope_theta: 500000}");
    BOOST_TEST(changed.shape.rms_norm_eps == 1e-6);
    BOOST_TEST(changed.shape.rope_theta == 500000.0);
    const auto saved = json::parse(saved_model_config(changed.document, "float32"));
    BOOST_TEST(saved["rms_norm_eps"] == 1e-6);
    BOOST_TEST(saved["use_cache"] == false);
    BOOST_TEST(saved["rope_theta"] == 500000);
    BOOST_TEST(saved["vocab_size"] == 310);
    // 1 is a number, and 2.0 stays a real one.
    const auto one = read(
                         "overrides_of_model_config: {bos_token_id: 1, use_cache: yes, "
                         "initializer_range: 2.0}")
                         .document;
    BOOST_TEST(one["bos_token_id"].dump() == "1");
    BOOST_TEST(one["use_cache"].dump() == "true");
    BOOST_TEST(one["initializer_range"].dump() == "2.0");

    const auto scaled = read("rope_scaling: {type: linear, factor: 2.0}");
    BOOST_CHECK(scaled.shape.scaling.kind == packkit::rope_scaling_kind::linear);
    BOOST_TEST(scaled.shape.scaling.factor == 2.0);
    // As Transformers 5 writes it: the new scaling ends the old one, theta stays.
    auto modern = json::parse(small_model);
    modern.erase("rope_theta");
    modern["rope_parameters"] = {
        {"rope_type", "linear"}, {"factor", 8}, {"rope_theta", 7.5}};
    run.put("model/config.json", modern.dump());
    const auto replaced = read("rope_scaling: {rope_type: linear, factor: 2.0}");
    BOOST_TEST(replaced.shape.scaling.factor == 2.0);
    BOOST_TEST(replaced.shape.rope_theta == 7.5);
    BOOST_TEST(read("overrides_of_model_config: {rope_theta: 9.5}").shape.rope_theta ==
               9.5);

    BOOST_TEST(run.error("overrides_of_model_config:\n  rope_thta: 5") ==
               "config.yaml:3: overrides_of_model_config: key 'rope_thta' of config.json "
               "is not read here; did you mean 'rope_theta'?");
    BOOST_TEST(error_of(run.folder,
                        [&] { read("overrides_of_model_config: {hidden_act: swoosh}"); })
                   .starts_with("model/config.json with overrides_of_model_config:1: "
                                "hidden_act: "));
}

BOOST_AUTO_TEST_CASE(classes_of_models) {
    const model_folder run;
    for (const char* const type : {"LlamaForCausalLM", "AutoModelForCausalLM", "llama"})
        BOOST_TEST(run.error("model_type: " + std::string(type)) == "no error");
    BOOST_TEST(
        run.error("model_type: MistralForCausalLM") ==
        "config.yaml:2: model_type: 'MistralForCausalLM' contradicts config.json of "
        "base_model, which says 'LlamaForCausalLM'; expected that or "
        "AutoModelForCausalLM");
}

// Ids as Transformers 5.24 gives them: AutoTokenizer.from_pretrained, then
// add_special_tokens, add_tokens, add_special_tokens with AddedToken(text, rstrip=False,
// lstrip=False, normalized=False), in the order in which Axolotl calls them.
BOOST_AUTO_TEST_CASE(tokens_are_added_as_transformers_adds_them) {
    const model_folder run;
    run.put("model/special_tokens_map.json", R"({"eos_token": "</s>"})");
    const auto config = run.load(
        "special_tokens: {pad_token: <pad>, eos_token: <end>,\n"
        "  additional_special_tokens: [<user>, <end>]}\n"
        "tokens: [<think>, c]");
    const auto loaded = load_run_tokenizer(config);
    const tokenizer& tokens = *loaded.tokens;
    BOOST_TEST(tokens.vocabulary_size() == 10);
    BOOST_TEST(tokens.find("<end>").value() == 6);
    BOOST_TEST(tokens.find("<pad>").value() == 7);
    BOOST_TEST(tokens.find("<think>").value() == 8);
    BOOST_TEST(tokens.find("c").value() == 2);
    BOOST_TEST(tokens.find("<user>").value() == 9);
    BOOST_TEST(tokens.specials().bos.value() == 4);
    BOOST_TEST(tokens.specials().eos.value() == 6);
    BOOST_TEST(tokens.specials().pad.value() == 7);
    // "c" is found inside of a word now.
    BOOST_TEST(encoded(tokens, "<user>b<think> dc</s>") == (ids{4, 9, 1, 8, 3, 2, 5, 6}),
               boost::test_tools::per_element());
    BOOST_TEST(encoded(tokens, "b<end>") == (ids{4, 1, 6}),
               boost::test_tools::per_element());

    // The files that a checkpoint gets say the same.
    const train_test::temporary_folder saved;
    for (const auto& [name, text] : loaded.files)
        saved.write(name, text);
    const auto again = load_tokenizer(saved.path().string());
    BOOST_TEST(encoded(*again, "<user>b<think> dc</s>") == (ids{4, 9, 1, 8, 3, 2, 5, 6}),
               boost::test_tools::per_element());
    BOOST_TEST(again->specials().pad.value() == 7);
    const auto config_file = json::parse(loaded.files.at("tokenizer_config.json"));
    BOOST_TEST(config_file["eos_token"] == "<end>");
    BOOST_TEST(config_file["bos_token"] == "<s>");
    BOOST_TEST(config_file["additional_special_tokens"].size() == 2u);
    BOOST_TEST(json::parse(loaded.files.at("special_tokens_map.json"))["eos_token"] ==
               "<end>");
    BOOST_TEST(loaded.hash != load_run_tokenizer(run.load("")).hash);
}

BOOST_AUTO_TEST_CASE(a_new_bos_stands_where_the_old_one_stood) {
    const model_folder run;
    const auto loaded = load_run_tokenizer(run.load("special_tokens: {bos_token: <b>}"));
    BOOST_TEST(encoded(*loaded.tokens, "b") == (ids{6, 1, 5}),
               boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(added_tokens_get_new_texts) {
    const model_folder run;
    const auto loaded = load_run_tokenizer(run.load("added_tokens_overrides: {5: <e>}"));
    BOOST_TEST(encoded(*loaded.tokens, "b<e>") == (ids{4, 1, 5}),
               boost::test_tools::per_element());
    BOOST_TEST(json::parse(loaded.files.at("tokenizer_config.json"))["eos_token"] ==
               "<e>");
    const auto error = [&](const char* more) {
        return error_of(run.folder, [&] { load_run_tokenizer(run.load(more)); });
    };
    BOOST_TEST(error("added_tokens_overrides: {3: x}") ==
               "model/tokenizer.json: added_tokens_overrides: id 3 is none of the added "
               "tokens of the tokenizer");
    BOOST_TEST(
        error("added_tokens_overrides: {5: c}") ==
        "model/tokenizer.json: added_tokens_overrides: token 'c' is there already");
    BOOST_TEST(run.error("added_tokens_overrides: {x: y}") ==
               "config.yaml:2: added_tokens_overrides: expected token ids and their new "
               "texts, as {128041: \"<|im_start|>\"}, found a map");
    BOOST_TEST(error_of(run.folder,
                        [&] {
                            static_cast<void>(
                                load_config(run.write(train_test::run_folder::config_with(
                                    "tokenizer_type: bytes\ntokens: [x]"))));
                        }) ==
               "config.yaml:1: tokenizer_type: bytes takes no special_tokens, tokens "
               "or added_tokens_overrides; expected a tokenizer.json");
}

BOOST_AUTO_TEST_CASE(the_vocabulary_grows_to_hold_the_tokenizer) {
    const model_folder run;
    auto config_file = json::parse(small_model);
    config_file["vocab_size"] = 6;
    config_file["pad_token_id"] = -1;
    run.put("model/config.json", config_file.dump());
    run.put("model/generation_config.json", R"({"eos_token_id": [5, 4]})");
    const auto grown =
        read_model_inputs(run.load("special_tokens: {eos_token: <end>}\ntokens: [<x>]"));
    BOOST_TEST(grown.shape.vocab_size == 8);
    BOOST_TEST(grown.stored_vocabulary == 6);
    BOOST_TEST(grown.shape.pad_token_id.value() == 5);
    BOOST_TEST(grown.model_config["vocab_size"] == 8);
    BOOST_TEST(grown.model_config["pad_token_id"] == 5);
    BOOST_TEST(grown.model_config["bos_token_id"] == 4);
    BOOST_TEST(grown.model_config["eos_token_id"] == 6);
    BOOST_TEST(json::parse(grown.companions.at("generation_config.json")) ==
               json({{"eos_token_id", 6}}));
    const auto rounded = read_model_inputs(
        run.load("resize_token_embeddings_to_32x: true\ntokens: [<x>]"));
    BOOST_TEST(rounded.shape.vocab_size == 32);
    BOOST_TEST(rounded.companions.at("generation_config.json") ==
               R"({"eos_token_id": [5, 4]})");
    const auto plain = read_model_inputs(run.load(""));
    BOOST_TEST(plain.shape.vocab_size == 6);
    run.put("model/config.json", small_model);
    BOOST_TEST(read_model_inputs(run.load("resize_token_embeddings_to_32x: true"))
                   .shape.vocab_size == 310);
}

BOOST_AUTO_TEST_SUITE_END()
