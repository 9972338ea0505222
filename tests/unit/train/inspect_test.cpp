// SPDX-License-Identifier: Apache-2.0
// packkit-train inspect: what files hold, and the corpora of the fuzz targets through it.
#include <checkpoint/element_sum.hpp>
#include <checkpoint/safetensors.hpp>
#include <commands/inspect.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <vector>

BOOST_AUTO_TEST_SUITE(inspect_test)

using namespace packkit;
using packkit::train::element_sum;
using packkit::train::inspect;
using train_test::error_of;
using train_test::file_content;
namespace fs = std::filesystem;

namespace {

const train_test::temporary_folder folder;

template <class T>
element_sum sum_of(std::string_view dtype, const std::vector<T>& elements) {
    element_sum sum;
    train::add_elements(dtype, std::as_bytes(std::span(elements)), sum);
    return sum;
}

/// All codes of one byte.
std::vector<std::uint8_t> all_codes() {
    std::vector<std::uint8_t> codes(256);
    for (std::size_t i = 0; i < 256; ++i)
        codes[i] = static_cast<std::uint8_t>(i);
    return codes;
}

double value_of_code(std::string_view dtype, std::uint8_t code) {
    return sum_of(dtype, std::vector{code}).value();
}

}  // namespace

BOOST_AUTO_TEST_CASE(sums_of_every_dtype) {
    using u16 = std::uint16_t;
    BOOST_TEST(sum_of("F32", std::vector{0.5F, -2.0F, 4.0F}).value() == 2.5);
    BOOST_TEST(sum_of("F64", std::vector{1e16, 1.0, -1e16}).value() == 1.0);
    BOOST_TEST(sum_of("I64", std::vector<std::int64_t>{-5, 9}).value() == 4.0);
    BOOST_TEST(
        sum_of("U64", std::vector{std::numeric_limits<std::uint64_t>::max()}).value() ==
        0x1p64);
    BOOST_TEST(sum_of("I8", std::vector<std::int8_t>{-128, 127}).value() == -1.0);
    BOOST_TEST(sum_of("U16", std::vector<u16>{65535, 1}).value() == 65536.0);
    BOOST_TEST(sum_of("BOOL", std::vector<std::uint8_t>{1, 0, 1}).value() == 2.0);
    BOOST_TEST(sum_of("C64", std::vector{1.0F, 2.0F}).value() == 3.0);
    // 1, the largest, the smallest: 65,504 and 2^-24 in half precision.
    BOOST_TEST(sum_of("F16", std::vector<u16>{0x3C00, 0x7BFF, 0x0001}).value() ==
               65505 + 0x1p-24);
    BOOST_TEST(sum_of("BF16", std::vector<u16>{0x3F80, 0xC000}).value() == -1.0);
    const auto odd = sum_of("F16", std::vector<u16>{0x7C00, 0xFC00, 0x7E00, 0x3C00});
    BOOST_TEST(odd.value() == 1.0);
    BOOST_TEST(odd.infinite() == 2);
    BOOST_TEST(odd.nan() == 1);
    BOOST_TEST(!train::has_element_sum("F6_E2M3"));
}

BOOST_AUTO_TEST_CASE(numbers_of_eight_and_four_bits) {
    // The largest, the smallest normal and the smallest number of each format, as the
    // OCP's specification of 8-bit formats and ml_dtypes have them.
    BOOST_TEST(value_of_code("F8_E4M3", 0x7E) == 448.0);
    BOOST_TEST(value_of_code("F8_E4M3", 0x08) == 0x1p-6);
    BOOST_TEST(value_of_code("F8_E4M3", 0x01) == 0x1p-9);
    BOOST_TEST(value_of_code("F8_E5M2", 0x7B) == 57344.0);
    BOOST_TEST(value_of_code("F8_E5M2", 0x81) == -0x1p-16);
    BOOST_TEST(value_of_code("F8_E4M3FNUZ", 0x7F) == 240.0);
    BOOST_TEST(value_of_code("F8_E5M2FNUZ", 0x7F) == 57344.0);
    BOOST_TEST(value_of_code("F8_E8M0", 128) == 2.0);
    BOOST_TEST(value_of_code("F4", 0x97) == 6.0 - 0.5);
    struct expected {
        std::string_view dtype;
        std::int64_t nan, infinite;
    };
    for (const auto& [dtype, nan, infinite] : {expected{"F8_E4M3", 2, 0},
                                               {"F8_E5M2", 6, 2},
                                               {"F8_E4M3FNUZ", 1, 0},
                                               {"F8_E5M2FNUZ", 1, 0}}) {
        const auto all = sum_of(dtype, all_codes());
        BOOST_TEST(all.nan() == nan, dtype);
        BOOST_TEST(all.infinite() == infinite, dtype);
        BOOST_TEST(all.value() == 0.0, dtype);  // every number has its negative
    }
    BOOST_TEST(sum_of("F8_E8M0", all_codes()).nan() == 1);
}

