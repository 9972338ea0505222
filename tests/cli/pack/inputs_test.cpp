// SPDX-License-Identifier: Apache-2.0
// Every kind of input, well-formed.
#include "pack_program.hpp"

BOOST_AUTO_TEST_SUITE(inputs_test)

using namespace pack_test;

namespace {

const std::vector<std::int64_t> lengths = {900, 3000, 1500, 2000, 700, 4096, 1};

/// What all kinds of input with these lengths must lead to.
void check_lengths(const json& report) {
    BOOST_TEST(report["samples"] == 7);
    BOOST_TEST(report["tokens"] == 12197);
    BOOST_TEST(report["lengths"]["min"] == 1);
    BOOST_TEST(report["lengths"]["max"] == 4096);
    BOOST_TEST(report["lengths"]["median"] == 1500.0);
    BOOST_TEST(report["skipped"]["overlong"] == 0);
    BOOST_TEST(report["skipped"]["empty"] == 0);
}

json pack_file(const std::string& name, const std::string& content,
               const std::string& more = "") {
    const temporary_folder folder;
    folder.write(name, content);
    return pack_json(folder, name + " --capacity 4096 " + more);
}

}  // namespace

BOOST_AUTO_TEST_CASE(text_with_a_length_a_line) {
    const std::string text = lines_of(lengths);
    check_lengths(pack_file("x.txt", text));
    check_lengths(pack_file("x.txt", text.substr(0, text.size() - 1)));
    check_lengths(pack_file("x.txt", "\xEF\xBB\xBF" + text + "\n \n"));
    std::string windows;
    for (const char c : text)
        windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
    check_lengths(pack_file("x.txt", windows));
    check_lengths(pack_file("x.txt", " 900\n3000\t\n1500 \n2000\n700\n4096\n001\n"));
}

BOOST_AUTO_TEST_CASE(standard_input) {
    process_options options;
    options.input = lines_of(lengths);
    const auto result = run_pack("- --capacity 4096 --format json", options);
    BOOST_TEST(result.exit_code == 0);
    check_lengths(json::parse(result.out));
}

