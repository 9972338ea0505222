// SPDX-License-Identifier: Apache-2.0
// Models and tokenizers as configurations of Axolotl name and change them.
#include "train_program.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(packkit_train_models_test)

using namespace train_program;
using namespace packkit;

namespace {

/// 256 bytes as "<0x00>" …, "<s>" 256 and "</s>" 257: texts become bytes.
std::string byte_fallback_tokenizer() {
    app::json vocab = app::json::object();
    constexpr std::string_view digits = "0123456789ABCDEF";
    for (std::size_t byte = 0; byte < 256; ++byte) {
        const std::string name =
            std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">";
        vocab[name] = byte;
    }
    const auto special = [](int id, const char* text) {
        return app::json{{"id", id}, {"content", text}, {"special", true}};
    };
    return app::json{{"version", "1.0"},
                     {"added_tokens", {special(256, "<s>"), special(257, "</s>")}},
                     {"model",
                      {{"type", "BPE"},
                       {"byte_fallback", true},
                       {"vocab", vocab},
                       {"merges", app::json::array()}}}}
        .dump();
}

/// A run whose model has a tokenizer.
struct model_with_tokenizer : test::training_folder {
    model_with_tokenizer() {
        write("model/tokenizer.json", byte_fallback_tokenizer());
        write("model/tokenizer_config.json",
              R"({"tokenizer_class": "PreTrainedTokenizerFast",
                  "bos_token": "<s>", "eos_token": "</s>"})");
        write("model/chat_template.jinja", "{{ messages }}\n");
        write("model/generation_config.json", R"({"eos_token_id": 257})");
    }

    /// Trains for two steps and returns the line about the data.
    [[nodiscard]] std::string train(std::vector<std::string> more) const {
        std::vector<std::string> words = {"run.yaml", "max_steps=2"};
        words.insert(words.end(), more.begin(), more.end());
        const auto result = run(words);
        BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
        const auto begin = result.err.find("data: ");
        return result.err.substr(begin, result.err.find('\n', begin) - begin);
    }
};

std::string content(const test::training_folder& folder, const std::string& name) {
    return test::file_content(folder.path(name));
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_tokenizer_of_the_model_is_used_and_saved) {
    const model_with_tokenizer folder;
    const auto named = folder.train({"tokenizer_type=model", "output_dir=named"});
    BOOST_TEST(folder.train({"tokenizer_type=", "output_dir=unnamed"}) == named);
    BOOST_TEST(folder.train({"tokenizer_type=AutoTokenizer", "output_dir=auto",
                             "fsdp_config={state_dict_type: SHARDED_STATE_DICT}"}) ==
               named);
    BOOST_TEST(folder.run({"export", "auto", "whole"}).exit_code == 0);
    for (const std::string saved :
         {"unnamed/checkpoint-2/", "auto/checkpoint-2/", "whole/"}) {
        for (const std::string file : {"tokenizer.json", "tokenizer_config.json",
                                       "chat_template.jinja", "generation_config.json"}) {
            BOOST_TEST(
                (content(folder, saved + file) == content(folder, "model/" + file)),
                saved << file);
        }
    }
    BOOST_TEST(folder.train({"output_dir=bytes"}) != named);  // puts bos before a text
    BOOST_TEST(!fs::exists(folder.path("bytes/checkpoint-2/tokenizer.json")));
    BOOST_TEST(fs::exists(folder.path("bytes/checkpoint-2/generation_config.json")));
    fs::remove(folder.path("model/tokenizer.json"));
    check_refused(folder, {"run.yaml", "tokenizer_type="},
                  "has neither tokenizer.json nor tokenizer.model; set tokenizer_config");
}

BOOST_AUTO_TEST_CASE(added_tokens_make_the_model_larger) {
    const model_with_tokenizer folder;
    BOOST_TEST(folder.train({"tokenizer_type=", "output_dir=base"}) != "");
    fs::rename(folder.path("base/checkpoint-2"), folder.path("trained"));
    const std::vector<std::string> added = {
        "base_model=trained", "random_init_weights=false",
        "tokenizer_type=",    "special_tokens={pad_token: <pad>}",
        "tokens=[<x>, <y>]",  "resize_token_embeddings_to_32x=true"};
    const auto train = [&](std::vector<std::string> more) {
        more.insert(more.begin(), {"run.yaml"});
        more.insert(more.end(), added.begin(), added.end());
        return folder.run(more);
    };
    const auto straight = train({"max_steps=3"});
    BOOST_TEST_REQUIRE(straight.exit_code == 0, straight.err);
    BOOST_TEST(straight.err.find("vocabulary: 288 rows of embedding and head instead of "
                                 "259; the new ones are the mean of the old ones") !=
                   std::string::npos,
               straight.err);
    // Two processes, stopped and resumed: the same losses.
    BOOST_TEST(train({"output_dir=two", "max_steps=3", "save_steps=1", "dp_shard_size=2",
                      "gradient_accumulation_steps=2", "--processes", "2"})
                   .exit_code == 0);
    BOOST_TEST(test::loss_difference(folder.metrics("out"), folder.metrics("two")) <
               1e-6);
    fs::remove_all(folder.path("two/checkpoint-3"));
    const auto resumed = train({"output_dir=two", "max_steps=3", "--resume"});
    BOOST_TEST(resumed.exit_code == 0, resumed.err);
    BOOST_TEST(test::loss_difference(folder.metrics("out"), folder.metrics("two")) <
               1e-6);
    const auto saved =
        app::parse_json(content(folder, "two/checkpoint-3/config.json"), "config.json");
    BOOST_TEST(saved["vocab_size"] == 288);
    folder.write("lines.txt", "<x>a<pad>\n");
    const auto ids = folder.run({"tokenize", "two/checkpoint-3", "lines.txt"});
    BOOST_TEST(ids.out == "[259, 97, 258]\n", ids.err);
    // Another tokenizer, or another function of the model, is another run.
    const auto other = [&](const char* changed, const char* key) {
        const auto result = train({"output_dir=two", "max_steps=4", changed, "--resume"});
        BOOST_TEST(result.exit_code == 2, result.err);
        BOOST_TEST(result.err.find(key) != std::string::npos, result.err);
    };
    other("overrides_of_model_config={rope_theta: 20000.0}",
          "rope_theta was 10000.0 when");
    other("overrides_of_model_config={rms_norm_eps: 1.0e-4}",
          "rms_norm_eps was 1e-05 when");
}

BOOST_AUTO_TEST_CASE(an_own_head_of_a_tied_model_is_named) {
    const test::training_folder folder;
    BOOST_TEST(folder.run({"run.yaml", "max_steps=1"}).exit_code == 0);
    const auto tied =
        folder.run({"run.yaml", "base_model=out/checkpoint-1",
                    "random_init_weights=false", "max_steps=1", "output_dir=tied",
                    "overrides_of_model_config={tie_word_embeddings: true}"});
    BOOST_TEST(tied.exit_code == 0, tied.err);
    BOOST_TEST(tied.err.find("lm_head.weight is not used: config.json has "
                             "tie_word_embeddings: true, so model.embed_tokens.weight is "
                             "the head") != std::string::npos,
               tied.err);
    const auto untied =
        folder.run({"run.yaml", "base_model=out/checkpoint-1",
                    "random_init_weights=false", "max_steps=1", "output_dir=untied"});
    BOOST_TEST(untied.err.find("is not used") == std::string::npos, untied.err);
}

BOOST_AUTO_TEST_SUITE_END()
