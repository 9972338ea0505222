// SPDX-License-Identifier: Apache-2.0
#include <packkit/sequence/padded_cu_seqlens.hpp>

#include <array>
#include <cstdint>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(padded_cu_seqlens_test)

using packkit::invalid_argument;
using packkit::pad_documents;
using packkit::padded_row;
using cu = std::vector<std::int32_t>;

static_assert(pad_documents(std::array{3, 5}, 4).padded_cu_seqlens.back() == 12);

BOOST_AUTO_TEST_CASE(documents_are_padded_to_a_multiple) {
    BOOST_TEST((pad_documents(std::vector{3, 5, 0, 8}, 4) ==
                padded_row{{0, 3, 8, 8, 16}, {0, 4, 12, 12, 20}, 8, 8}));
    BOOST_TEST(
        (pad_documents(std::vector{3, 5}, 1) == padded_row{{0, 3, 8}, {0, 3, 8}, 5, 5}));
    BOOST_TEST((pad_documents(std::vector<int>{}, 8) == padded_row{{0}, {0}, 0, 0}));
}

BOOST_AUTO_TEST_CASE(real_tokens_are_found_in_the_padded_row) {
    const auto row = pad_documents(std::vector{3, 1, 2}, 2);
    BOOST_TEST(
        (packkit::padded_positions(row) == std::vector<std::int64_t>{0, 1, 2, 4, 6, 7}));
    for (int multiple = 1; multiple <= 9; ++multiple) {
        const std::vector<int> lengths = {1, 7, 8, 9, 0, 16, 3};
        const auto padded = pad_documents(lengths, multiple);
        const auto positions = packkit::padded_positions(padded);
        std::size_t token = 0;
        int begin = 0;
        for (const int length : lengths) {
            BOOST_TEST(begin % multiple == 0);
            for (int i = 0; i < length; ++i)
                BOOST_TEST(positions[token++] == begin + i);
            while (length > 0 && (begin + length) % multiple != 0)
                ++begin;
            begin += length;
        }
        BOOST_TEST(token == positions.size());
    }
}

BOOST_AUTO_TEST_CASE(padding_does_not_overflow) {
    expect::message_of<invalid_argument>([] { (void)pad_documents(std::vector{1}, 0); },
                                         "multiple of 0");
    expect::message_of<invalid_argument>(
        [] { (void)pad_documents(std::vector{2147483647}, 8); }, "document 0",
        "2147483648");
    expect::message_of<invalid_argument>(
        [] { (void)pad_documents(std::vector{1, -4}, 8); }, "document 1 has length -4");
    expect::message_of<invalid_argument>(
        [] { (void)packkit::padded_positions({{0, 5}, {0, 4}, 5, 4}); }, "5 tokens",
        "4 padded");
    expect::message_of<invalid_argument>(
        [] { (void)packkit::padded_positions({{0, 5}, {0}, 5, 0}); }, "2 true",
        "1 padded");
}

BOOST_AUTO_TEST_SUITE_END()