BOOST_AUTO_TEST_CASE(large_standard_input) {
    process_options options;
    for (int i = 0; i < 300'000; ++i)
        options.input += std::to_string(i % 4096 + 1) + "\n";
    const auto result =
        run_pack("- --capacity 4096 --algorithm next_fit --format json", options);
    BOOST_TEST(json::parse(result.out)["samples"] == 300'000);
}

BOOST_AUTO_TEST_CASE(json_array) {
    check_lengths(pack_file("x.json", json(lengths).dump()));
    check_lengths(pack_file("x.json", json(lengths).dump(2) + "\n"));
}

BOOST_AUTO_TEST_CASE(npy_of_every_integer_type_order_and_version) {
    const auto as = [](auto zero) {
        std::vector<decltype(zero)> values;
        for (const std::int64_t length : lengths) {
            values.push_back(static_cast<decltype(zero)>(length));
        }
        return values;
    };
    for (const int version : {1, 2, 3}) {
        for (const bool big : {false, true}) {
            const std::string order = big ? ">" : "<";
            const auto check = [&](const auto& values, const std::string& type) {
                check_lengths(
                    pack_file("x.npy", npy_of(values, order + type, version, big)));
            };
            check(as(std::int16_t{}), "i2");
            check(as(std::uint16_t{}), "u2");
            check(as(std::int32_t{}), "i4");
            check(as(std::uint32_t{}), "u4");
            check(as(std::int64_t{}), "i8");
            check(as(std::uint64_t{}), "u8");
        }
    }
    const std::vector<std::int8_t> small = {1, 127, 50};
    BOOST_TEST(pack_file("x.npy", npy_of(small, "|i1"))["tokens"] == 178);
    const std::vector<std::uint8_t> bytes = {1, 255, 200};
    BOOST_TEST(pack_file("x.npy", npy_of(bytes, "|u1"))["tokens"] == 456);
}

BOOST_AUTO_TEST_CASE(npy_headers_as_other_writers_make_them) {
    const std::string data = npy_of(lengths, "<i8").substr(128);
    for (const char* header :
         {"{'descr': '<i8', 'fortran_order': True, 'shape': (7,), }",
          "{'shape': (7,), 'descr': '<i8', 'fortran_order': False}",
          "{\"descr\": \"<i8\",\n \"fortran_order\": False, \"shape\": (7,)}",
          "{'descr':'<i8','fortran_order':False,'shape':(7,),}"}) {
        check_lengths(pack_file("x.npy", npy_file(header, data)));
    }
}

BOOST_AUTO_TEST_CASE(jsonl_with_a_length_field) {
    std::string rows;
    std::string nested;
    std::string dotted;
    for (const std::int64_t length : lengths) {
        rows += json{{"n", length}, {"id", "x"}}.dump() + "\n";
        nested += json{{"meta", {{"size", {{"n", length}}}}}}.dump() + "\r\n";
        dotted += json{{"meta.n", length}}.dump() + "\n\n";
    }
    check_lengths(pack_file("x.jsonl", rows, "--length-field n"));
    check_lengths(pack_file("x.jsonl", nested, "--length-field meta.size.n"));
    check_lengths(pack_file("x.jsonl", dotted, "--length-field meta.n"));
}

BOOST_AUTO_TEST_CASE(jsonl_with_text_counts_bytes_and_two) {
    std::string rows;
    for (const std::int64_t length : lengths) {
        if (length < 3) continue;
        const auto text = static_cast<std::size_t>(length) - 2;
        rows += json{{"text", std::string(text, 'x')}}.dump() + "\n";
    }
    const json report = pack_file("x.jsonl", rows, "--text-field text --tokenizer bytes");
    BOOST_TEST(report["tokens"] == 12196);
    BOOST_TEST(report["lengths"]["max"] == 4096);
    // ä is two bytes, 😀 four, however it is written.
    BOOST_TEST(pack_file("x.jsonl",
                         "{\"t\": \"ä😀\"}\n{\"t\": \"\\u00e4\\ud83d\\ude00\"}",
                         "--text-field t --tokenizer bytes")["tokens"] == 16);
}

BOOST_AUTO_TEST_CASE(jsonl_with_text_counts_tokens_of_a_file) {
    const std::string rows =
        "{\"t\": \"Hello world\"}\n{\"t\": \"\"}\n{\"t\": \"a<s>b\"}\n";
    const std::string folder = PACKKIT_TOKENIZERS;
    // Ids of make_tokenizers.py's libraries, and those that the trainer puts around them:
    // bos and eos, or bos alone where the file names no eos.
    BOOST_TEST(pack_file("x.jsonl", rows,
                         "--text-field t --tokenizer " + folder +
                             "/byte_level_gpt2.json")["tokens"] == 11 + 5);
    BOOST_TEST(pack_file("x.jsonl", rows,
                         "--text-field t --tokenizer " + folder +
                             "/sentence_piece_bpe.model")["tokens"] == 12 + 8);
    BOOST_TEST(pack_file("x.jsonl", rows,
                         "--text-field t --tokenizer " + folder +
                             "/byte_level_llama3.json")["tokens"] == 10 + 4);
}

BOOST_AUTO_TEST_CASE(jsonl_with_several_texts_and_empty_ones) {
    const std::string rows =
        "{\"prompt\": \"abc\", \"answer\": \"de\"}\n"
        "{\"prompt\": \"\", \"answer\": \"\"}\n"
        "{\"prompt\": \"\", \"answer\": \"x\"}\n";
    const json report =
        pack_file("x.jsonl", rows, "--text-field prompt,answer --tokenizer bytes");
    BOOST_TEST(report["samples"] == 2);
    BOOST_TEST(report["skipped"]["empty"] == 1);
    BOOST_TEST(report["tokens"] == 7 + 3);
}

BOOST_AUTO_TEST_CASE(jsonl_with_ids) {
    std::string rows = "{\"input_ids\": []}\n";
    for (const std::int64_t length : lengths) {
        const std::vector<int> ids(static_cast<std::size_t>(length), 31999);
        rows += json{{"input_ids", ids}, {"labels", ids}}.dump() + "\n";
    }
    const json report = pack_file("x.jsonl", rows, "--vocab-size 32000");
    BOOST_TEST(report["tokens"] == 12197);
    BOOST_TEST(report["skipped"]["empty"] == 1);
    BOOST_TEST(pack_file("x.jsonl", rows)["tokens"] == 12197);
    BOOST_TEST(pack_file("x.jsonl", "{\"a\": {\"ids\": [0, 1]}}",
                         "--ids-field a.ids")["tokens"] == 2);
}

BOOST_AUTO_TEST_CASE(several_inputs_are_joined_in_order) {
    const temporary_folder folder;
    folder.write("a.txt", "900\n3000\n1500\n");
    folder.write("b.json", "[2000, 700]");
    folder.write("c.npy", npy_of(std::vector<std::int64_t>{4096, 1}, "<i8"));
    check_lengths(pack_json(folder, "a.txt b.json c.npy --capacity 4096"));
    // Sample indices count through: next fit keeps the order.
    pack_json(folder,
              "a.txt b.json c.npy --capacity 4096 --algorithm next_fit --bins bins");
    const std::vector<std::vector<std::uint32_t>> expected = {
        {0, 1}, {2, 3}, {4}, {5}, {6}};
    BOOST_TEST((bins_of(folder / "bins") == expected));
}

BOOST_AUTO_TEST_CASE(indices_count_empty_and_overlong_samples) {
    const temporary_folder folder;
    folder.write(
        "x.jsonl",
        "{\"input_ids\": []}\n{\"input_ids\": [1]}\n{\"input_ids\": [1,2,3,4,5]}\n"
        "{\"input_ids\": []}\n{\"input_ids\": [1,2]}\n");
    const json report =
        pack_json(folder, "x.jsonl --capacity 4 --algorithm next_fit --bins bins");
    BOOST_TEST(report["skipped"]["empty"] == 2);
    BOOST_TEST(report["skipped"]["overlong"] == 1);
    BOOST_TEST(
        (bins_of(folder / "bins") == std::vector<std::vector<std::uint32_t>>{{1, 4}}));
}

BOOST_AUTO_TEST_SUITE_END()
