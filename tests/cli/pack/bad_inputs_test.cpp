// SPDX-License-Identifier: Apache-2.0
// Every bad input: one line with place and values, exit status 2, no file left behind;
// and its good twin, which must be read.
#include "pack_program.hpp"

#include <boost/test/data/test_case.hpp>

#include <ostream>

BOOST_AUTO_TEST_SUITE(bad_inputs_test)

using namespace pack_test;

namespace {

struct bad_input {
    std::string file;
    std::string content;
    std::string arguments;
    std::string message;  ///< the line on stderr, after "packkit-pack: "
    std::string good;     ///< content of the twin, read with the same arguments
};

std::ostream& operator<<(std::ostream& out, const bad_input& bad) {
    return out << bad.message;
}

std::string npy_header(const std::string& descr, const std::string& shape) {
    return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
}

const std::string two_int64 = npy_of(std::vector<std::int64_t>{5, 6}, "<i8").substr(128);
const std::string good_npy = npy_of(std::vector<std::int64_t>{5, 6}, "<i8");

const std::vector<bad_input> bad_inputs = {
    // Lists of lengths as text.
    {"x.txt", "", "", "x.txt: the file is empty; expected a length a line", "1"},
    {"x.txt", "\n\n", "", "x.txt: holds no samples", "1\n\n"},
    {"x.txt", "5\n-3\n7\n", "",
     "x.txt:2: length -3 is negative; expected a whole number ≥ 1", "5\n3\n7\n"},
    {"x.txt", "5\n7\n0", "", "x.txt:3: length 0 is zero; expected a whole number ≥ 1",
     "5\n7\n1"},
    {"x.txt", "12.5\n", "",
     "x.txt:1: length 12.5 is fractional; expected a whole number ≥ 1", "12\n"},
    {"x.txt", "1e3\n", "",
     "x.txt:1: length 1e3 is fractional; expected a whole number ≥ 1", "1000\n"},
    {"x.txt", "99999999999999999999\n", "",
     "x.txt:1: length 99999999999999999999 does not fit 64 bits; expected a whole number "
     "≥ 1",
     "999\n"},
    {"x.txt", "5\nabc\n", "",
     "x.txt:2: 'abc' is not a number; expected a whole number ≥ 1", "5\n6\n"},
    {"x.txt", "5 6\n", "", "x.txt:1: '5 6' is not a number; expected a whole number ≥ 1",
     "5\n6\n"},
    {"x.txt", "5,\n", "", "x.txt:1: '5,' is not a number; expected a whole number ≥ 1",
     "5\n"},
    {"x.txt", "+5\n", "", "x.txt:1: '+5' is not a number; expected a whole number ≥ 1",
     "5\n"},
    {"x.txt", "5\n\n6\n", "", "x.txt:2: no length; expected a whole number ≥ 1",
     "5\n6\n\n"},
    {"x.txt", "5\n\x01\xff\n", "",
     "x.txt:2: '\\x01\\xff' is not a number; expected a whole number ≥ 1", "5\n1\n"},
    {"x.txt", "9223372036854775807\n1\n", "--excess-length-strategy truncate",
     "x.txt:2: length 1 brings the sum of all lengths above 2^63",
     "9223372036854775806\n1\n"},

    // JSON arrays.
    {"x.json", "", "", "x.json:1: empty; expected a JSON document", "[1]"},
    {"x.json", "[]", "", "x.json: holds no samples", "[1]"},
    {"x.json", "[1,\n2,\n-3]", "",
     "x.json:3: element 2: length -3 is negative; expected a whole number ≥ 1",
     "[1,\n2,\n3]"},
    {"x.json", "[1, 0]", "",
     "x.json:1: element 1: length 0 is zero; expected a whole number ≥ 1", "[1, 2]"},
    {"x.json", "[1, 2.0]", "",
     "x.json:1: element 1: length 2.0 is fractional; expected a whole number ≥ 1",
     "[1, 2]"},
    {"x.json", "[1, 9223372036854775808]", "",
     "x.json:1: element 1: length 9223372036854775808 does not fit 64 bits; expected a "
     "whole number ≥ 1",
     "[1, 2]"},
    {"x.json", "[1, null]", "",
     "x.json:1: element 1: null is not a length; expected a whole number ≥ 1", "[1]"},
    {"x.json", "[1, \"2\"]", "",
     "x.json:1: element 1: a string is not a length; expected a whole number ≥ 1",
     "[1, 2]"},
    {"x.json", "[[1, 2]]", "",
     "x.json:1: element 0: an array is not a length; expected a whole number ≥ 1",
     "[1, 2]"},
    {"x.json", "{\"lengths\": [1]}", "", "x.json:1: expected an array, found an object",
     "[1]"},
    {"x.json", "[1,\n2", "",
     "x.json:2: not valid JSON: syntax error while parsing array - unexpected end of "
     "input; "
     "expected ']'",
     "[1,\n2]"},
    {"x.json", "[1 2]", "",
     "x.json:1: not valid JSON: syntax error while parsing array - unexpected number "
     "literal; expected ']'",
     "[1,2]"},

    // NumPy arrays.
    {"x.npy", "", "", "x.npy: the file is empty; expected a NumPy array", good_npy},
    {"x.npy", "5\n6\n", "",
     "x.npy: is no NumPy file: it does not begin with '\\x93NUMPY'", good_npy},
    {"x.npy", good_npy.substr(0, 7), "",
     "x.npy: broken NumPy header: the file ends inside it, after 7 bytes", good_npy},
    {"x.npy", good_npy.substr(0, 60), "",
     "x.npy: broken NumPy header: the file ends inside it, after 60 bytes", good_npy},
    {"x.npy", good_npy.substr(0, good_npy.size() - 1), "",
     "x.npy: its header announces 2 elements of 8 bytes, but 15 bytes follow it",
     good_npy},
    {"x.npy", good_npy + "x", "",
     "x.npy: its header announces 2 elements of 8 bytes, but 17 bytes follow it",
     good_npy},
    {"x.npy", npy_file(npy_header("<i8", "(2305843009213693954,)"), two_int64), "",
     "x.npy: its header announces 2305843009213693954 elements of 8 bytes, but 16 bytes "
     "follow it",
     good_npy},
    {"x.npy", npy_file(npy_header("<i8", "(99999999999999999999,)"), two_int64), "",
     "x.npy: broken NumPy header: expected a size at '99999999999999999999'", good_npy},
    {"x.npy", npy_file(npy_header("<i8", "(2, 1)"), two_int64), "",
     "x.npy: has 2 dimensions; expected one", good_npy},
    {"x.npy", npy_file(npy_header("<i8", "()"), two_int64.substr(8)), "",
     "x.npy: has 0 dimensions; expected one", good_npy},
    {"x.npy", npy_file(npy_header("<i8", "(2)"), two_int64), "",
     "x.npy: broken NumPy header: expected ',' after the only size", good_npy},
    {"x.npy", npy_file(npy_header("<f8", "(2,)"), two_int64), "",
     "x.npy: holds floating-point numbers (dtype '<f8'); expected integers, as int64",
     good_npy},
    {"x.npy", npy_file(npy_header("|O", "(2,)"), two_int64), "",
     "x.npy: holds pickled objects (dtype '|O'); expected integers, as int64", good_npy},
    {"x.npy", npy_file(npy_header("|b1", "(16,)"), two_int64), "",
     "x.npy: holds booleans (dtype '|b1'); expected integers, as int64", good_npy},
    {"x.npy", npy_file(npy_header("<i16", "(1,)"), two_int64), "",
     "x.npy: holds an unknown type (dtype '<i16'); expected integers, as int64",
     good_npy},
    {"x.npy",
     npy_file("{'descr': [('a', '<i8')], 'fortran_order': False, 'shape': (2,), }",
              two_int64),
     "", "x.npy: holds records; expected one-dimensional integers", good_npy},
    {"x.npy", npy_file("{'descr': '<i8', 'shape': (2,), }", two_int64), "",
     "x.npy: broken NumPy header: no 'fortran_order'", good_npy},
    {"x.npy",
     npy_file("{'descr': '<i8', 'descr': '<i8', 'fortran_order': False, 'shape': (2,)}",
              two_int64),
     "", "x.npy: broken NumPy header: key 'descr' appears twice", good_npy},
    {"x.npy", npy_file(npy_header("<i8", "(2,)"), two_int64, 4), "",
     "x.npy: NumPy format version 4.0; expected 1.0, 2.0 or 3.0", good_npy},
    {"x.npy", npy_of(std::vector<std::int64_t>{5, -6}, "<i8"), "",
     "x.npy: element 1: length -6 is negative; expected a whole number ≥ 1", good_npy},
    {"x.npy", npy_of(std::vector<std::int8_t>{-1}, "|i1"), "",
     "x.npy: element 0: length -1 is negative; expected a whole number ≥ 1", good_npy},
    {"x.npy", npy_of(std::vector<std::uint64_t>{1, 1ULL << 63U}, "<u8"), "",
     "x.npy: element 1: length 9223372036854775808 does not fit 64 bits with a sign; "
     "expected a whole number ≥ 1",
     npy_of(std::vector<std::uint64_t>{1, 2}, "<u8")},
    {"x.npy", npy_of(std::vector<std::int64_t>{}, "<i8"), "", "x.npy: holds no samples",
     good_npy},

    // JSON Lines: rows.
    {"x.jsonl", "", "", "x.jsonl: the file is empty; expected a JSON object a line",
     "{\"input_ids\": [1]}"},
    {"x.jsonl", "\n \n", "", "x.jsonl: holds no samples", "\n{\"input_ids\": [1]}\n"},
    {"x.jsonl", "{\"input_ids\": [1]}\n{\"input_ids\": [1\n", "",
     "x.jsonl:2: not valid JSON: syntax error while parsing array - unexpected end of "
     "input; "
     "expected ']'",
     "{\"input_ids\": [1]}\n{\"input_ids\": [1]}\n"},
    {"x.jsonl", "{\"input_ids\": [1]}\n{\"input_ids\": [1", "",
     "x.jsonl:2: the last line is cut short: its 16 bytes end inside a JSON value",
     "{\"input_ids\": [1]}\n{\"input_ids\": [1]}"},
    {"x.jsonl", "{\"input_ids\": [1], \"input_ids\": [1, 2]}\n", "",
     "x.jsonl:1: key 'input_ids' appears twice in one object", "{\"input_ids\": [1]}\n"},
    {"x.jsonl", "[1, 2]\n", "",
     "x.jsonl:1: the row is an array; expected an object with 'input_ids'",
     "{\"input_ids\": [1]}\n"},
    {"x.jsonl", "{\"input_id\": [1], \"text\": \"a\"}\n", "",
     "x.jsonl:1: no field 'input_ids'; the row has input_id, text; did you mean "
     "'input_id'?",
     "{\"input_ids\": [1]}\n"},
    {"x.jsonl", "{\"a\": {\"c\": 1}}\n", "--length-field a.b",
     "x.jsonl:1: no field 'a.b'; the row has c; did you mean 'c'?",
     "{\"a\": {\"b\": 1}}\n"},
    {"x.jsonl", "{\"a\": 5}\n", "--length-field a.b",
     "x.jsonl:1: no field 'a.b'; the row has none", "{\"a\": {\"b\": 1}}\n"},

    // JSON Lines: ids.
    {"x.jsonl", "{\"input_ids\": [1]}\n{\"input_ids\": [1, 32000]}\n",
     "--vocab-size 32000",
     "x.jsonl:2: input_ids[1]: id 32000 is outside the vocabulary of 32000; expected an "
     "id "
     "below",
     "{\"input_ids\": [1]}\n{\"input_ids\": [1, 31999]}\n"},
    {"x.jsonl", "{\"input_ids\": [1, -1]}\n", "",
     "x.jsonl:1: input_ids[1]: id -1 is negative; expected a whole number ≥ 0",
     "{\"input_ids\": [1, 0]}\n"},
    {"x.jsonl", "{\"input_ids\": [1, 1.5]}\n", "",
     "x.jsonl:1: input_ids[1]: 1.5 is not a token id; expected a whole number ≥ 0",
     "{\"input_ids\": [1, 1]}\n"},
    {"x.jsonl", "{\"input_ids\": [[1]]}\n", "",
     "x.jsonl:1: input_ids[0]: an array is not a token id; expected a whole number ≥ 0",
     "{\"input_ids\": [1]}\n"},
    {"x.jsonl", "{\"input_ids\": \"abc\"}\n", "",
     "x.jsonl:1: input_ids: a string; expected an array of token ids",
     "{\"input_ids\": [1]}\n"},

    // JSON Lines: lengths and texts.
    {"x.jsonl", "{\"n\": 5}\n{\"n\": -5}\n", "--length-field n",
     "x.jsonl:2: n: length -5 is negative; expected a whole number ≥ 1",
     "{\"n\": 5}\n{\"n\": 6}\n"},
    {"x.jsonl", "{\"n\": 0}\n", "--length-field n",
     "x.jsonl:1: n: length 0 is zero; expected a whole number ≥ 1", "{\"n\": 1}\n"},
    {"x.jsonl", "{\"n\": 2.5}\n", "--length-field n",
     "x.jsonl:1: n: length 2.5 is fractional; expected a whole number ≥ 1",
     "{\"n\": 2}\n"},
    {"x.jsonl", "{\"n\": 18446744073709551615}\n", "--length-field n",
     "x.jsonl:1: n: length 18446744073709551615 does not fit 64 bits; expected a whole "
     "number ≥ 1",
     "{\"n\": 2}\n"},
    {"x.jsonl", "{\"n\": \"5\"}\n", "--length-field n",
     "x.jsonl:1: n: a string is not a length; expected a whole number ≥ 1",
     "{\"n\": 5}\n"},
    {"x.jsonl", "{\"t\": \"a\"}\n{\"t\": null}\n", "--text-field t --tokenizer bytes",
     "x.jsonl:2: t: null; expected a text", "{\"t\": \"a\"}\n{\"t\": \"null\"}\n"},
    {"x.jsonl", "{\"t\": \"\xff\"}\n", "--text-field t --tokenizer bytes",
     "x.jsonl:1: not valid JSON: syntax error while parsing value - invalid string: "
     "ill-formed UTF-8 byte, after '\"\\xff'",
     "{\"t\": \"\xc3\xbf\"}\n"},

    // Samples that do not fit.
    {"x.txt", "5\n4097\n", "--excess-length-strategy raise",
     "x.txt:2: length 4097 is above the capacity 4096; --excess-length-strategy raise "
     "allows none",
     "5\n4096\n"},
    {"x.jsonl", "{\"n\": 9}\n{\"n\": 5000}\n",
     "--length-field n --excess-length-strategy raise",
     "x.jsonl:2: n: length 5000 is above the capacity 4096; --excess-length-strategy "
     "raise "
     "allows none",
     "{\"n\": 9}\n{\"n\": 4096}\n"},
    {"x.txt", "5000\n5001\n", "",
     "--capacity 4096: no sample is left to pack: 0 are empty, 2 longer than the "
     "capacity",
     "5000\n1\n"},
    {"x.jsonl", "{\"t\": \"\"}\n", "--text-field t --tokenizer bytes",
     "--capacity 4096: no sample is left to pack: 1 are empty, 0 longer than the "
     "capacity",
     "{\"t\": \"\"}\n{\"t\": \"a\"}\n"},
    {"x.txt", "9000000000000000000\n", "--excess-length-strategy split",
     "--excess-length-strategy: split into rows of 4096 makes 2197265625000000 pieces, "
     "more "
     "than 4294967295",
     "9000\n"},
};

}  // namespace

