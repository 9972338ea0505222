// SPDX-License-Identifier: Apache-2.0
// Rows of conversations and instructions as tokens and labels, compared with Axolotl's
// own (chat/masks.json, chat/instructions.json by chat/make_goldens.py).
#include <data/chat_encoder.hpp>
#include <data/chat_rows.hpp>
#include <data/dataset.hpp>
#include <data/instruction_rows.hpp>

#include <common/json.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(chat_rows_test)

using namespace packkit::train;
using packkit::app::json;
using train_test::error_of;
using ids = std::vector<std::int32_t>;

namespace {

const train_test::temporary_folder folder;
const byte_tokenizer bytes;

json golden(const char* name) {
    return packkit::app::read_json_file(std::string(PACKKIT_CHAT "/") + name);
}

/// One of the tokenizers of the goldens, with that bos and eos.
const tokenizer& tokenizer_of(const std::string& kind, const std::string& bos,
                              const std::string& eos) {
    static std::map<std::string, std::unique_ptr<const tokenizer>> all;
    auto& found = all[kind + bos + eos];
    if (!found) {
        const std::string path = folder / std::to_string(all.size());
        std::filesystem::create_directory(path);
        std::filesystem::copy_file(PACKKIT_CHAT "/" + kind + ".tokenizer.json",
                                   path + "/tokenizer.json");
        const json notes = {{"bos_token", bos}, {"eos_token", eos}};
        folder.write(std::to_string(all.size()) + "/tokenizer_config.json", notes.dump());
        found = load_tokenizer(path);
    }
    return *found;
}

train_on turn_end(const std::string& name) {
    for (const auto when :
         {train_on::turn, train_on::all, train_on::last, train_on::none}) {
        if (to_string(when) == name) return when;
    }
    BOOST_FAIL("no such setting: " + name);
    return train_on::turn;
}

train_config chat_config_of(const std::string& name, const json& settings) {
    train_config config;
    dataset_config data;
    data.path = "data.jsonl";
    data.type = dataset_type::chat_template;
    data.chat.chat_template = name;
    if (settings.contains("roles_to_train")) {
        data.chat.roles_to_train = settings["roles_to_train"];
    }
    data.chat.train_on_eos = turn_end(settings.value("train_on_eos", "turn"));
    data.chat.train_on_eot = data.chat.train_on_eos;
    config.train_on_inputs = settings.value("train_on_inputs", false);
    config.datasets.push_back(data);
    return config;
}

labelled_tokens sample_of(const train_config& config, const tokenizer& tokens,
                          const json& row) {
    chat_reader reader(config.datasets[0], config, tokens);
    labelled_tokens sample;
    reader.read("data.jsonl:1", row, sample);
    return sample;
}

std::string marks(const labelled_tokens& sample) {
    std::string text;
    for (const std::int32_t label : sample.labels)
        text += label == ignored_label ? '0' : '1';
    return text;
}

/// Text of the targets, with bos and eos as ^ and $, others as dots.
std::string targets(const labelled_tokens& sample) {
    BOOST_REQUIRE(sample.ids.size() == sample.labels.size());
    std::string text;
    for (std::size_t i = 0; i < sample.ids.size(); ++i) {
        const std::int32_t id = sample.ids[i];
        if (sample.labels[i] == ignored_label) {
            text += '.';
        } else {
            BOOST_TEST(sample.labels[i] == id);
            text += id == 256 ? '^' : id == 257 ? '$' : static_cast<char>(id);
        }
    }
    return text;
}

std::string row_error(const train_config& config, const std::string& row) {
    return error_of(folder, [&] { sample_of(config, bytes, json::parse(row)); });
}

}  // namespace

