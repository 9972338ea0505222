// SPDX-License-Identifier: Apache-2.0
#include "common/tokenizer.hpp"
#include "common/errors.hpp"
#include "common/input_file.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

BOOST_AUTO_TEST_SUITE(tokenizer_test)

using namespace packkit::app;
using ids = std::vector<std::int32_t>;
namespace fs = std::filesystem;

namespace {

const std::string golden = PACKKIT_TOKENIZERS "/";

std::vector<std::string> lines_of(const std::string& path) {
    std::vector<std::string> lines;
    std::istringstream text(read_file(path));
    for (std::string line; std::getline(text, line);)
        lines.push_back(line);
    return lines;
}

ids ids_of(const std::string& line) {
    std::istringstream text(line);
    return {std::istream_iterator<std::int32_t>(text),
            std::istream_iterator<std::int32_t>()};
}

template <class Body>
std::string error_of(Body body) {
    try {
        body();
    } catch (const input_error& fault) { return fault.what(); }
    return "no error";
}

/// A folder of its own that goes away.
struct temporary_folder {
    fs::path path = fs::temp_directory_path() /
                    ("packkit_tokenizer_test_" + std::to_string(::getpid()));
    temporary_folder() { fs::create_directories(path); }
    ~temporary_folder() { fs::remove_all(path); }
    void write(const std::string& name, std::string_view content) const {
        std::ofstream(path / name, std::ios::binary) << content;
    }
};

/// A tokenizer of the words a to d with further keys, as in "\"normalizer\": ...".
std::string words_with(const std::string& more) {
    return R"({"version": "1.0", "model": {"type": "WordLevel", "unk_token": "a", )"
           R"("vocab": {"a": 0, "b": 1, "c": 2, "d": 3}})" +
           (more.empty() ? "" : ", " + more) + "}";
}

ids encode_words(const std::string& more, std::string_view text,
                 bool add_special = false) {
    return parse_tokenizer_json(words_with(more), "t.json")->encode(text, add_special);
}

std::string words_error(const std::string& more) {
    return error_of([&] { static_cast<void>(encode_words(more, "")); });
}

}  // namespace

constexpr std::array files = {"byte_level_gpt2.json",     "byte_level_llama3.json",
                              "byte_level_qwen2.json",    "characters_llama2.json",
                              "word_piece_bert.json",     "unigram_metaspace.json",
                              "sentence_piece_bpe.model", "sentence_piece_unigram.model"};

// The ids of make_tokenizers.py, by the reference libraries.
BOOST_DATA_TEST_CASE(ids_of_the_reference, boost::unit_test::data::make(files), file) {
    const auto tokens = load_tokenizer(golden + file);
    const auto lines = lines_of(golden + "lines.txt");
    const auto expected = lines_of(golden + fs::path(file).stem().string() + ".ids");
    BOOST_REQUIRE(lines.size() > 150u);
    BOOST_REQUIRE(lines.size() == expected.size());
    std::size_t differing = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const ids found = tokens->encode(lines[i], i % 2 == 1);
        if (found != ids_of(expected[i])) {
            BOOST_TEST_MESSAGE("line " << i + 1 << ": " << escaped(lines[i]));
            ++differing;
        }
        for (const std::int32_t id : found)
            BOOST_REQUIRE((id >= 0 && id < tokens->vocabulary_size()));
    }
    BOOST_TEST(differing == 0u);
}

BOOST_AUTO_TEST_CASE(several_threads_at_once) {
    const auto tokens = load_tokenizer(golden + "byte_level_llama3.json");
    const auto lines = lines_of(golden + "lines.txt");
    std::vector<ids> expected;
    for (const auto& line : lines)
        expected.push_back(tokens->encode(line));
    std::array<bool, 4> same{};
    std::vector<std::thread> threads;
    for (bool& result : same) {
        threads.emplace_back([&] {
            result = true;
            for (std::size_t i = 0; i < lines.size(); ++i)
                result = tokens->encode(lines[i]) == expected[i] && result;
        });
    }
    for (auto& thread : threads)
        thread.join();
    for (const bool result : same)
        BOOST_TEST(result);
}

