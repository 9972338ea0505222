// SPDX-License-Identifier: Apache-2.0
#include <tokenizer.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <string>
#include <vector>

using namespace packkit::train;
using train_test::error_of;
using ids = std::vector<std::int32_t>;

BOOST_AUTO_TEST_CASE(bytes_are_ids) {
    const auto bytes = load_tokenizer("bytes");
    BOOST_TEST(bytes->name() == "bytes");
    BOOST_TEST(bytes->vocab_size() == 259);
    BOOST_TEST(bytes->encode("a\xC3\xA9", false, false) == (ids{97, 195, 169}),
               boost::test_tools::per_element());
    BOOST_TEST(bytes->encode("a") == (ids{256, 97, 257}),
               boost::test_tools::per_element());
    BOOST_TEST(bytes->encode("", true, false) == (ids{256}),
               boost::test_tools::per_element());
    BOOST_TEST(bytes->encode("", false, true) == (ids{257}),
               boost::test_tools::per_element());
    ids appended = {1};
    bytes->encode("b", false, true, appended);
    BOOST_TEST(appended == (ids{1, 98, 257}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(any_bytes_come_back) {
    const byte_tokenizer bytes;
    std::string all;
    for (int byte = 0; byte < 256; ++byte)
        all += static_cast<char>(byte);
    const auto encoded = bytes.encode(all);
    BOOST_TEST(encoded.size() == 258u);
    BOOST_TEST(bytes.decode(encoded) == all);
    BOOST_TEST(bytes.decode(ids{258, 97, 256}) == "a");
}

BOOST_AUTO_TEST_CASE(wrong_ids_and_types) {
    const train_test::temporary_folder none;
    const byte_tokenizer bytes;
    BOOST_TEST(error_of(none, [&] { static_cast<void>(bytes.decode(ids{0, 259})); }) ==
               "token 1: id 259, the vocabulary has 259");
    BOOST_TEST(error_of(none, [&] { static_cast<void>(bytes.decode(ids{-1})); }) ==
               "token 0: id -1, the vocabulary has 259");
    BOOST_TEST(error_of(none, [] { load_tokenizer("tok/tokenizer.json"); }) ==
               "tokenizer_type: 'tok/tokenizer.json' is not supported; expected bytes");
    BOOST_TEST(tokenizer_type_problem("bytes") == "");
}