BOOST_AUTO_TEST_CASE(masks_are_those_of_axolotl) {
    const json all = golden("masks.json");
    const json templates = golden("templates.json");
    std::size_t masks = 0;
    for (const json& each : all["cases"]) {
        const std::string name = each["template"];
        const json& family = templates["families"][name];
        const tokenizer& tokens =
            tokenizer_of(family["tokenizer"], family["bos"], family["eos"]);
        const std::size_t number = each["conversation"];
        const json row = {{"messages", templates["conversations"][number]}};
        for (const json& trained : each["trained"]) {
            const std::size_t setting = trained[0];
            const auto config = chat_config_of(name, all["settings"][setting]);
            const labelled_tokens sample = sample_of(config, tokens, row);
            const std::string what = name + ", conversation " + std::to_string(number) +
                                     ", " + all["settings"][setting].dump();
            BOOST_CHECK_MESSAGE(sample.ids == each["ids"].get<ids>(), "ids of " + what);
            BOOST_CHECK_MESSAGE(
                marks(sample) == trained[1].get<std::string>(),
                what + "\n" + marks(sample) + "\n" + trained[1].get<std::string>());
            ++masks;
        }
    }
    BOOST_TEST(masks >= 1000u);
}

BOOST_AUTO_TEST_CASE(instructions_are_those_of_axolotl) {
    const json all = golden("instructions.json");
    const tokenizer& tokens = tokenizer_of("bytes", "<s>", "</s>");
    std::size_t cases = 0;
    for (const json& each : all["cases"]) {
        const json& row = each["row"];
        labelled_tokens sample;
        if (each["type"] == "alpaca") {
            BOOST_TEST(texts_of_row("here", row, alpaca_format()).prompt ==
                       each["prompt"].get<std::string>());
            read_instruction("here", row, alpaca_format(), tokens,
                             each["train_on_inputs"], sample);
        } else {
            read_segments("here", row, tokens, each["train_on_inputs"], sample);
        }
        BOOST_CHECK_MESSAGE(sample.ids == each["ids"].get<ids>(), row.dump());
        BOOST_CHECK_MESSAGE(sample.labels == each["labels"].get<ids>(), row.dump());
        ++cases;
    }
    BOOST_TEST(cases == 16u);
}

BOOST_AUTO_TEST_CASE(bos_and_eos_without_a_text) {
    const auto config = chat_config_of("mistral_v1", json::object());
    const json row = {{"messages",
                       {{{"role", "user"}, {"content", "a"}},
                        {{"role", "assistant"}, {"content", "bc"}},
                        {{"role", "user"}, {"content", "d"}},
                        {{"role", "assistant"}, {"content", ""}}}}};
    const auto sample = sample_of(config, bytes, row);
    BOOST_TEST(sample.ids.front() == 256);
    BOOST_TEST(std::count(sample.ids.begin(), sample.ids.end(), 257) == 2);
    // The empty answer's end is trained.
    BOOST_TEST(targets(sample) ==
               std::string(19, '.') + "bc$" + std::string(18, '.') + "$");
}

BOOST_AUTO_TEST_CASE(tokens_across_an_end_belong_to_the_content) {
    // "a" to "d", "ab" and "cd": of "abcd" the span of "bc" takes both tokens.
    const char* const json_text = R"({"version": "1.0",
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "d": 3, "ab": 4,
                  "cd": 5}, "merges": ["a b", "c d"]}})";
    const auto tokens = packkit::app::parse_tokenizer_json(json_text, "test");
    chat_encoder encoder(*tokens);
    rendered_chat chat;
    chat.text = "abcd";
    BOOST_CHECK(encoder.encode(chat) == (ids{4, 5}));
    BOOST_CHECK(encoder.tokens_of({1, 3}) == (token_span{0, 2}));
    BOOST_CHECK(encoder.tokens_of({0, 2}) == (token_span{0, 1}));
    BOOST_CHECK(encoder.tokens_of({2, 4}) == (token_span{1, 2}));
    BOOST_CHECK(encoder.tokens_of({2, 3}) == (token_span{1, 2}));
    BOOST_CHECK(encoder.tokens_of({2, 2}) == (token_span{1, 1}));
    BOOST_CHECK(encoder.tokens_of({0, 4}) == (token_span{0, 2}));
}