BOOST_AUTO_TEST_CASE(long_words_merge_like_short_ones) {
    // Above the length at which the heap takes over, and beyond the cache of words.
    const auto tokens = parse_tokenizer_json(
        R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "abab": 3, "ba": 4},
            "merges": ["a b", "ab ab", "b a"]}})",
        "t.json");
    for (std::size_t pairs = 1; pairs < 200; ++pairs) {
        std::string text;
        for (std::size_t i = 0; i < pairs; ++i)
            text += "ab";
        ids expected(pairs / 2, 3);
        if (pairs % 2 == 1) expected.push_back(2);
        BOOST_TEST(tokens->encode(text) == expected, boost::test_tools::per_element());
        expected.insert(expected.begin(), 1);
        BOOST_TEST(tokens->encode("b" + text) == expected,
                   boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_CASE(text_that_is_no_utf8) {
    for (const char* const file : {"byte_level_gpt2.json", "sentence_piece_bpe.model"}) {
        const auto tokens = load_tokenizer(golden + file);
        BOOST_TEST(error_of([&] { static_cast<void>(tokens->encode("ab\xC3")); }) ==
                   "byte 2: '\\xc3' is not UTF-8");
        BOOST_TEST(error_of([&] { static_cast<void>(tokens->encode("\xED\xA0\x80")); }) ==
                   "byte 0: '\\xed' is not UTF-8");
    }
}

BOOST_AUTO_TEST_CASE(bytes) {
    const auto tokens = load_tokenizer("bytes");
    BOOST_TEST(tokens->name() == "bytes");
    BOOST_TEST(tokens->vocabulary_size() == 259);
    BOOST_TEST(tokens->encode("a\xC3\xFF") == (ids{97, 195, 255}),
               boost::test_tools::per_element());
    BOOST_TEST(tokens->encode("", true) == (ids{256, 257}),
               boost::test_tools::per_element());
    std::string all;
    for (int byte = 0; byte < 256; ++byte)
        all += static_cast<char>(byte);
    BOOST_TEST(byte_tokenizer::decode(tokens->encode(all, true)) == all);
    BOOST_TEST(error_of([] { static_cast<void>(byte_tokenizer::decode(ids{0, 259})); }) ==
               "token 1: id 259, the vocabulary has 259");
}

BOOST_AUTO_TEST_CASE(files_and_folders) {
    const temporary_folder folder;
    const auto error = [&](const std::string& name) {
        std::string what = error_of([&] { static_cast<void>(load_tokenizer(name)); });
        const std::string prefix = folder.path.string() + "/";
        for (auto at = what.find(prefix); at != std::string::npos; at = what.find(prefix))
            what.erase(at, prefix.size());
        return what;
    };
    const std::string in = folder.path.string() + "/";
    BOOST_TEST(
        error(folder.path.string())
            .ends_with(": the folder has neither tokenizer.json nor tokenizer.model"));
    folder.write("tokenizer.model", "no model");
    BOOST_TEST(error(folder.path.string())
                   .starts_with("tokenizer.model: is no SentencePiece model"));
    folder.write("tokenizer.json", words_with(""));
    const auto tokens = load_tokenizer(folder.path.string());
    BOOST_TEST(tokens->name() == folder.path.string());
    BOOST_TEST(tokens->encode("c") == (ids{2}), boost::test_tools::per_element());
    BOOST_TEST(!tokens->specials().eos.has_value());

    folder.write("special_tokens_map.json", R"({"eos_token": "b", "pad_token": "d"})");
    folder.write("tokenizer_config.json",
                 R"({"eos_token": {"content": "c"}, "bos_token": null})");
    // As Transformers 5.24 opens the same folders: special_tokens_map.json counts first,
    // and not at all where tokenizer_config.json lists the added tokens.
    const auto specials = load_tokenizer(in + "tokenizer.json")->specials();
    BOOST_TEST(!specials.bos.has_value());
    BOOST_TEST(specials.eos.value() == 1);
    BOOST_TEST(specials.pad.value() == 3);
    folder.write("tokenizer_config.json",
                 R"({"eos_token": {"content": "c"}, "added_tokens_decoder": {}})");
    const auto listed = load_tokenizer(in + "tokenizer.json")->specials();
    BOOST_TEST(listed.eos.value() == 2);
    BOOST_TEST(!listed.pad.has_value());
    folder.write("tokenizer_config.json", R"({"bos_token": "x"})");
    BOOST_TEST(error(in + "tokenizer.json") ==
               "tokenizer_config.json: bos_token: token 'x' is not in the vocabulary");
    folder.write("tokenizer_config.json", R"({"bos_token": 1})");
    BOOST_TEST(error(in + "tokenizer.json") ==
               "tokenizer_config.json:1: bos_token: expected a string, found 1");

    BOOST_TEST(error("byte") ==
               "byte: there is no such tokenizer; expected bytes, a tokenizer.json or "
               ".model file, or a folder with one; did you mean 'bytes'?");
    folder.write("words.txt", "a");
    BOOST_TEST(error(in + "words.txt") ==
               "words.txt: is no tokenizer; expected a .json or .model file");
    folder.write("tokenizer_config.json", "{}");
    folder.write("t.json", "{");
    BOOST_TEST(error(in + "t.json").substr(0, 24) == "t.json:1: not valid JSON");
}

// What the library would follow beyond the end of the map.
BOOST_AUTO_TEST_CASE(damaged_character_maps_of_sentence_piece) {
    const std::string good = read_file(golden + "sentence_piece_unigram.model");
    const auto error = [&](const std::string& map) {
        std::string spec = "\x12" + std::string(1, static_cast<char>(map.size())) + map;
        spec = "\x1A" + std::string(1, static_cast<char>(spec.size())) + spec;
        return error_of(
            [&] { static_cast<void>(parse_sentence_piece(good + spec, "t.model")); });
    };
    using namespace std::string_literals;
    const std::string prefix = "t.model: is no SentencePiece model: precompiled_charsmap";
    BOOST_TEST(error("abc") == prefix + " is cut short");
    BOOST_TEST(error("\4\0\0\0abcd"s) ==
               prefix + ": a double array of 4 bytes does not fit");
    BOOST_TEST(error("\4\0\0\0abcde"s) == prefix + " has no end");
    BOOST_TEST(error("\4\0\0\0\0\4\0\0\0"s) == prefix + ": element 0 leads to 1 of 1");
    BOOST_TEST(error("") == "no error");
}

// Each stands beside a good twin: the same with one thing mended.
BOOST_AUTO_TEST_CASE(files_that_are_refused) {
    BOOST_TEST(words_error("") == "no error");
    const auto whole = [](const std::string& text) {
        return error_of([&] { static_cast<void>(parse_tokenizer_json(text, "t.json")); });
    };
    BOOST_TEST(whole("[]") == "t.json:1: expected an object, found an array");
    BOOST_TEST(whole("{}") == "t.json:1: key 'model' is missing");
    BOOST_TEST(whole(R"({"version": "2.0"})") ==
               "t.json:1: version: expected \"1.0\", found '2.0'");
    const auto model = [&](const std::string& text) {
        return whole(R"({"model": {)" + text + "}}");
    };
    BOOST_TEST(model(R"("type": "BPEE", "vocab": {}, "merges": [])") ==
               "t.json:1: model.type: 'BPEE' is not known; expected one of BPE, Unigram, "
               "WordPiece, WordLevel; did you mean 'BPE'?");
    BOOST_TEST(
        model(R"("type": "BPE", "vocab": {"a": -1}, "merges": [])") ==
        "t.json:1: model.vocab: id of token 'a': expected 0 to 2147483646, found -1");
    BOOST_TEST(
        model(R"("type": "BPE", "vocab": {"a": 1.5}, "merges": [])") ==
        "t.json:1: model.vocab: id of token 'a': expected 0 to 2147483646, found 1.5");
    BOOST_TEST(model(R"("type": "BPE", "vocab": {"a": 1, "b": 1}, "merges": [])") ==
               "t.json:1: model.vocab: tokens 'a' and 'b' have the same id 1");
    BOOST_TEST(model(R"("type": "BPE", "vocab": {"a": 1, "a": 2}, "merges": [])") ==
               "t.json:1: key 'a' appears twice, first in line 1");
    BOOST_TEST(model(R"("type": "BPE", "vocab": {"a": 1}, "merges": ["a"])") ==
               "t.json:1: model.merges[0]: expected two tokens with one space between, "
               "found 'a'");
    BOOST_TEST(model(R"("type": "BPE", "vocab": {"a": 1}, "merges": [["a"]])") ==
               "t.json:1: model.merges[0]: expected \"a b\" or [\"a\", \"b\"], found an "
               "array");
    BOOST_TEST(model(R"("type": "BPE", "vocab": {"a": 1}, "merges": ["a b"])") ==
               "t.json:1: model.merges[0]: token 'b' is not in the vocabulary");
    BOOST_TEST(model(R"("type": "BPE", "vocab": {"a": 1}, "merges": ["a a"])") ==
               "t.json:1: model.merges[0]: token 'aa' is not in the vocabulary");
    BOOST_TEST(model(R"("type": "BPE", "vocab": {"a": 1, "aa": 2}, "merges": ["a a"])") ==
               "no error");
    BOOST_TEST(model(R"("type": "BPE", "vocab": {}, "merges": [], "unk_token": "u")") ==
               "t.json:1: model.unk_token: token 'u' is not in the vocabulary");
    BOOST_TEST(model(R"("type": "BPE", "vocab": {}, "merges": [], "dropout": 0.5)") ==
               "t.json:1: model.dropout: 0.5 is not supported: the ids would be random");
    BOOST_TEST(model(R"("type": "BPE", "vocab": {}, "merges": [], "dropout": 0)") ==
               "no error");
    BOOST_TEST(model(R"("type": "BPE", "vocab": {}, "merges": [], "fuse_unkn": true)") ==
               "t.json:1: model: key 'fuse_unkn' is not supported; did you mean "
               "'fuse_unk'?");
    BOOST_TEST(model(R"("type": "Unigram", "vocab": [["a", 0], ["b"]])") ==
               "t.json:1: model.vocab[1]: expected [\"token\", score], found an array");
    BOOST_TEST(model(R"("type": "Unigram", "vocab": [["a", 0]], "unk_id": 1)") ==
               "t.json:1: model.unk_id: 1 is not an id of the 1 tokens");

    BOOST_TEST(words_error(R"("normalizer": {"type": "Precompiled"})")
                   .starts_with("t.json:1: normalizer.type: 'Precompiled' is not known; "
                                "expected one of NFC, "));
    BOOST_TEST(words_error(R"("normalizer": {"type": "Sequence", "normalizers":
                              [{"type": "NFC"}, {"type": "Prepend"}]})") ==
               "t.json:2: normalizer.normalizers[1]: key 'prepend' is missing");
    BOOST_TEST(words_error(R"("pre_tokenizer": {"type": "Split", "pattern":
                              {"Regex": "(a"}, "behavior": "Isolated"})") ==
               "t.json:2: pre_tokenizer.pattern.Regex: regular expression '(a': end "
               "pattern with unmatched parenthesis");
    BOOST_TEST(
        words_error(R"("pre_tokenizer": {"type": "Split", "pattern":
                              {"String": "b"}, "behavior": "Isolate"})")
            .starts_with("t.json:2: pre_tokenizer.behavior: 'Isolate' is not known; "
                         "expected one of "));
    BOOST_TEST(words_error(R"("pre_tokenizer": {"type": "Digits"})") ==
               "t.json:1: pre_tokenizer: key 'individual_digits' is missing");
    BOOST_TEST(words_error(R"("added_tokens": [{"id": 9, "content": "x"}])") ==
               "t.json:1: added_tokens[0]: token 'x' has id 9, expected 4, the next one "
               "behind the vocabulary");
    BOOST_TEST(words_error(R"("added_tokens": [{"id": 4, "content": "x"}])") ==
               "no error");
    BOOST_TEST(
        words_error(R"("added_tokens": [{"id": 3, "content": "a"}])") ==
        "t.json:1: added_tokens[0]: token 'a' has id 3, in the vocabulary it is 0");
    BOOST_TEST(words_error(R"("post_processor": {"type": "TemplateProcessing",
                              "single": [{"SpecialToken": {"id": "x"}}],
                              "special_tokens": {}})") ==
               "t.json:2: post_processor.single[0].SpecialToken.id: 'x' is not in "
               "special_tokens");
    std::string deep;
    for (int i = 0; i < 40; ++i)
        deep += R"({"type": "Sequence", "normalizers": [)";
    BOOST_TEST(words_error("\"normalizer\": " + deep) ==
               "t.json:1: nested deeper than 64 levels");
}

