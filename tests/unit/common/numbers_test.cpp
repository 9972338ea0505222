// SPDX-License-Identifier: Apache-2.0
#include <common/errors.hpp>
#include <common/numbers.hpp>

#include <expect.hpp>

#include <boost/test/unit_test.hpp>

#include <clocale>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>

BOOST_AUTO_TEST_SUITE(numbers_test)

namespace app = packkit::app;

BOOST_AUTO_TEST_CASE(fixed_notation) {
    BOOST_TEST(app::fixed(0.98765, 2) == "0.99");
    BOOST_TEST(app::fixed(1234567.5, 1) == "1234567.5");
    BOOST_TEST(app::fixed(-0.001, 2) == "0.00");
    BOOST_TEST(app::fixed(-0.01, 2) == "-0.01");
    BOOST_TEST(app::fixed(2.0, 0) == "2");
    BOOST_TEST(app::fixed(std::numeric_limits<double>::infinity(), 2) == "inf");
    BOOST_TEST(app::fixed(std::numeric_limits<double>::max(), 2).size() == 312u);
}

BOOST_AUTO_TEST_CASE(shortest_notation_reads_back) {
    BOOST_TEST(app::shortest(0.1) == "0.1");
    BOOST_TEST(app::shortest(3.0) == "3.0");
    BOOST_TEST(app::shortest(-2.0) == "-2.0");
    BOOST_TEST(app::shortest(1e30) == "1e+30");
    std::mt19937_64 random(3);
    for (int i = 0; i < 1000; ++i) {
        const double value = std::ldexp(static_cast<double>(random()),
                                        static_cast<int>(random() % 200) - 100);
        BOOST_TEST(std::stod(app::shortest(value)) == value);
    }
}

BOOST_AUTO_TEST_CASE(numbers_for_people) {
    BOOST_TEST(app::grouped(std::int64_t{0}) == "0");
    BOOST_TEST(app::grouped(std::int64_t{999}) == "999");
    BOOST_TEST(app::grouped(std::int64_t{1000}) == "1,000");
    BOOST_TEST(app::grouped(std::int64_t{-1234567}) == "-1,234,567");
    BOOST_TEST(app::grouped(std::numeric_limits<std::int64_t>::min()) ==
               "-9,223,372,036,854,775,808");
    BOOST_TEST(app::percent(0.98765) == "98.77 %");
    BOOST_TEST(app::percent(1.0, 0) == "100 %");
    BOOST_TEST(app::duration_text(0.00123) == "1.23 ms");
    BOOST_TEST(app::duration_text(45.0) == "45.0 s");
    BOOST_TEST(app::duration_text(1.2e-8) == "12.0 ns");
    BOOST_TEST(app::duration_text(123.4) == "123 s");
    BOOST_TEST(app::short_count(999) == "999");
    BOOST_TEST(app::short_count(1000) == "1.00k");
    BOOST_TEST(app::short_count(4'200'000) == "4.20M");
    BOOST_TEST(app::short_count(999'999) == "1.00M");
    BOOST_TEST(app::bytes_text(512) == "512 B");
    BOOST_TEST(app::bytes_text(std::uint64_t{3} << 29U) == "1.50 GiB");
    BOOST_TEST(app::bytes_text(std::int64_t{0}) == "0 B");
    BOOST_TEST(app::bytes_text(832 << 10) == "832 KiB");
    BOOST_TEST(app::size_text(1) == "1 byte");
    BOOST_TEST(app::size_text(9999) == "9,999 bytes");
    BOOST_TEST(app::size_text(10'000) == "9.77 KiB");
    BOOST_TEST(app::counted(0, "row", "rows") == "0 rows");
    BOOST_TEST(app::counted(1, "row", "rows") == "1 row");
    BOOST_TEST(app::counted(2000, "row", "rows") == "2,000 rows");
    BOOST_TEST(app::duration_text(0.0) == "0 s");
    BOOST_TEST(app::hours_text(0.01) == "36.0 s");
    BOOST_TEST(app::hours_text(0.25) == "15.0 min");
    BOOST_TEST(app::hours_text(7.234) == "7.23 h");
    BOOST_TEST(app::hours_text(48.0) == "48.0 h");
    BOOST_TEST(app::hours_text(240.0) == "10.0 days");
    BOOST_TEST(app::rate_text(1234.4) == "1,234");
    BOOST_TEST(app::rate_text(99.96) == "100");
    BOOST_TEST(app::rate_text(99.94) == "99.9");
    BOOST_TEST(app::rate_text(1.234) == "1.23");
}

BOOST_AUTO_TEST_CASE(integers_from_text) {
    using fault = app::integer_fault;
    const auto fault_of = [](const char* text) { return app::parse_integer(text).fault; };
    BOOST_TEST(app::parse_integer("17").value == 17);
    BOOST_TEST(app::parse_integer("-3").value == -3);
    BOOST_TEST(app::parse_integer("007").value == 7);
    BOOST_TEST(app::parse_integer("9223372036854775807").value == INT64_MAX);
    BOOST_CHECK(fault_of("9223372036854775807") == fault::none);
    BOOST_CHECK(fault_of("9223372036854775808") == fault::overflow);
    BOOST_CHECK(fault_of("-9223372036854775809") == fault::overflow);
    BOOST_CHECK(fault_of("") == fault::empty);
    BOOST_CHECK(fault_of("1.5") == fault::fractional);
    BOOST_CHECK(fault_of("100.0") == fault::fractional);
    BOOST_CHECK(fault_of("1e3") == fault::fractional);
    BOOST_CHECK(fault_of("-.5") == fault::fractional);
    for (const char* text : {"x", " 1", "1 ", "+1", "1,5", "0x10", "1_000", "--1", "nan",
                             "inf", "1.5x", "١"}) {
        BOOST_CHECK_MESSAGE(fault_of(text) == fault::not_a_number, text);
    }
}

BOOST_AUTO_TEST_CASE(integers_of_options) {
    BOOST_TEST(app::parse_option_integer("--n", "5", 1) == 5);
    const auto parse = [](const char* text) {
        return [text] { app::parse_option_integer("--n", text, 1, 100); };
    };
    expect::message_of<app::usage_error>(
        parse("abc"), "--n: 'abc' is not a number; expected a whole number ≥ 1");
    expect::message_of<app::usage_error>(parse("1.5"), "--n: 1.5 is not a whole number");
    expect::message_of<app::usage_error>(parse("0"), "--n: 0 is below 1");
    expect::message_of<app::usage_error>(parse("101"), "--n: 101 is above 100");
    expect::message_of<app::usage_error>(parse("99999999999999999999"), "64 bits");
    expect::message_of<app::usage_error>(parse(""), "--n: is empty");
}

BOOST_AUTO_TEST_CASE(a_decimal_comma_of_the_locale_changes_nothing) {
    const char* const set = std::setlocale(LC_ALL, "de_DE.UTF-8");
    if (set == nullptr) BOOST_TEST_MESSAGE("locale de_DE.UTF-8 is not installed");
    BOOST_TEST(app::fixed(0.5, 2) == "0.50");
    BOOST_TEST(app::shortest(0.5) == "0.5");
    BOOST_TEST(app::grouped(std::int64_t{1234567}) == "1,234,567");
    BOOST_CHECK(app::parse_integer("1.5").fault == app::integer_fault::fractional);
    BOOST_CHECK(app::parse_integer("1,5").fault == app::integer_fault::not_a_number);
    std::setlocale(LC_ALL, "C");
}

BOOST_AUTO_TEST_SUITE_END()