BOOST_DATA_TEST_CASE(bad_input_is_refused_and_its_good_twin_is_read, bad_inputs, bad) {
    const std::string arguments = bad.file +
                                  " --capacity 4096 --output out --bins bins "
                                  "--html report.html " +
                                  bad.arguments;
    {
        const temporary_folder folder;
        folder.write(bad.file, bad.content);
        const auto result = run_pack_in(folder, arguments);
        BOOST_TEST(result.exit_code == 2);
        BOOST_TEST(result.err == "packkit-pack: " + bad.message + "\n");
        BOOST_TEST(result.out == "");
        BOOST_TEST(folder.entries() == 1u);  // the input alone
    }
    const temporary_folder folder;
    folder.write(bad.file, bad.good);
    const auto result = run_pack_in(folder, arguments);
    BOOST_TEST(result.exit_code == 0);
    BOOST_TEST(result.err == "");
    BOOST_TEST(result.out == "");
    BOOST_TEST(folder.entries() == 4u);  // out, bins and report.html beside it
}

BOOST_AUTO_TEST_CASE(bad_standard_input) {
    process_options options;
    options.input = "5\nx\n";
    const auto result = run_pack("- --capacity 10", options);
    BOOST_TEST(result.exit_code == 2);
    BOOST_TEST(
        result.err ==
        "packkit-pack: stdin:2: 'x' is not a number; expected a whole number ≥ 1\n");
    options.input = "";
    const auto empty = run_pack("- --capacity 10", options);
    BOOST_TEST(empty.exit_code == 2);
    BOOST_TEST(empty.err ==
               "packkit-pack: stdin: the file is empty; expected a length a line\n");
}

