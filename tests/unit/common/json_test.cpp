// SPDX-License-Identifier: Apache-2.0
#include <common/errors.hpp>
#include <common/json.hpp>

#include <expect.hpp>
#include <run_process.hpp>

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

BOOST_AUTO_TEST_SUITE(json_test)

namespace app = packkit::app;

namespace {

auto parse(std::string_view text) {
    return [text] { app::parse_json(text, "x.json"); };
}

const std::vector<std::string> documents = {
    "null",
    "true",
    "-0",
    "18446744073709551615",
    "1.5e-3",
    "\"\\u00e4 \\ud83d\\ude00 \\\\ \\\" \\/ \\b\\f\\n\\r\\t\"",
    "[]",
    "{}",
    "[1,[2,[3,{}]],\"\"]",
    "{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":2}],\"\":null}",
    " \t\r\n{ \"k\" : [ 1 , 2.0 , -3 ] } \n",
};

}  // namespace

BOOST_AUTO_TEST_CASE(documents_read_as_nlohmann_reads_them) {
    for (const std::string& text : documents) {
        BOOST_TEST(app::parse_json(text, "x") == app::json::parse(text), text);
    }
}

BOOST_AUTO_TEST_CASE(what_is_refused_says_why_and_where) {
    expect::message_of<app::json_syntax_error>(parse("{\"a\": 1,\n \"b\": }"),
                                               "x.json:2: ", "not valid JSON");
    expect::message_of<app::json_syntax_error>(parse("[1, 2,]"), "x.json:1: ");
    expect::message_of<app::json_syntax_error>(parse("[1] 2"), "x.json:1: ");
    expect::message_of<app::json_syntax_error>(parse("[1]\n\n]"), "x.json:3: ");
    expect::message_of<app::json_syntax_error>(parse("[NaN]"), "invalid literal");
    expect::message_of<app::json_syntax_error>(parse("[01]"), "x.json:1: ");
    expect::message_of<app::json_syntax_error>(parse("{'a': 1}"), "x.json:1: ");
    expect::message_of<app::json_syntax_error>(parse("[\"\xff\"]"), "UTF-8");
    expect::message_of<app::json_syntax_error>(parse("[\"\\ud800\"]"), "x.json:1: ");
    expect::message_of<app::json_syntax_error>(parse("// no\n1"), "x.json:1: ");
    expect::message_of<app::input_error>(parse("[1,\n1e999]"),
                                         "x.json:2: number '1e999' is too large");
    expect::message_of<app::input_error>(parse(""), "x.json:1: empty");
    expect::message_of<app::input_error>(parse(" \n "), "empty");
}

BOOST_AUTO_TEST_CASE(duplicate_keys_are_refused_in_one_object_only) {
    expect::message_of<app::input_error>(
        parse("{\n\"lr\": 1,\n\"b\": {\"lr\": 1},\n\"lr\": 2}"),
        "x.json:4: key 'lr' appears twice in one object");
    expect::message_of<app::input_error>(parse("[{\"a\":1,\"\\u0061\":2}]"), "key 'a'");
    BOOST_CHECK_NO_THROW(parse("[{\"a\":1},{\"a\":2}]")());
}

BOOST_AUTO_TEST_CASE(depth_is_limited) {
    const auto nested = [](std::size_t depth) {
        return std::string(depth, '[') + std::string(depth, ']');
    };
    BOOST_CHECK_NO_THROW(app::parse_json(nested(64), "x"));
    expect::message_of<app::input_error>([&] { app::parse_json(nested(65), "x"); },
                                         "nested deeper than 64 levels");
    // Deep enough to end a recursive reader.
    expect::message_of<app::input_error>([&] { app::parse_json(nested(1'000'000), "x"); },
                                         "nested deeper");
    BOOST_CHECK_NO_THROW(app::parse_json(nested(65), "x", 1, {.max_depth = 65}));
}

BOOST_AUTO_TEST_CASE(line_numbers) {
    expect::message_of<app::input_error>(
        [] { app::parse_json("[\n1,\n2,\nx]", "f.json", 10); }, "f.json:13: ");
    expect::message_of<app::input_error>(
        [] { app::parse_json("[\n1,\n2,\nx]", "f.jsonl:7", 0); }, "f.jsonl:7: not valid");
    // The lexer looks one character ahead of a number: here over the line's end.
    expect::message_of<app::input_error>(parse("[1\n2]"), "x.json:2: ");
    expect::message_of<app::input_error>(parse("[1,\n2"), "x.json:2: ");
    expect::message_of<app::input_error>(parse("[1,\n2\n\n"), "x.json:3: ");
}

BOOST_AUTO_TEST_CASE(messages_are_short_even_for_long_tokens) {
    const std::string text = "[\"" + std::string(1'000'000, 'x');
    try {
        app::parse_json(text, "x.json");
        BOOST_ERROR("accepted");
    } catch (const app::json_syntax_error& error) {
        BOOST_TEST(std::string(error.what()).size() < 300u);
        BOOST_TEST(error.cut_short);
    }
}

BOOST_AUTO_TEST_CASE(cut_short_tells_truncation_from_other_faults) {
    const auto cut_short = [](std::string_view text) {
        try {
            app::parse_json(text, "x");
        } catch (const app::json_syntax_error& error) { return error.cut_short; }
        BOOST_ERROR("accepted: " << text);
        return false;
    };
    const std::string text = R"({"a": [1, -2.5e+3, "x\u00e4"], "b": true, "c": null})";
    for (std::size_t length = 1; length < text.size(); ++length) {
        BOOST_TEST(cut_short(text.substr(0, length)), text.substr(0, length));
    }
    for (const char* wrong : {"{\"a\": 1}}", "[1]]", "[1} ", "{\"a\" 1}", "[nul, 1]"}) {
        BOOST_TEST(!cut_short(wrong), wrong);
    }
}

