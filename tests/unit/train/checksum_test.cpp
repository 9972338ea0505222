// SPDX-License-Identifier: Apache-2.0
#include <data/checksum.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <span>
#include <string>
#include <string_view>
#include <utility>

BOOST_AUTO_TEST_SUITE(checksum_test)

using namespace packkit::train;

namespace {

std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span<const char>(text));
}

}  // namespace

// Known answers of xxHash's own test program: XXH3_64bits with seed 0.
BOOST_AUTO_TEST_CASE(known_answers) {
    running_checksum empty;
    BOOST_TEST(empty.hex() == "2d06800538d394c2");
    BOOST_TEST(empty.value() == 0x2D06800538D394C2U);
    // The bytes of xxHash's sanity buffer.
    std::string buffer;
    std::uint64_t generator = 2654435761U;
    for (int i = 0; i < 2367; ++i) {
        buffer += static_cast<char>(static_cast<unsigned char>(generator >> 56U));
        generator *= 11400714785074694797U;
    }
    const auto of = [&](std::size_t length) {
        running_checksum checksum;
        checksum.update(bytes(std::string_view(buffer).substr(0, length)));
        return checksum.value();
    };
    BOOST_TEST(of(1) == 0xC44BDFF4074EECDBU);
    BOOST_TEST(of(6) == 0x27B56A84CD2D7325U);
    BOOST_TEST(of(12) == 0xA713DAF0DFBB77E7U);
    BOOST_TEST(of(24) == 0xA3FE70BF9D3510EBU);
    BOOST_TEST(of(48) == 0x397DA259ECBA1F11U);
    BOOST_TEST(of(80) == 0xBCDEFBBB2C47C90AU);
    BOOST_TEST(of(195) == 0xCD94217EE362EC3AU);
    BOOST_TEST(of(403) == 0xCDEB804D65C6DEA4U);
    BOOST_TEST(of(512) == 0x617E49599013CB6BU);
    BOOST_TEST(of(2048) == 0xDD59E2C3A5F038E0U);
    BOOST_TEST(of(2367) == 0xCB37AEB9E5D361EDU);
}

BOOST_AUTO_TEST_CASE(pieces_make_no_difference) {
    std::string text;
    for (int i = 0; i < 3000; ++i)
        text += std::to_string(i);
    running_checksum whole;
    whole.update(bytes(text));
    for (const std::size_t piece : {1U, 7U, 255U, 256U, 257U, 4096U}) {
        running_checksum pieces;
        for (std::size_t at = 0; at < text.size(); at += piece) {
            pieces.update(bytes(std::string_view(text).substr(at, piece)));
            pieces.update({});
        }
        BOOST_TEST(pieces.hex() == whole.hex());
    }
    running_checksum moved = std::move(whole);
    BOOST_TEST(moved.hex().size() == 16u);
}

BOOST_AUTO_TEST_CASE(files) {
    const train_test::temporary_folder folder;
    const std::string large(3'000'001, 'x');
    running_checksum checksum;
    checksum.update(bytes(large));
    BOOST_TEST(file_checksum(folder.write("x", large)) == checksum.hex());
    BOOST_TEST(file_checksum(folder.write("x", "")) == "2d06800538d394c2");
    BOOST_TEST(train_test::error_of(folder, [&] { file_checksum(folder / "none"); }) ==
               "none: cannot be opened: No such file or directory");
}

BOOST_AUTO_TEST_SUITE_END()