BOOST_AUTO_TEST_CASE(tensors_of_a_file) {
    const std::string path = (folder.path() / "two.safetensors").string();
    train::safetensors_writer writer(path, {{"b", "F32", {2, 2}}, {"n", "I32", {2}}});
    const std::vector<float> b = {1, 2, std::numeric_limits<float>::quiet_NaN(), 4};
    const std::vector<std::int32_t> n = {-3, 10};
    writer.write(std::as_bytes(std::span(b)));
    writer.write(std::as_bytes(std::span(n)));
    writer.finish();
    const auto found = inspect(path);
    BOOST_TEST(found["kind"] == "safetensors");
    BOOST_TEST(
        found["tensors"]["b"] ==
        app::ordered_json(
            {{"dtype", "F32"}, {"shape", {2, 2}}, {"sum", 7.0}, {"nan", 1}, {"inf", 0}}));
    BOOST_TEST(found["tensors"]["n"] ==
               app::ordered_json({{"dtype", "I32"}, {"shape", {2}}, {"sum", 7.0}}));
    BOOST_TEST(found["elements"] == 6);
    BOOST_TEST(found["not_finite"] == 1);
    const auto text = train::inspection_text(path, app::output_format::table);
    BOOST_TEST(text.find("[2, 2]") != std::string::npos, text);
    folder.write("cut.safetensors", file_content(path).substr(0, 40));
    BOOST_TEST(error_of(folder, [] {
                   (void)inspect((folder.path() / "cut.safetensors").string());
               }).starts_with("cut.safetensors: the header has"));
}

BOOST_AUTO_TEST_CASE(a_model_folder_and_one_whose_weights_are_of_another) {
    const fs::path model = folder.path() / "model";
    fs::copy(PACKKIT_GOLDEN "/llama_untied", model);
    const auto found = inspect(model.string());
    BOOST_TEST(found["kind"] == "model");
    BOOST_TEST(found["parameters"] == found["elements"]);
    BOOST_TEST(found["model_type"] == "llama");
    BOOST_TEST(!found.contains("tensors_not_of_the_model"));
    const auto config = file_content((model / "config.json").string());
    folder.write("model/config.json", train_test::replaced(config, "\"vocab_size\": 67",
                                                           "\"vocab_size\": 68"));
    BOOST_TEST(
        error_of(folder, [&] { (void)inspect(model.string()); }) ==
        "model: tensor 'model.embed_tokens.weight' has shape [67, 32], config.json "
        "asks for [68, 32]");
}

BOOST_AUTO_TEST_CASE(rows_and_their_keys) {
    const auto at = [](const char* name, std::string_view content) {
        return inspect(folder.write(name, content));
    };
    const auto rows = at("x.jsonl", "{\"a\": \"xy\"}\n\n{\"a\": null, \"b\": [1, 2]}\n");
    BOOST_TEST(rows["kind"] == "jsonl");
    BOOST_TEST(rows["rows"] == 2);
    BOOST_TEST(rows["columns"]["a"]["types"] ==
               app::ordered_json({{"null", 1}, {"string", 1}}));
    BOOST_TEST(rows["columns"]["b"]["elements"] == 2);
    // An object a line is also found under the name .json.
    BOOST_TEST(at("lines.json", "{\"a\": 1}\n{\"a\": 2}\n")["kind"] == "jsonl");
    BOOST_TEST(at("list.json", "[{\"a\": 1}, {\"a\": 2}]")["rows"] == 2);
    BOOST_TEST(at("x.txt", "a\n\nbcd\n")["rows"] == 3);
    BOOST_TEST(
        at("x.yaml", "base_model: m\n")["checked_by"].get<std::string>().starts_with(
            "packkit-train check "));
    BOOST_TEST(error_of(folder, [&] {
                   at("bad.jsonl", "{\"a\": 1}\n[1]\n");
               }).starts_with("bad.jsonl:2: "));
    BOOST_TEST(error_of(folder, [&] {
                   at("what.bin", "abc");
               }).starts_with("what.bin: is of no known kind; expected"));
}

