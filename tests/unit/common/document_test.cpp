// SPDX-License-Identifier: Apache-2.0
// JSON and YAML as one tree, and typed values with the way to them. (What YAML alone has
// is in train/config_tree_test.cpp.)
#include <common/document.hpp>
#include <common/document_field.hpp>
#include <common/errors.hpp>

#include <boost/test/unit_test.hpp>

#include <string>
#include <string_view>

BOOST_AUTO_TEST_SUITE(document_test)

using namespace packkit::app;

namespace {

/// The tree in one line: text in quotes, other scalars as written, null as ~, each value
/// with its line.
std::string flat(const document_node& node) {
    std::string text;
    switch (node.type) {
        case document_node::kind::null:
            text = "~";
            break;
        case document_node::kind::scalar:
            text = node.quoted ? "'" + node.text + "'" : node.text;
            break;
        case document_node::kind::sequence:
            for (const auto& item : node.items)
                text += flat(item) + " ";
            text = "[ " + text + "]";
            break;
        case document_node::kind::map:
            for (const auto& member : node.members)
                text += member.key + ":" + flat(member.value) + " ";
            text = "{ " + text + "}";
            break;
    }
    return text + "@" + std::to_string(node.line);
}

template <class Body>
std::string error_of(Body body) {
    try {
        body();
    } catch (const input_error& error) { return error.what(); }
    return "no error";
}

std::string json_error(std::string_view text) {
    return error_of([&] { parse_json_document(text, "f"); });
}

/// The error that a use of the document ends with.
template <class Use>
std::string use_error(std::string_view text, Use use) {
    const document_node document = parse_json_document(text, "f");
    return error_of([&] { use(document_field(document, "f")); });
}

}  // namespace

BOOST_AUTO_TEST_CASE(json_and_yaml_give_the_same_tree) {
    // Each of these is both.
    for (const char* const text :
         {"{\"a\": 1,\n \"b\": [true, null,\n \"x\"], \"c\": {\"d\": -1.50}}\n",
          "[1, \"1\", 1e5, [], {}]", "{\n\n\"a\": \"\\u00e9\\n\"\n}"}) {
        BOOST_TEST(flat(parse_json_document(text, "f")) == flat(parse_yaml(text, "f")));
    }
}

BOOST_AUTO_TEST_CASE(json_numbers_stay_as_written) {
    BOOST_TEST(flat(parse_json_document("[0, -7, 1.50, 1E5, 18446744073709551615, "
                                        "123456789012345678901234567890]",
                                        "f")) ==
               "[ 0@1 -7@1 1.50@1 1E5@1 18446744073709551615@1 "
               "123456789012345678901234567890@1 ]@1");
}

BOOST_AUTO_TEST_CASE(lines_of_json) {
    // A number ends with the character behind it, which may be the end of its line.
    BOOST_TEST(flat(parse_json_document("{\n\"a\": 1\n,\n\"b\": [\n2\n]\n}", "f")) ==
               "{ a:1@2 b:[ 2@5 ]@4 }@1");
    const document_node node = parse_json_document("{\"a\":\n3}", "f");
    BOOST_TEST(node.members[0].line == 1u);
    BOOST_TEST(node.find("a")->line == 2u);
    BOOST_TEST((node.find("b") == nullptr));
}

BOOST_AUTO_TEST_CASE(json_that_is_refused) {
    BOOST_TEST(json_error("") == "f:1: empty; expected a JSON document");
    BOOST_TEST(json_error("{\"a\": 1,\n\"b\": 2,\n\"a\": 3}") ==
               "f:3: key 'a' appears twice, first in line 1");
    BOOST_TEST(json_error("[1,\n2").starts_with("f:2: not valid JSON: "));
    BOOST_TEST(json_error("[1]\n2").starts_with("f:2: not valid JSON: "));
    BOOST_TEST(json_error("[\"\xff\"]").starts_with("f:1: not valid JSON: "));
    BOOST_TEST(json_error("[\n1e999]") == "f:2: number '1e999' is too large");
    const auto nested = [](std::size_t levels) {
        return std::string(levels, '[') + std::string(levels, ']');
    };
    BOOST_TEST(json_error(nested(64)) == "no error");
    BOOST_TEST(json_error(nested(65)) == "f:1: nested deeper than 64 levels");
    BOOST_TEST(json_error(nested(1000000)) == "f:1: nested deeper than 64 levels");
}

