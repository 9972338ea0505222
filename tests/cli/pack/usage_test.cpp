// SPDX-License-Identifier: Apache-2.0
// The command line: help, version, and what is refused.
#include "pack_program.hpp"

#include <boost/test/data/test_case.hpp>

#include <ostream>

BOOST_AUTO_TEST_SUITE(usage_test)

using namespace pack_test;

namespace {

struct bad_usage {
    std::string arguments;
    std::string message;
};

std::ostream& operator<<(std::ostream& out, const bad_usage& bad) {
    return out << bad.arguments;
}

const std::string names =
    "first_fit_decreasing, best_fit_decreasing, pattern_fit, worst_fit_decreasing, "
    "first_fit, best_fit, next_fit, window_fit, axolotl";
const std::string kinds =
    "this program reads .txt, .json, .npy, .jsonl, .parquet, .arrow, .feather, and - "
    "(standard input); --input-format says what a file of another name holds";

const std::vector<bad_usage> usages = {
    {"",
     "no input: name files of lengths or samples, or - for standard input; see --help"},
    {"--capacity 5",
     "no input: name files of lengths or samples, or - for standard input; see --help"},
    {"x.txt",
     "--capacity is missing: the tokens a row (sequence_len), as in --capacity 4096"},
    {"x.txt --capacity", "--capacity: its value is missing"},
    {"x.txt --capcity 5", "unknown option '--capcity'; did you mean '--capacity'?"},
    {"x.txt --capacity 5 --treads 2",
     "unknown option '--treads'; did you mean '--threads'?"},
    {"x.txt --capacity 5 --qqqqqqq", "unknown option '--qqqqqqq'"},
    {"x.txt --capacity 0", "--capacity: 0 is below 1; expected a whole number ≥ 1"},
    {"x.txt --capacity -5", "--capacity: -5 is below 1; expected a whole number ≥ 1"},
    {"x.txt --capacity 4k",
     "--capacity: '4k' is not a number; expected a whole number ≥ 1"},
    {"x.txt --capacity 1.5",
     "--capacity: 1.5 is not a whole number; expected a whole number ≥ 1"},
    {"x.txt --capacity 2147483648", "--capacity: 2147483648 is above 2147483647"},
    {"x.txt --capacities 5,,6", "--capacities: has an empty part between commas"},
    {"x.txt --capacity 5 --algorithm best_fti",
     "--algorithm: unknown algorithm 'best_fti'; expected all, or of " + names +
         "; did you mean 'best_fit'?"},
    {"x.txt --capacity 5 --algorithm first_fit,bfd",
     "--algorithm: unknown algorithm 'bfd'; expected all, or of " + names +
         "; did you mean 'best_fit_decreasing'?"},
    {"x.txt --capacity 5 --algorithm first_fit,all",
     "--algorithm: unknown algorithm 'all'; expected all, or of " + names},
    {"x.txt --capacity 5 --excess-length-strategy trunc",
     "--excess-length-strategy: unknown strategy 'trunc'; expected one of drop, "
     "truncate, "
     "split, raise; did you mean 'truncate'?"},
    {"x.txt --capacity 5 --excess-length-strategy rise",
     "--excess-length-strategy: unknown strategy 'rise'; expected one of drop, truncate, "
     "split, raise; did you mean 'raise'?"},
    {"x.txt --capacity 5 --format yaml",
     "--format: unknown format 'yaml'; expected one of table, json, csv, markdown"},
    {"x.txt --capacity 5 --ranks 0",
     "--ranks: 0 is below 1; expected a whole number ≥ 1"},
    {"x.txt --capacity 5 --micro-batch-size x",
     "--micro-batch-size: 'x' is not a number; expected a whole number ≥ 1"},
    {"x.txt --capacity 5 --threads 0",
     "--threads: 0 is below 1; expected a whole number ≥ 1"},
    {"x.txt --capacity 5 --seed -1",
     "--seed: -1 is below 0; expected a whole number ≥ 0"},
    {"- - --capacity 5", "- is named twice; standard input can be read only once"},
    {"x.csv --capacity 5", "x.csv: '.csv' files cannot be read: " + kinds},
    {"x.txt --capacity 5 --input-format parqet",
     "--input-format: unknown format 'parqet'; expected one of txt, json, npy, jsonl, "
     "parquet, arrow; did you mean 'parquet'?"},
    {"x.txt --capacity 5 --column n",
     "--column: is for .parquet and .arrow inputs; none is given"},
    {"tokenizer.model --capacity 5",
     "tokenizer.model: '.model' files cannot be read: " + kinds},
    {"lengths --capacity 5",
     "lengths: files without an extension cannot be read: " + kinds},
    {"a.b/lengths --capacity 5",
     "a.b/lengths: files without an extension cannot be read: " + kinds},
    {"x.jsonl --capacity 5 --text-field t --length-field n",
     "--length-field and --text-field exclude each other: a row holds a length, a text "
     "or "
     "ids"},
    {"x.jsonl --capacity 5 --text-field t",
     "--text-field: needs a tokenizer, as in --tokenizer bytes"},
    {"x.jsonl --capacity 5 --text-field t --tokenizer tokenizer.json",
     "--tokenizer: tokenizer.json: there is no such tokenizer; expected bytes, a "
     "tokenizer.json or .model file, or a folder with one"},
    {"x.jsonl --capacity 5 --text-field t --tokenizer byte",
     "--tokenizer: byte: there is no such tokenizer; expected bytes, a tokenizer.json or "
     ".model file, or a folder with one; did you mean 'bytes'?"},
    {"x.jsonl --capacity 5 --tokenizer bytes",
     "--tokenizer: needs a text, as in --text-field text"},
    {"x.jsonl --capacity 5 --length-field n --vocab-size 5",
     "--vocab-size: is for token ids, not with --length-field"},
    {"x.txt --capacity 5 --length-field n",
     "--length-field: is for .jsonl, .parquet and .arrow inputs; none is given"},
    {"x.txt --capacity 5 --vocab-size 5",
     "--vocab-size: is for .jsonl, .parquet and .arrow inputs; none is given"},
    {"x.txt --capacity 5 --output x.txt",
     "--output: 'x.txt' is an input; it would be lost"},
    {"x.txt --capacity 5 --html ./x.txt",
     "--html: './x.txt' is an input; it would be lost"},
    {"x.txt --capacity 5 --output o --bins o",
     "--bins: 'o' is also the file of --output"},
    {"x.txt --capacity 5 --output no/o",
     "--output: cannot write 'no/o': folder 'no': No such file or directory"},
    {"x.txt --capacity 5 --html .", "--html: cannot write '.': it is a folder"},
};

}  // namespace

