// SPDX-License-Identifier: Apache-2.0
#include <packkit/error.hpp>

#include <cstdint>
#include <limits>
#include <locale>
#include <stdexcept>
#include <string>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(error_test)

BOOST_AUTO_TEST_CASE(exceptions_derive_from_the_standard_ones) {
    BOOST_CHECK_THROW(throw packkit::invalid_argument("x"), std::invalid_argument);
    BOOST_CHECK_THROW(throw packkit::runtime_error("x"), std::runtime_error);
}

BOOST_AUTO_TEST_CASE(a_message_joins_text_and_numbers) {
    BOOST_TEST(packkit::detail::message("item ", 17, std::string(" has "), 5000u, ' ',
                                        true, ' ', 0.5) == "item 17 has 5000 true 0.5");
    BOOST_TEST(packkit::detail::message(std::numeric_limits<std::int64_t>::min(), " ",
                                        std::numeric_limits<std::uint64_t>::max()) ==
               "-9223372036854775808 18446744073709551615");
}

struct comma_and_groups : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
};

BOOST_AUTO_TEST_CASE(numbers_do_not_follow_the_locale) {
    const std::locale before =
        std::locale::global(std::locale(std::locale(), new comma_and_groups));
    const std::string text = packkit::detail::message(1234567, " ", 0.25);
    std::locale::global(before);
    BOOST_TEST(text == "1234567 0.25");
}

BOOST_AUTO_TEST_CASE(an_assertion_evaluates_its_condition_only_when_on) {
    int evaluated = 0;
    PACKKIT_ASSERT(++evaluated > 0);
#if !defined(NDEBUG) || defined(PACKKIT_ASSERTIONS)
    BOOST_TEST(evaluated == 1);
#else
    BOOST_TEST(evaluated == 0);
#endif
}

BOOST_AUTO_TEST_SUITE_END()