BOOST_AUTO_TEST_CASE(where_messages_are) {
    auto config = chat_config_of("chatml", json::object());
    chat_config& chat = config.datasets[0].chat;
    chat.field_messages = "data.conversations";
    chat.field_role = "from";
    chat.field_content = "value";
    const json row = json::parse(
        R"({"system": "s", "data": {"conversations": [{"from": "human", "value": "q"},
            {"from": "gpt", "value": [{"type": "text", "text": "a"}, {"text": "b"}]}]}})");
    const std::string system = "<|im_start|>system\ns<|im_end|>\n";
    const std::string rest =
        "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\nab<|im_end|>\n";
    auto sample = sample_of(config, bytes, row);
    BOOST_TEST(byte_tokenizer::decode(sample.ids) == system + rest);
    BOOST_TEST(targets(sample).find_first_not_of('.') ==
               system.size() + rest.find("ab<"));
    BOOST_TEST(std::count(sample.labels.begin(), sample.labels.end(), ignored_label) ==
               static_cast<std::ptrdiff_t>(sample.ids.size()) - 2);
    chat.drop_system_message = true;
    sample = sample_of(config, bytes, row);
    BOOST_TEST(byte_tokenizer::decode(sample.ids) == rest);
    chat.roles = {{"human", "assistant"}, {"gpt", "user"}};
    sample = sample_of(config, bytes, row);
    BOOST_TEST(byte_tokenizer::decode(sample.ids) ==
               "<|im_start|>assistant\nq<|im_end|>\n<|im_start|>user\nab<|im_end|>\n");
}

BOOST_AUTO_TEST_CASE(messages_that_say_whether_they_are_trained) {
    auto config = chat_config_of("mistral_v3_tekken", json::object());
    config.datasets[0].chat.message_field_training = "train";
    const auto row = [](const char* first, const char* second) {
        return json::parse(
            std::string(R"({"messages": [{"role": "user", "content": "q", "train": )") +
            first + R"(}, {"role": "assistant", "content": "a", "train": )" + second +
            "}]}");
    };
    BOOST_TEST(targets(sample_of(config, bytes, row("null", "null"))) ==
               std::string(15, '.') + "a$");
    BOOST_TEST(targets(sample_of(config, bytes, row("true", "false"))) ==
               std::string(7, '.') + "q" + std::string(9, '.'));
    BOOST_TEST(targets(sample_of(config, bytes, row("1", "0"))) ==
               std::string(7, '.') + "q" + std::string(9, '.'));
    BOOST_TEST(targets(sample_of(config, bytes, row("1.0", "0.0"))) ==
               std::string(7, '.') + "q" + std::string(9, '.'));
    BOOST_TEST(
        row_error(config, row("0.5", "true").dump()) ==
        "data.jsonl:1: messages[0]: key 'train' holds 0.5; expected true or false, "
        "or 1 or 0: weights between are not supported");
    BOOST_TEST(row_error(config, row("\"yes\"", "true").dump()) ==
               "data.jsonl:1: messages[0]: key 'train' holds a string; expected true or "
               "false");
}