namespace {

/// A corpus of a fuzz target, under the name that its inputs have in the programs, and
/// those of its files that are whole.
struct corpus {
    std::string folder;
    std::string name;
    std::set<std::string> good;
};

const corpus corpora[] = {
    // Numbers too large for lengths are numbers all the same.
    {"json_lengths", "x.json", {"bad", "huge", "plain"}},
    {"jsonl_rows", "x.jsonl", {"ids", "length", "text"}},
    {"model_config",
     "config.json",
     {"gemma2_transformers4", "gemma3", "gemma3_with_vision",
      "gemma3_with_vision_transformers4", "gpt2_transformers4", "gpt_neox",
      "gpt_neox_no_bias_transformers4", "llama_linear_transformers4", "llama_scaled",
      "mixtral_transformers4", "mpt", "mpt_transformers4", "qwen2_windows",
      "qwen3_moe_every_second"}},
    {"npy_lengths", "x.npy", {"big", "float", "int16", "int64", "two"}},
    {"parquet_rows", "x.parquet", {"coded", "ids", "lengths", "nulls", "text"}},
    {"sentence_piece", "x.model", {"bpe", "unigram"}},
    {"shard_index", "shards.index.json", {}},  // their files are not there
    {"text_lengths", "x.txt", {"bad", "crlf_bom", "plain"}},
    {"tokenizer_json",
     "tokenizer.json",
     {"alphabet_first", "bad_utf8_text", "bert", "clip", "gpt2", "llama2", "llama3",
      "slow_regex", "unigram", "word_level"}},
};

}  // namespace

BOOST_AUTO_TEST_CASE(every_reader_s_corpus) {
    for (const corpus& each : corpora) {
        std::set<std::string> found_good;
        for (const auto& entry :
             fs::directory_iterator(fs::path(PACKKIT_FUZZ_CORPUS) / each.folder)) {
            const auto name = entry.path().filename().string();
            std::string content = file_content(entry.path().string());
            // A tokenizer's input is followed by a text to encode.
            if (each.folder == "tokenizer_json")
                content = content.substr(0, content.find('\0'));
            const auto path = folder.write(each.name, content);
            const auto error = error_of(folder, [&] {
                (void)train::inspection_text(path, app::output_format::json);
            });
            if (error == "no error") {
                found_good.insert(name);
                continue;
            }
            // An index that is whole names files, which are not there.
            const bool of_file =
                each.folder == "shard_index" && error.starts_with("a: cannot be opened");
            BOOST_TEST((of_file || error.starts_with(each.name)), name << ": " << error);
            BOOST_TEST(error.find('\n') == std::string::npos, name << ": " << error);
            BOOST_TEST(error.size() < 600, name << ": " << error);
        }
        BOOST_TEST_CONTEXT(each.folder)
        BOOST_TEST(found_good == each.good, boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_CASE(every_cut_of_a_good_file_is_refused) {
    for (const auto& [name, content] :
         {std::pair<std::string, std::string>{
              "model.safetensors",
              file_content(PACKKIT_GOLDEN "/llama_untied/model.safetensors")},
          {"x.npy", file_content(PACKKIT_FUZZ_CORPUS "/npy_lengths/int64")},
          {"x.model", file_content(PACKKIT_FUZZ_CORPUS "/sentence_piece/bpe")}}) {
        for (std::size_t part = 0; part < 8; ++part) {
            const auto path =
                folder.write(name, content.substr(0, content.size() * part / 8));
            BOOST_TEST(error_of(folder, [&] { (void)inspect(path); }).starts_with(name),
                       name << " " << part);
        }
    }
}

BOOST_AUTO_TEST_CASE(numbers_of_a_million_digits_are_not_repeated) {
    const std::string digits(1000000, '7');
    const auto refused = [&](const char* name, const std::string& content) {
        const auto error =
            error_of(folder, [&] { (void)inspect(folder.write(name, content)); });
        BOOST_TEST(error.size() < 500, name << ": " << error.size() << " bytes");
    };
    refused("x.json", "[" + digits + "x]");
    refused("x.jsonl", "{\"a\": " + digits + "x}\n");
    refused("config.json",
            "{\"model_type\": \"llama\", \"hidden_size\": " + digits + "}");
    refused("tokenizer.json", "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": " +
                                  digits + "}, \"merges\": []}}");
    refused("shards.index.json",
            "{\"format\": \"packkit shards\", \"version\": " + digits + "}");
    std::string header = "{\"a\": {\"dtype\": \"F32\", \"shape\": [" + digits +
                         "], \"data_offsets\": [0, 4]}}";
    const std::uint64_t size = header.size();
    std::string file(8, '\0');
    std::memcpy(file.data(), &size, 8);
    refused("x.safetensors", file + header + "abcd");
    std::string npy =
        "{'descr': '<i8', 'fortran_order': False, 'shape': (" + digits + ",), }\n";
    std::string start = "\x93NUMPY";
    start += std::string("\x02\x00", 2);
    const auto length = static_cast<std::uint32_t>(npy.size());
    start.append(reinterpret_cast<const char*>(&length), 4);
    refused("x.npy", start + npy);
}

BOOST_AUTO_TEST_SUITE_END()
