// SPDX-License-Identifier: Apache-2.0
#include <common/problems.hpp>

#include <boost/test/unit_test.hpp>

#include <string>

BOOST_AUTO_TEST_SUITE(problems_test)

using namespace packkit;

BOOST_AUTO_TEST_CASE(several_problems_are_one_error) {
    try {
        throw app::input_problems({"a.yaml:1: x", "a.yaml:2: y"});
    } catch (const app::input_error& error) {
        BOOST_TEST(error.what() == std::string("a.yaml:1: x\na.yaml:2: y"));
    }
    BOOST_TEST(app::input_problems({"a: x"}).what() == std::string("a: x"));
    BOOST_TEST(app::input_problems({"a: x"}).lines().size() == 1u);
}

BOOST_AUTO_TEST_CASE(long_words_are_cut) {
    const auto word = [](std::size_t size) { return std::string(size, 'w'); };
    BOOST_TEST(app::with_short_words("") == "");
    BOOST_TEST(app::with_short_words(" a  b ") == " a  b ");
    BOOST_TEST(app::with_short_words(word(200)) == word(200));
    BOOST_TEST(app::with_short_words("a " + word(201) + " b") ==
               "a " + word(200) + "… (201 bytes) b");
    // Not inside a code point: "é" has two bytes.
    const std::string accents = word(199) + "é" + word(9);
    BOOST_TEST(app::with_short_words(accents) == word(199) + "… (210 bytes)");
}

BOOST_AUTO_TEST_CASE(counts_have_a_singular) {
    BOOST_TEST(app::counted(0, "row") == "0 rows");
    BOOST_TEST(app::counted(1, "row") == "1 row");
    BOOST_TEST(app::counted(12345, "row") == "12,345 rows");
}

BOOST_AUTO_TEST_SUITE_END()