BOOST_AUTO_TEST_CASE(parts_and_characters_that_are_not_trained) {
    auto config = chat_config_of("mistral_v3_tekken", json::object());
    const auto targets_of = [&](const std::string& answer) {
        return targets(
            sample_of(config, bytes,
                      json::parse(R"({"messages": [{"role": "user", "content": "q"},
                           {"role": "assistant", )" +
                                  answer + "}]}")));
    };
    const std::string prompt(15, '.');
    BOOST_TEST(
        targets_of(R"("content": [{"type": "text", "text": "ab"}, {"text": "c"}])") ==
        prompt + "abc$");
    BOOST_TEST(
        targets_of(R"("content": [{"text": "ab", "weight": 0}, {"value": "c"}])") ==
        prompt + "..c$");
    BOOST_TEST(targets_of(R"("content": [{"text": "a"}, {"text": "b", "train": false},
                             {"content": "c", "train": true, "weight": null}])") ==
               prompt + "a.c$");
    // "é" is two bytes, and one character.
    config.datasets[0].chat.message_field_training_detail = "detail";
    BOOST_TEST(targets_of("\"content\": \"\u00e9bcd\", \"detail\": "
                          "[{\"begin_offset\": 0, \"end_offset\": 0, \"train\": false}, "
                          "{\"begin_offset\": 1, \"end_offset\": 2, \"train\": true}]") ==
               prompt + "..bc.$");
    BOOST_TEST(row_error(config, R"({"messages": [{"role": "assistant", "content": "ab",
                   "detail": [{"begin_offset": 0, "end_offset": 2, "train": true}]}]})") ==
               "data.jsonl:1: messages[0]: detail[0]: end_offset is no character of the "
               "content, which has 2");
    BOOST_TEST(row_error(config, R"({"messages": [{"role": "assistant", "content": "ab",
                   "detail": [{"begin_offset": 1, "end_offset": 0, "train": true}]}]})") ==
               "data.jsonl:1: messages[0]: detail[0]: begin_offset is behind end_offset");
}

BOOST_AUTO_TEST_CASE(messages_as_json_text) {
    const auto config = chat_config_of("chatml", json::object());
    const json row = json::parse(R"({"messages": [{"role": "user", "content": "q"},
                                                  {"role": "assistant", "content": "a"}]})");
    const labelled_tokens list = sample_of(config, bytes, row);
    const labelled_tokens text =
        sample_of(config, bytes, {{"messages", row["messages"].dump()}});
    BOOST_TEST(text.ids == list.ids, boost::test_tools::per_element());
    BOOST_TEST(text.labels == list.labels, boost::test_tools::per_element());
    BOOST_TEST(row_error(config, R"({"messages": "{}"})") ==
               "data.jsonl:1: key 'messages' holds an object; expected an array of "
               "messages");
    BOOST_TEST(row_error(config, R"({"messages": [], "tools": [{}]})") ==
               "data.jsonl:1: key 'tools' is not supported: templates show texts alone; "
               "leave the key out to train without it");
}

BOOST_AUTO_TEST_CASE(turns_that_end_otherwise) {
    const tokenizer& tokens = tokenizer_of("blanks", "<bos>", "<eos>");
    auto config = chat_config_of("gemma", json::object());
    const json row = json::parse(
        R"({"messages": [{"role": "user", "content": "q"},
                         {"role": "assistant", "content": "a"}]})");
    const auto end = tokens.encode("<end_of_turn>");
    BOOST_REQUIRE(end.size() == 1u);
    const auto trained = [&](const labelled_tokens& sample) {
        return std::count(sample.labels.begin(), sample.labels.end(), end[0]);
    };
    BOOST_TEST(trained(sample_of(config, tokens, row)) == 0);
    config.eot_tokens = {"<end_of_turn>"};
    BOOST_TEST(trained(sample_of(config, tokens, row)) == 1);
    config.datasets[0].chat.train_on_eot = train_on::all;
    BOOST_TEST(trained(sample_of(config, tokens, row)) == 2);
    config.datasets[0].chat.train_on_eot = train_on::none;
    BOOST_TEST(trained(sample_of(config, tokens, row)) == 0);
    config.eot_tokens = {"<eos>"};
    BOOST_TEST(error_of(folder, [&] { sample_of(config, tokens, row); }) ==
               "data.jsonl: train_on_eot: none contradicts train_on_eos: turn: eos is "
               "among the eot_tokens");
    config.eot_tokens = {"<end>"};
    BOOST_TEST(row_error(config, row.dump()) ==
               "data.jsonl: eot_tokens: '<end>' is 5 tokens of the tokenizer 'bytes'; "
               "expected 1");
}