BOOST_AUTO_TEST_CASE(numbers_of_a_million_digits_are_not_repeated) {
    const temporary_folder folder;
    const std::string digits(1000000, '7');
    folder.write("x.txt", digits + "\n");
    folder.write("x.json", "[" + digits + "]");
    folder.write("y.json", "[\"" + digits + "\"]");
    folder.write("x.jsonl", "{\"n\": " + digits + "}\n");
    for (const char* const input :
         {"x.txt", "x.json", "y.json", "x.jsonl --length-field n"}) {
        const auto result = run_pack_in(folder, std::string(input) + " --capacity 10");
        BOOST_TEST(result.exit_code == 2, input);
        BOOST_TEST(result.err.size() < 400, input << ": " << result.err.size());
    }
}

BOOST_AUTO_TEST_CASE(the_second_input_is_checked_too) {
    const temporary_folder folder;
    folder.write("a.txt", "5\n");
    folder.write("b.txt", "");
    const auto result = run_pack_in(folder, "a.txt b.txt --capacity 10 --output out");
    BOOST_TEST(result.exit_code == 2);
    BOOST_TEST(result.err ==
               "packkit-pack: b.txt: the file is empty; expected a length a line\n");
    BOOST_TEST(folder.entries() == 2u);
}

BOOST_AUTO_TEST_CASE(files_that_cannot_be_opened) {
    const temporary_folder folder;
    const auto none = run_pack_in(folder, "none.txt --capacity 10");
    BOOST_TEST(none.exit_code == 2);
    BOOST_TEST(none.err ==
               "packkit-pack: none.txt: cannot be opened: No such file or directory\n");
    std::filesystem::create_directory(folder.path() / "folder.txt");
    const auto is_folder = run_pack_in(folder, "folder.txt --capacity 10");
    BOOST_TEST(is_folder.exit_code == 2);
    BOOST_TEST(is_folder.err ==
               "packkit-pack: folder.txt: is a folder; expected a file\n");
}

BOOST_AUTO_TEST_SUITE_END()