BOOST_AUTO_TEST_CASE(regular_expressions_that_try_too_much) {
    const auto tokens =
        parse_tokenizer_json(words_with(R"("pre_tokenizer": {"type": "Split", "pattern":
                      {"Regex": "^(a|aa)+$"}, "behavior": "Isolated"})"),
                             "t.json");
    BOOST_CHECK_THROW(static_cast<void>(tokens->encode(std::string(200, 'a') + "c")),
                      std::runtime_error);
    BOOST_TEST(tokens->encode("c") == (ids{2}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_becomes_of_the_parts_of_a_split) {
    const auto split = [](const std::string& behavior, bool invert) {
        return encode_words(R"("pre_tokenizer": {"type": "Split", "pattern":
                               {"String": "b"}, "behavior": ")" +
                                behavior + R"(", "invert": )" +
                                (invert ? "true" : "false") + "}",
                            "cbbdbc");
    };
    // Pieces that are no word, like "bd", are 0.
    const auto check = [](const ids& found, const ids& expected) {
        BOOST_TEST(found == expected, boost::test_tools::per_element());
    };
    check(split("Isolated", false), {2, 1, 1, 3, 1, 2});
    check(split("Isolated", true), {2, 1, 1, 3, 1, 2});
    check(split("Removed", false), {2, 3, 2});
    check(split("Removed", true), {1, 1, 1});
    check(split("MergedWithPrevious", false), {0, 1, 0, 2});  // cb b db c
    check(split("MergedWithNext", false), {2, 1, 0, 0});      // c b bd bc
    check(split("Contiguous", false), {2, 0, 3, 1, 2});       // c bb d b c
}