BOOST_DATA_TEST_CASE(wrong_usage_is_refused, usages, bad) {
    const temporary_folder folder;
    folder.write("x.txt", "1\n2\n");
    const auto result = run_pack_in(folder, bad.arguments);
    BOOST_TEST(result.exit_code == 2);
    BOOST_TEST(result.err == "packkit-pack: " + bad.message + "\n");
    BOOST_TEST(result.out == "");
    BOOST_TEST(folder.entries() == 1u);
    BOOST_TEST(file_content(folder / "x.txt") == "1\n2\n");
}

BOOST_AUTO_TEST_CASE(help_names_every_option_and_has_examples) {
    const auto result = run_pack("--help");
    BOOST_TEST(result.exit_code == 0);
    BOOST_TEST(result.err == "");
    for (const char* text : {"--capacity",
                             "--capacities",
                             "--algorithm",
                             "--excess-length-strategy",
                             "--seed",
                             "--threads",
                             "--micro-batch-size",
                             "--gradient-accumulation-steps",
                             "--ranks",
                             "--group-size",
                             "--bin-size",
                             "--sequential",
                             "--bins",
                             "--output",
                             "--html",
                             "--format",
                             "--length-field",
                             "--text-field",
                             "--tokenizer",
                             "--ids-field",
                             "--vocab-size",
                             "--version",
                             "Examples:",
                             "are those that packkit-train packs",
                             "axolotl",
                             "Exit status"}) {
        BOOST_TEST((result.out.find(text) != std::string::npos), text);
    }
}

BOOST_AUTO_TEST_CASE(version) {
    const auto result = run_pack("--version");
    BOOST_TEST(result.exit_code == 0);
    BOOST_TEST((result.out.starts_with("packkit-pack ") && result.out.ends_with("\n")));
}

BOOST_AUTO_TEST_CASE(help_on_a_closed_standard_output_fails) {
    process_options options;
    options.close_stdout = true;
    BOOST_TEST(run_pack("--help", options).exit_code == 1);
}

BOOST_AUTO_TEST_CASE(a_file_name_cannot_break_the_line) {
    const auto result =
        packkit::test::run_process({PACKKIT_PACK_PROGRAM, "a\nb.txt", "--capacity", "5"});
    BOOST_TEST(result.exit_code == 2);
    BOOST_TEST(result.err ==
               "packkit-pack: a\\nb.txt: cannot be opened: No such file or directory\n");
}

BOOST_AUTO_TEST_SUITE_END()