// Every document with one byte changed, added or removed is accepted exactly when
// nlohmann accepts it (duplicate keys aside), and is never read as something else.
BOOST_AUTO_TEST_CASE(damaged_documents_are_read_right_or_refused) {
    std::mt19937 random(5);
    const std::string bytes = "{}[]:,\"\\0123456789.eE+-tfn u\xc3\xa4\x80\n";
    std::size_t accepted = 0;
    std::size_t refused = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string text = documents[random() % documents.size()];
        const std::size_t at = random() % text.size();
        const char byte = bytes[random() % bytes.size()];
        switch (random() % 3) {
            case 0:
                text[at] = byte;
                break;
            case 1:
                text.insert(at, 1, byte);
                break;
            default:
                text.erase(at, 1);
        }
        app::json expected = app::json::parse(text, nullptr, false);
        try {
            const app::json value = app::parse_json(text, "x");
            BOOST_REQUIRE_MESSAGE(value == expected, text);
            ++accepted;
        } catch (const app::input_error& error) {
            const bool stricter =
                std::string_view(error.what()).find("appears twice") != std::string::npos;
            BOOST_REQUIRE_MESSAGE(expected.is_discarded() || stricter, text);
            ++refused;
        }
    }
    BOOST_TEST(accepted > 1000u);
    BOOST_TEST(refused > 1000u);
}

namespace {

/// Writes down what it sees.
struct recorder final : app::json_array_visitor {
    std::string seen;
    void integer(std::size_t index, std::size_t line, std::int64_t value) override {
        seen += std::to_string(index) + "@" + std::to_string(line) + "=" +
                std::to_string(value) + " ";
    }
    void other(std::size_t index, std::size_t line, std::string_view what) override {
        seen += std::to_string(index) + "@" + std::to_string(line) + "?" +
                std::string(what) + " ";
    }
};

std::string visit(std::string_view text) {
    recorder visitor;
    app::visit_json_array(text, "x.json", visitor);
    return visitor.seen;
}

}  // namespace

BOOST_AUTO_TEST_CASE(array_elements_with_index_and_line) {
    BOOST_TEST(visit("[]") == "");
    BOOST_TEST(visit("[1, -2]") == "0@1=1 1@1=-2 ");
    BOOST_TEST(visit("[\n1\n,\n2\n]") == "0@2=1 1@4=2 ");
    BOOST_TEST(visit("[1.5, 1e2, null, true, \"a\"]") ==
               "0@1?1.5 1@1?1e2 2@1?null 3@1?true 4@1?a string ");
    BOOST_TEST(visit("[{\"a\": [1, 2]}, [3, [4]], 5]") ==
               "0@1?an object 1@1?an array 2@1=5 ");
    BOOST_TEST(visit("[9223372036854775807, 9223372036854775808]") ==
               "0@1=9223372036854775807 1@1?9223372036854775808 ");
    // A long number is described by its first digits.
    BOOST_TEST(visit("[0." + std::string(1000000, '7') + "]") ==
               "0@1?'0." + std::string(58, '7') + "'… (977 KiB) ");
}

BOOST_AUTO_TEST_CASE(what_is_no_array_is_refused) {
    const auto refused = [](std::string_view text, const char* message) {
        expect::message_of<app::input_error>([text] { visit(text); }, message);
    };
    refused("{\"lengths\": [1]}", "x.json:1: expected an array, found an object");
    refused("5", "expected an array, found a number");
    refused("\n\"a\"", "x.json:2: expected an array, found a string");
    refused("", "empty");
    refused("[1, 2", "not valid JSON");
    refused("[1] [2]", "not valid JSON");
}

BOOST_AUTO_TEST_CASE(files) {
    const packkit::test::temporary_folder folder;
    BOOST_TEST(app::read_json_file(folder.write("a.json", "{\"k\": 1}\n"))["k"] == 1);
    const std::string path = folder.write("b.json", "{\n");
    expect::message_of<app::input_error>([&] { app::read_json_file(path); },
                                         path + ":1: ");
}

BOOST_AUTO_TEST_CASE(kinds) {
    BOOST_TEST(app::json_kind(app::json::object()) == "an object");
    BOOST_TEST(app::json_kind(app::json(1.5)) == "a number");
    BOOST_TEST(app::json_kind(app::json(false)) == "false");
    BOOST_TEST(app::json_kind(app::json()) == "null");
}

BOOST_AUTO_TEST_CASE(a_nul_byte_does_not_hide_what_follows) {
    using namespace std::string_literals;
    const auto refused = [](const std::string& text, const std::string& message) {
        BOOST_CHECK_EXCEPTION((void)packkit::app::parse_json(text, "f.json"),
                              packkit::app::input_error,
                              [&](const auto& fault) { return fault.what() == message; });
    };
    refused("{\"a\":1}\0junk"s, "f.json:1: not valid JSON: a NUL byte");
    refused("{\n\"a\"\n:\0 1}"s, "f.json:3: not valid JSON: a NUL byte");
}

BOOST_AUTO_TEST_SUITE_END()