BOOST_AUTO_TEST_CASE(wrong_conversations) {
    const auto config = chat_config_of("llama3", json::object());
    const std::string at = "data.jsonl:1: ";
    BOOST_TEST(row_error(config, "{}") == at + "key 'messages' is missing");
    BOOST_TEST(row_error(config, R"({"messages": "x"})")
                   .starts_with(at + "messages: not valid JSON"));
    BOOST_TEST(row_error(config, R"({"messages": []})") ==
               at + "key 'messages' holds no message");
    BOOST_TEST(row_error(config, R"({"messages": [3]})") ==
               at + "messages[0]: expected an object, found a number");
    BOOST_TEST(row_error(config, R"({"messages": [{"content": "x"}]})") ==
               at + "messages[0]: key 'role' is missing");
    BOOST_TEST(row_error(config, R"({"messages": [{"role": "user"}]})") ==
               at + "messages[0]: key 'content' is missing");
    BOOST_TEST(
        row_error(config, R"({"messages": [{"role": "user", "content": null}]})") ==
        at + "messages[0]: key 'content' holds null; expected a string");
    BOOST_TEST(row_error(config, R"({"messages": [{"role": 1, "content": "x"}]})") ==
               at + "messages[0]: key 'role' holds a number; expected a string");
    BOOST_TEST(row_error(config, R"({"messages": [{"role": "tool", "content": "x"}]})") ==
               at + "messages[0]: role 'tool' is not supported; expected one of system, "
                    "user, assistant");
    BOOST_TEST(row_error(config, R"({"messages": [{"role": "user", "content": "x"},
                   {"role": "assistant", "content": "", "tool_calls": [{}]}]})") ==
               at + "messages[1]: key 'tool_calls' is not supported");
    BOOST_TEST(row_error(config, R"({"messages": [{"role": "user",
                   "content": [{"type": "image"}]}]})") ==
               at + "messages[0]: content[0]: is not supported; expected {\"type\": "
                    "\"text\", \"text\": ...}");
    BOOST_TEST(row_error(config, R"({"system": 5, "messages": [{"role": "user",
                   "content": "x"}]})") ==
               at + "key 'system' holds a number; expected a string");
}

BOOST_AUTO_TEST_CASE(datasets_of_each_type) {
    train_config config;
    dataset_config data;
    data.path = folder.write(
        "a.jsonl", "{\"instruction\":\"i\",\"input\":\"n\",\"output\":\"out\"}\n");
    data.type = dataset_type::alpaca;
    config.datasets.push_back(data);
    data.path = folder.write("s.jsonl",
                             "{\"segments\":[{\"label\":false,\"text\":\"q\"},"
                             "{\"label\":true,\"text\":\"a\"}]}\n{\"segments\":[]}\n");
    data.type = dataset_type::input_output;
    config.datasets.push_back(data);
    data.path = folder.write("c.jsonl",
                             "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},"
                             "{\"role\":\"assistant\",\"content\":\"ans\"}]}\n");
    data.type = dataset_type::chat_template;
    data.chat.chat_template = "mistral_v3_tekken";
    config.datasets.push_back(data);
    const auto store = read_datasets(config, bytes, 259);
    BOOST_TEST(store.size() == 3u);
    BOOST_TEST(store.report().rows == 4);
    BOOST_TEST(store.report().empty == 1);
    BOOST_TEST(store.valid_targets() == (std::vector<std::int64_t>{4, 1, 4}),
               boost::test_tools::per_element());
    BOOST_TEST(store.tokens(0).front() == 256);
    BOOST_TEST(store.tokens(0).back() == 257);
    BOOST_TEST(std::count(store.tokens(0).begin(), store.tokens(0).end(), 257) == 1);
    BOOST_TEST(error_of(folder, [&] { read_datasets(config, bytes, 258); }) ==
               "a.jsonl: the tokenizer 'bytes' has 259 ids, the model's vocabulary 258");
}

