// SPDX-License-Identifier: Apache-2.0
#include <common/errors.hpp>
#include <common/jsonl.hpp>

#include <expect.hpp>
#include <run_process.hpp>

#include <boost/test/unit_test.hpp>

#include <string>
#include <string_view>
#include <vector>

BOOST_AUTO_TEST_SUITE(jsonl_test)

namespace app = packkit::app;
using packkit::test::temporary_folder;

namespace {

const temporary_folder folder;

/// "line:row" of every row.
std::string rows_of(std::string_view content) {
    app::jsonl_reader reader(folder.write("x.jsonl", content));
    std::string text;
    for (app::json row; reader.next(row);) {
        text += std::to_string(reader.line_number()) + ":" + row.dump() + " ";
    }
    return text;
}

auto reading(std::string_view content) {
    return [content] { rows_of(content); };
}

}  // namespace

BOOST_AUTO_TEST_CASE(rows_with_their_lines) {
    BOOST_TEST(rows_of("") == "");
    BOOST_TEST(rows_of("{\"a\":1}\n[2]\n3\n") == "1:{\"a\":1} 2:[2] 3:3 ");
    BOOST_TEST(rows_of("{\"a\":1}\r\n[2]\r\n") == "1:{\"a\":1} 2:[2] ");
    BOOST_TEST(rows_of("1\n2") == "1:1 2:2 ");
    BOOST_TEST(rows_of("1\n\n \t\r\n2\n\n") == "1:1 4:2 ");
}

BOOST_AUTO_TEST_CASE(broken_rows_name_their_line) {
    expect::message_of<app::input_error>(reading("{\"a\":1}\n{\"a\":}\n{}\n"),
                                         "x.jsonl:2: not valid JSON");
    expect::message_of<app::input_error>(reading("{}\n{}{}\n"),
                                         "x.jsonl:2: not valid JSON");
    expect::message_of<app::input_error>(reading("{}\n{\"a\":1,\"a\":2}\n"),
                                         "x.jsonl:2: key 'a' appears twice");
}

BOOST_AUTO_TEST_CASE(a_row_cut_short_at_the_end_of_the_file) {
    const std::string row = "{\"input_ids\": [1, 2, 3], \"text\": \"abc\"}";
    BOOST_TEST(rows_of("{}\n" + row) != "");
    for (std::size_t length = 1; length < row.size(); ++length) {
        expect::message_of<app::input_error>(
            [&] { rows_of("{}\n" + row.substr(0, length)); },
            "x.jsonl:2: the last line is cut short");
        // With a line ending the row was written like that: an ordinary fault.
        expect::message_of<app::input_error>(
            [&] { rows_of("{}\n" + row.substr(0, length) + "\n"); },
            "x.jsonl:2: not valid JSON");
    }
    expect::message_of<app::input_error>(reading("{}\n{\"a\" 1}"), "not valid JSON");
}

BOOST_AUTO_TEST_CASE(place_and_progress) {
    const std::string path = folder.write("y.jsonl", "1\n2\n");
    app::jsonl_reader reader(path);
    app::json row;
    BOOST_TEST(reader.next(row));
    BOOST_TEST(reader.next(row));
    BOOST_TEST(reader.place() == path + ":2");
    BOOST_TEST(reader.bytes_read() == 4u);
    BOOST_TEST(reader.size_hint() == 4u);
    BOOST_TEST(!reader.next(row));
}

BOOST_AUTO_TEST_SUITE_END()
