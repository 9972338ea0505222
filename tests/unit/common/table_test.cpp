// SPDX-License-Identifier: Apache-2.0
#include <common/errors.hpp>
#include <common/table.hpp>

#include <expect.hpp>

#include <boost/test/unit_test.hpp>

#include <stdexcept>
#include <string>

BOOST_AUTO_TEST_SUITE(table_test)

namespace app = packkit::app;

namespace {

app::table example() {
    app::table table({{"name", app::alignment::left}, {"n"}});
    table.add_row({"größe", "1"});
    table.add_row({"a|b", "1,000"});
    return table;
}

}  // namespace

BOOST_AUTO_TEST_CASE(aligned_text) {
    BOOST_TEST(example().to_text() ==
               "name       n\n"
               "─────  ─────\n"
               "größe      1\n"
               "a|b    1,000\n");
}

BOOST_AUTO_TEST_CASE(csv_quotes_what_needs_it) {
    app::table table({{"a"}, {"b"}});
    table.add_row({"1,000", "say \"x\""});
    table.add_row({"two\nlines", "plain"});
    BOOST_TEST(table.to_csv() ==
               "a,b\n\"1,000\",\"say \"\"x\"\"\"\n\"two\nlines\",plain\n");
}

BOOST_AUTO_TEST_CASE(markdown_escapes_bars) {
    BOOST_TEST(example().to_markdown() ==
               "| name | n |\n|:--|--:|\n| größe | 1 |\n| a\\|b | 1,000 |\n");
}

BOOST_AUTO_TEST_CASE(rows_have_as_many_cells_as_columns) {
    auto table = example();
    BOOST_TEST(table.rows() == 2u);
    expect::message_of<std::logic_error>([&] { table.add_row({"x"}); }, "1 cells",
                                         "2 columns");
}

BOOST_AUTO_TEST_CASE(width_and_padding) {
    BOOST_TEST(app::display_width("größe") == 5u);
    BOOST_TEST(app::padded("ö", 3, app::alignment::right) == "  ö");
    BOOST_TEST(app::padded("ö", 3, app::alignment::left) == "ö  ");
    BOOST_TEST(app::padded("long", 3, app::alignment::left) == "long");
}

BOOST_AUTO_TEST_CASE(bars) {
    BOOST_TEST(app::text_bar(0.0, 10) == "");
    BOOST_TEST(app::text_bar(1e-9, 10) == "▏");
    BOOST_TEST(app::text_bar(0.5, 4) == "██");
    BOOST_TEST(app::text_bar(0.5, 3) == "█▌");
    BOOST_TEST(app::text_bar(1.0, 4) == "████");
    BOOST_TEST(app::text_bar(7.0, 4) == "████");
}

BOOST_AUTO_TEST_CASE(formats) {
    BOOST_CHECK(app::parse_output_format("table") == app::output_format::table);
    BOOST_CHECK(app::parse_output_format("json") == app::output_format::json);
    BOOST_CHECK(app::parse_output_format("csv") == app::output_format::csv);
    BOOST_CHECK(app::parse_output_format("markdown") == app::output_format::markdown);
    expect::message_of<app::usage_error>(
        [] { app::parse_output_format("jsn"); },
        "--format: unknown format 'jsn'; expected one of table, json, csv, markdown; did "
        "you mean 'json'?");
}

BOOST_AUTO_TEST_SUITE_END()
