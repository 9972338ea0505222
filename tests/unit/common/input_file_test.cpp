// SPDX-License-Identifier: Apache-2.0
#include <common/errors.hpp>
#include <common/input_file.hpp>

#include <expect.hpp>
#include <run_process.hpp>

#include <boost/test/unit_test.hpp>

#include <random>
#include <string>
#include <string_view>
#include <vector>

BOOST_AUTO_TEST_SUITE(input_file_test)

namespace app = packkit::app;
using packkit::test::temporary_folder;

namespace {

std::vector<std::string> lines_of(const std::string& path) {
    app::line_reader reader(path);
    std::vector<std::string> lines;
    for (std::string_view line; reader.next(line);) {
        lines.emplace_back(line);
        BOOST_TEST(reader.line_number() == lines.size());
    }
    return lines;
}

/// The obvious splitting.
std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> lines(1);
    for (const char c : text) {
        if (c == '\n') {
            if (lines.back().ends_with('\r')) lines.back().pop_back();
            lines.emplace_back();
        } else {
            lines.back() += c;
        }
    }
    if (lines.back().empty()) lines.pop_back();
    return lines;
}

}  // namespace

BOOST_AUTO_TEST_CASE(line_endings_and_the_last_line) {
    const temporary_folder folder;
    const auto check = [&](std::string_view content,
                           const std::vector<std::string>& expected) {
        BOOST_TEST(lines_of(folder.write("x", content)) == expected,
                   boost::test_tools::per_element());
    };
    check("", {});
    check("\n", {""});
    check("a", {"a"});
    check("a\nb", {"a", "b"});
    check("a\nb\n", {"a", "b"});
    check("a\r\nb\r\n", {"a", "b"});
    check("a\r\n\r\nb", {"a", "", "b"});
    check(
        "\xEF\xBB\xBF"
        "1\n2\n",
        {"1", "2"});
    check(
        "1\n\xEF\xBB\xBF"
        "2\n",
        {"1",
         "\xEF\xBB\xBF"
         "2"});
}

BOOST_AUTO_TEST_CASE(lines_across_buffers_equal_the_obvious_splitting) {
    std::mt19937 random(11);
    const temporary_folder folder;
    for (int round = 0; round < 6; ++round) {
        std::string text;
        while (text.size() < 1'500'000) {
            // From empty lines to some longer than the reader's buffer.
            const std::size_t length =
                random() % 40 == 0 ? random() % 600'000 : random() % 50;
            text.append(length, static_cast<char>('a' + random() % 26));
            text += random() % 3 == 0 ? "\r\n" : "\n";
        }
        if (round % 2 == 0) text += "no ending";
        const auto lines = lines_of(folder.write("x", text));
        BOOST_CHECK(lines == split(text));
        BOOST_TEST(app::read_file(folder / "x") == text);
    }
}

BOOST_AUTO_TEST_CASE(place_and_terminated) {
    const temporary_folder folder;
    const std::string path = folder.write("data.txt", "one\ntwo");
    app::line_reader reader(path);
    std::string_view line;
    BOOST_TEST(reader.next(line));
    BOOST_TEST(reader.place() == path + ":1");
    BOOST_TEST(reader.terminated());
    BOOST_TEST(reader.next(line));
    BOOST_TEST(reader.place() == path + ":2");
    BOOST_TEST(!reader.terminated());
    BOOST_TEST(!reader.next(line));
    BOOST_TEST(reader.bytes_read() == 7u);
    BOOST_TEST(reader.file().size_hint() == 7u);
}

BOOST_AUTO_TEST_CASE(files_that_cannot_be_read) {
    const temporary_folder folder;
    expect::message_of<app::input_error>([&] { app::read_file(folder / "none"); },
                                         "none: ", "No such file");
    expect::message_of<app::input_error>([&] { app::read_file(folder.path()); },
                                         "is a folder");
    const std::string path = folder.write("x", "12345");
    BOOST_TEST(app::read_file(path, 5) == "12345");
    expect::message_of<app::input_error>([&] { app::read_file(path, 4); },
                                         "more than 4 bytes");
}

BOOST_AUTO_TEST_SUITE_END()