BOOST_AUTO_TEST_CASE(added_tokens_in_the_text) {
    const auto found = [](const std::string& more, std::string_view text) {
        return encode_words(R"("pre_tokenizer": {"type": "WhitespaceSplit"},
            "added_tokens": [{"id": 4, "content": "xy")" +
                                more + R"(}, {"id": 5, "content": "xyx"}])",
                            text);
    };
    const auto check = [](const ids& result, const ids& expected) {
        BOOST_TEST(result == expected, boost::test_tools::per_element());
    };
    check(found("", "bxyd"), {1, 4, 3});
    check(found("", "xyxy b xyy"), {5, 0, 1, 4, 0});  // the longest of the leftmost
    check(found(R"(, "single_word": true)", "bxy xy,xy"), {0, 4, 0, 4});
    // "normalized" decides in which pass a token is found: <c> before the lower case.
    const auto lower = [](const std::string& normalized, std::string_view text) {
        return encode_words(R"("normalizer": {"type": "Lowercase"},
            "added_tokens": [{"id": 4, "content": "XY", "normalized": )" +
                                normalized + "}]",
                            text);
    };
    check(lower("true", "Bxy"), {1, 4});
    check(lower("false", "BXY"), {1, 4});
    check(lower("false", "xy"), {0});
}

BOOST_AUTO_TEST_SUITE_END()