namespace {

/// A sample put together from the texts between bos and eos, each encoded as one: of each
/// the beginning that is no target, the answer, and what is behind it.
class expected_sample {
public:
    explicit expected_sample(const tokenizer& tokens) : tokens_(tokens) {}

    expected_sample& special(std::int32_t id, bool trained) {
        sample_.ids.push_back(id);
        sample_.label_rest(trained);
        return *this;
    }
    expected_sample& text(const std::string& before, const std::string& answer,
                          const std::string& behind) {
        const ids all = tokens_.encode(before + answer + behind);
        const ids first = tokens_.encode(before);
        const ids both = tokens_.encode(before + answer);
        // The test is one only where the parts are whole tokens.
        BOOST_TEST_REQUIRE(std::equal(first.begin(), first.end(), all.begin()));
        BOOST_TEST_REQUIRE(std::equal(both.begin(), both.end(), all.begin()));
        for (std::size_t i = 0; i < all.size(); ++i) {
            sample_.ids.push_back(all[i]);
            sample_.label_rest(i >= first.size() && i < both.size());
        }
        return *this;
    }
    [[nodiscard]] const labelled_tokens& get() const { return sample_; }

private:
    const tokenizer& tokens_;
    labelled_tokens sample_;
};

void check_equal(const labelled_tokens& ours, const labelled_tokens& expected) {
    BOOST_TEST(ours.ids == expected.ids, boost::test_tools::per_element());
    BOOST_TEST(ours.labels == expected.labels, boost::test_tools::per_element());
}

}  // namespace

BOOST_AUTO_TEST_CASE(sentence_piece_models) {
    // Their bos and eos are ids without a text; a word takes the blank before it.
    for (const char* name : {"sentence_piece_bpe", "sentence_piece_unigram"}) {
        const auto tokens =
            load_tokenizer(std::string(PACKKIT_TOKENIZERS "/") + name + ".model");
        const auto special = tokens->specials();
        BOOST_REQUIRE(special.bos && special.eos);
        const std::int32_t bos = *special.bos, eos = *special.eos;
        const json row = json::parse(R"({"messages": [
            {"role": "user", "content": "What is the size?"},
            {"role": "assistant", "content": "Größe 1,80 m, 四."},
            {"role": "user", "content": "And now?"},
            {"role": "assistant", "content": "the same"}]})");
        const std::string first = "[INST] What is the size? [/INST]";
        const std::string second = "[INST] And now? [/INST]";
        const std::string one = " Größe 1,80 m, 四.", two = " the same";

        check_equal(sample_of(chat_config_of("llama2", json::object()), *tokens, row),
                    expected_sample(*tokens)
                        .special(bos, false)
                        .text(first, one, " ")
                        .special(eos, true)
                        .special(bos, false)
                        .text(second, two, " ")
                        .special(eos, true)
                        .get());
        check_equal(sample_of(chat_config_of("mistral_v1", {{"train_on_eos", "last"}}),
                              *tokens, row),
                    expected_sample(*tokens)
                        .special(bos, false)
                        .text(" [INST] What is the size? [/INST]", one, "")
                        .special(eos, false)
                        .text(" [INST] And now? [/INST]", two, "")
                        .special(eos, true)
                        .get());
        // Here no eos stands, and "<|im_end|>" is no token of the model.
        json exchange = row;
        exchange["messages"].erase(3);
        exchange["messages"].erase(2);
        check_equal(
            sample_of(chat_config_of("chatml", json::object()), *tokens, exchange),
            expected_sample(*tokens)
                .text("<|im_start|>user\nWhat is the size?<|im_end|>\n"
                      "<|im_start|>assistant\n",
                      "Größe 1,80 m, 四.", "<|im_end|>\n")
                .get());
    }
}

BOOST_AUTO_TEST_SUITE_END()
