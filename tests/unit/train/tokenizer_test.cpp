// SPDX-License-Identifier: Apache-2.0
#include <data/tokenizer.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(tokenizer_test)

using namespace packkit::train;
using train_test::error_of;
using train_test::words;
using ids = std::vector<std::int32_t>;

namespace {

ids document(const tokenizer& tokens, std::string_view text) {
    ids result = {7};
    encode_document(tokens, text, result);
    result.erase(result.begin());
    return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(documents_of_bytes) {
    const byte_tokenizer bytes;
    BOOST_TEST(document(bytes, "a\xC3\xA9") == (ids{256, 97, 195, 169, 257}),
               boost::test_tools::per_element());
    BOOST_TEST(document(bytes, "") == (ids{256, 257}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(documents_end_with_eos_once) {
    const train_test::temporary_folder folder;
    const auto tokens = load_tokenizer(folder.write("tokenizer.json", words));
    BOOST_TEST(document(*tokens, "b d") == (ids{4, 1, 3}),
               boost::test_tools::per_element());  // no eos is known
    folder.write("tokenizer_config.json", R"({"eos_token": {"content": "</s>"}})");
    const auto with_eos = load_tokenizer(folder / "tokenizer.json");
    BOOST_TEST(document(*with_eos, "b d") == (ids{4, 1, 3, 5}),
               boost::test_tools::per_element());
    BOOST_TEST(document(*with_eos, "b </s>") == (ids{4, 1, 5}),
               boost::test_tools::per_element());
    BOOST_TEST(document(*with_eos, "") == (ids{4, 5}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(lines_become_lists_of_ids) {
    const train_test::temporary_folder folder;
    const auto tokens = load_tokenizer(folder.write("tokenizer.json", words));
    const auto text = folder.write("text.txt", "c b\r\n\nz\n d");
    BOOST_TEST(tokenize_lines(*tokens, text) == "[2, 1]\n[]\n[0]\n[3]\n");
    const auto broken = folder.write("broken.txt", "a\nb\xFF\n");
    BOOST_TEST(error_of(folder, [&] { tokenize_lines(*tokens, broken); }) ==
               "broken.txt:2: byte 1: '\\xff' is not UTF-8");
    BOOST_TEST(tokenize_lines(byte_tokenizer(), broken) == "[97]\n[98, 255]\n");
}

BOOST_AUTO_TEST_CASE(tokenizers_that_are_not_there) {
    const train_test::temporary_folder folder;
    BOOST_TEST(packkit::app::tokenizer_file("bytes") == "");
    const auto file = folder.write("tokenizer.json", words);
    BOOST_TEST(packkit::app::tokenizer_file(file) == file);
    BOOST_TEST(packkit::app::tokenizer_file(folder.path().string()) == file);
    BOOST_TEST(error_of(folder,
                        [] {
                            static_cast<void>(
                                packkit::app::tokenizer_file("tok/tokenizer.json"));
                        }) ==
               "tok/tokenizer.json: there is no such tokenizer; expected bytes, a "
               "tokenizer.json or .model file, or a folder with one");
}

BOOST_AUTO_TEST_SUITE_END()