BOOST_AUTO_TEST_CASE(values_have_types) {
    const document_node document = parse_json_document(
        R"({"t": "1", "n": 1.5, "w": 7, "b": true, "z": null, "o": {}, "a": [3]})", "f");
    const document_field field(document, "f");
    BOOST_TEST(field.member("t").text() == "1");
    BOOST_TEST(field.member("n").number() == 1.5);
    BOOST_TEST(field.member("w").number() == 7.0);
    BOOST_TEST(field.member("w").whole(0, 7) == 7);
    BOOST_TEST(field.member("b").truth());
    BOOST_TEST(field.truth("b").value());
    BOOST_TEST(!field.truth("z").has_value());
    BOOST_TEST(field.has("z"));
    BOOST_TEST(!field.has("y"));
    BOOST_TEST(field.size("w").value() == 7);
    BOOST_TEST(field.text_or("y", "else") == "else");
    BOOST_TEST(field.positive("n").value() == 1.5);
    BOOST_TEST(field.inner("o")->members().empty());
    BOOST_TEST(field.member("a").element(0).id() == 3);
    field.only({"t", "n", "w", "b", "z", "o", "a"});
    field.only("t", "1");
    field.only("b", true);
    field.only("z", true);
}

BOOST_AUTO_TEST_CASE(a_wrong_value_is_named_with_its_line_and_way) {
    constexpr const char* text = "{\"a\": {\n\"b\": [1,\n\"x\"],\n\"n\": -1}}";
    const auto inner = [](const document_field& f) { return f.member("a").member("b"); };
    BOOST_TEST(use_error(text, [&](const auto& f) {
                   (void)inner(f).element(1).number();
               }) == "f:3: a.b[1]: expected a number, found 'x'");
    BOOST_TEST(use_error(text, [&](const auto& f) {
                   (void)inner(f).element(0).text();
               }) == "f:2: a.b[0]: expected a string, found 1");
    BOOST_TEST(use_error(text, [&](const auto& f) { (void)inner(f).members(); }) ==
               "f:2: a.b: expected an object, found an array");
    BOOST_TEST(use_error(text, [](const auto& f) { (void)f.array_size(); }) ==
               "f:1: expected an array, found an object");
    BOOST_TEST(use_error(text, [](const auto& f) { (void)f.member("a").member("c"); }) ==
               "f:1: a: key 'c' is missing");
    const auto in_a = [&](auto use) {
        return use_error(text, [&](const document_field& f) { use(*f.inner("a")); });
    };
    BOOST_TEST(in_a([](const auto& a) { (void)a.size("n"); }) ==
               "f:4: a.n: expected a whole number from 1 to 2147483647, found -1");
    BOOST_TEST(in_a([](const auto& a) { (void)a.required_size("m"); }) ==
               "f:1: a.m: is missing; expected a whole number >= 1");
    BOOST_TEST(in_a([](const auto& a) { (void)a.probability("n"); }) ==
               "f:4: a.n: expected a number >= 0 and < 1, found -1");
    BOOST_TEST(in_a([](const auto& a) { (void)a.not_negative("n"); }) ==
               "f:4: a.n: expected a number >= 0, found -1");
    BOOST_TEST(in_a([](const auto& a) { a.only("n", true); }) ==
               "f:4: a.n: -1 is not supported; expected true");
    BOOST_TEST(in_a([](const auto& a) { a.only({"b", "N"}); }) ==
               "f:1: a: key 'n' is not supported; did you mean 'N'?");
    BOOST_TEST(in_a([](const auto& a) { a.fail("n", "is wrong"); }) ==
               "f:4: a.n: is wrong");
    BOOST_TEST(
        in_a([](const auto& a) { (void)a.member("b").element(1).one_of({"y"}); }) ==
        "f:3: a.b[1]: 'x' is not known; expected one of y; did you mean 'y'?");
}

BOOST_AUTO_TEST_CASE(whole_numbers_are_no_others) {
    for (const char* const text :
         {"1.0", "1e3", "\"1\"", "true", "null", "[1]", "9223372036854775808"}) {
        const document_node node = parse_json_document(text, "f");
        BOOST_TEST(!whole_of(node).has_value(), text);
    }
    BOOST_TEST(whole_of(parse_json_document("9223372036854775807", "f")).value() ==
               INT64_MAX);
    BOOST_TEST(!number_of(parse_json_document("\"1\"", "f")).has_value());
    BOOST_TEST(number_of(parse_json_document("1e3", "f")).value() == 1000.0);
}

BOOST_AUTO_TEST_SUITE_END()
