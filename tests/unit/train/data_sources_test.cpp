// SPDX-License-Identifier: Apache-2.0
// Files of data sets: their formats (sources/make_sources.py), the names that stand for
// them, and the rows of them that are read.
#include <common/compressed_file.hpp>
#include <common/csv.hpp>
#include <common/json_rows.hpp>
#include <config/config.hpp>
#include <config/dataset_files.hpp>
#include <data/dataset.hpp>
#include <data/held_out.hpp>

#include "train_test.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

BOOST_AUTO_TEST_SUITE(data_sources_test)

using namespace packkit::train;
namespace app = packkit::app;
namespace fs = std::filesystem;
using app::input_file;
using app::json;
using train_test::error_of;
using train_test::run_folder;

namespace {

const std::string beside = PACKKIT_SOURCES "/";
const train_test::temporary_folder folder;
const byte_tokenizer bytes;

template <class Reader>
std::vector<json> rows_of(Reader& reader) {
    std::vector<json> rows;
    for (json row; reader.next(row);)
        rows.push_back(row);
    return rows;
}

std::vector<json> csv_rows(std::string_view text) {
    app::csv_reader reader(input_file("x.csv", std::string(text)));
    return rows_of(reader);
}

std::string csv_error(std::string_view text) {
    return error_of(folder, [&] { csv_rows(text); });
}

std::vector<json> json_rows(std::string_view text) {
    app::json_row_reader reader(input_file("x.json", std::string(text)));
    return rows_of(reader);
}

std::string json_error(std::string_view text) {
    return error_of(folder, [&] { json_rows(text); });
}

/// The texts of the samples of one dataset of type completion, each between bars.
std::string texts(const dataset_config& data, std::uint64_t seed = 42) {
    train_config config;
    config.seed = seed;
    config.datasets.push_back(data);
    const auto store = read_datasets(config, bytes, 259);
    std::string all = "|";
    for (std::size_t i = 0; i < store.size(); ++i)
        all += bytes.decode(store.tokens(i)) + "|";
    return all;
}

/// A folder of a run with files of one row each, whose texts are their names.
struct many_files {
    many_files() {
        const auto add = [&](const std::string& name) {
            const fs::path path = run.folder.path() / name;
            fs::create_directories(path.parent_path());
            run.folder.write(name, "{\"text\":\"" + path.stem().string() + "\"}\n");
        };
        for (const char* const name :
             {"parts/b.jsonl", "parts/a.jsonl", "parts/sub/c.jsonl",
              "parts/.hidden.jsonl", "split/train-1.jsonl", "split/train-0.jsonl",
              "split/test-0.jsonl"})
            add(name);
        run.folder.write("parts/README.md", "no data");
    }

    /// The first dataset of a configuration with this entry.
    [[nodiscard]] dataset_config load(const std::string& entry) const {
        return load_config(
                   run.write(run_folder::config_with("datasets: [" + entry + "]")))
            .datasets[0];
    }
    [[nodiscard]] std::string texts_with(const std::string& entry) const {
        return texts(load(entry));
    }
    [[nodiscard]] std::string error_with(const std::string& entry) const {
        return error_of(run.folder, [&] { static_cast<void>(load(entry)); });
    }

    run_folder run;
};

}  // namespace

BOOST_AUTO_TEST_CASE(csv_rows_are_those_of_python) {
    app::csv_reader reader(app::open_data_file(beside + "rows.csv"));
    BOOST_TEST(reader.columns() ==
                   (std::vector<std::string>{"instruction", "input", "output", "id"}),
               boost::test_tools::per_element());
    const json expected = app::read_json_file(beside + "rows.json");
    const auto rows = rows_of(reader);
    BOOST_TEST_REQUIRE(rows.size() == expected.size());
    for (std::size_t i = 0; i < rows.size(); ++i)
        BOOST_TEST(rows[i].dump() == expected[i].dump());
    BOOST_TEST(reader.place() == beside + "rows.csv:8");
}

BOOST_AUTO_TEST_CASE(wrong_csv_rows) {
    BOOST_TEST(csv_error("") == "x.csv: is empty; expected a header");
    BOOST_TEST(csv_error("a,,b\n") == "x.csv:1: a column has no name");
    BOOST_TEST(csv_error("a,b,a\n") == "x.csv:1: column 'a' is there more than once");
    BOOST_TEST(csv_error("a,b\n1,2\n3\n") == "x.csv:3: has 1 field, the header has 2");
    BOOST_TEST(csv_error("a,b\n1,2,3\n") == "x.csv:2: has 3 fields, the header has 2");
    BOOST_TEST(csv_error("a\n\"x\"y\n") ==
               "x.csv:2: text follows the quote that closes field 1; a quote inside a "
               "field is doubled");
    BOOST_TEST(csv_error("a\n\n\"x\ny") == "x.csv:3: a quoted field is not closed");
    BOOST_TEST(csv_error("a\nx\xff\n") == "x.csv:2: field 1 is not UTF-8 at byte 1");
    BOOST_TEST(csv_rows("a\r\n").empty());
}

BOOST_AUTO_TEST_CASE(json_arrays_and_lines) {
    BOOST_TEST(json_rows("[]").empty());
    const auto array =
        json_rows(" [ {\"a\": \"]},{\\\"\"},\n{\"a\": [1,\n{\"b\": 2}]} ]\n");
    BOOST_TEST_REQUIRE(array.size() == 2u);
    BOOST_TEST(array[0].dump() == R"({"a":"]},{\""})");
    BOOST_TEST(array[1].dump() == R"({"a":[1,{"b":2}]})");
    BOOST_TEST(json_rows("{\"a\":1}\n{\"a\":2}\n").size() == 2u);
    BOOST_TEST(json_rows("\xEF\xBB\xBF[{\"a\":1}]").size() == 1u);
}

BOOST_AUTO_TEST_CASE(wrong_json_arrays) {
    BOOST_TEST(json_error("[{\"a\":1},\n{\"a\":2}") ==
               "x.json:2: the array is not closed");
    BOOST_TEST(json_error("[{\"a\":1}]\n\n{\"a\":2}") ==
               "x.json:3: text follows the array");
    BOOST_TEST(json_error("[{\"a\":1},\n\n{\"a\" 2}]")
                   .starts_with("x.json:3: not valid JSON: "));
    BOOST_TEST(json_error("[{\"a\":1},\n]") ==
               "x.json:2: the array has a comma without a row behind it");
    // A row that is broken is passed over by the next call.
    app::json_row_reader reader(input_file("x.json", "[{\"a\":1},{,},{\"a\":3}]"));
    json row;
    BOOST_TEST(reader.next(row));
    BOOST_CHECK_THROW(reader.next(row), app::input_error);
    BOOST_TEST(reader.next(row));
    BOOST_TEST(row["a"] == 3);
    BOOST_TEST(!reader.next(row));
}

BOOST_AUTO_TEST_CASE(compressed_files_are_read_as_what_they_hold) {
    for (const char* const name : {"rows.jsonl.gz", "rows.jsonl.zst"}) {
        BOOST_TEST(texts({.path = beside + name}) == "|one|two|three|");
        // A file that is cut short or damaged anywhere is refused, or read as it was.
        const std::string whole = app::read_file(beside + name);
        for (std::size_t i = 0; i < whole.size(); ++i) {
            const auto error = [&](const std::string& content) {
                const dataset_config data = {
                    .path = folder.write("x-" + std::string(name), content)};
                return error_of(folder, [&] { static_cast<void>(texts(data)); });
            };
            BOOST_TEST(
                error(whole.substr(0, i)).starts_with("x-" + std::string(name) + ":"), i);
        }
        const std::string damaged =
            whole.substr(0, 12) + static_cast<char>(whole[12] ^ 0x55) + whole.substr(13);
        const dataset_config data = {.path =
                                         folder.write("d-" + std::string(name), damaged)};
        BOOST_TEST(error_of(folder, [&] {
                       static_cast<void>(texts(data));
                   }).starts_with("d-" + std::string(name)));
    }
}

BOOST_AUTO_TEST_CASE(names_that_stand_for_many_files) {
    const many_files files;
    BOOST_TEST(files.texts_with("{path: parts}") == "|a|b|c|");
    BOOST_TEST(files.texts_with("{path: parts, ds_type: json}") == "|a|b|c|");
    BOOST_TEST(files.texts_with("{path: 'parts/*.jsonl'}") == "|a|b|");
    BOOST_TEST(files.texts_with("{path: 'parts/**/*.jsonl'}") == "|a|b|c|");
    BOOST_TEST(files.texts_with("{path: 'part?/[b-c].jsonl'}") == "|b|");
    BOOST_TEST(files.texts_with("{path: [parts/b.jsonl, parts/a.jsonl]}") == "|b|a|");
    BOOST_TEST(files.texts_with("{path: json, data_files: parts/b.jsonl}") == "|b|");
    BOOST_TEST(files.texts_with(
                   "{path: json, data_files: ['parts/b*', parts/a.jsonl]}") == "|b|a|");
    BOOST_TEST(files.texts_with("{path: parts, data_files: b.jsonl}") == "|b|");
    BOOST_TEST(files.texts_with("{path: split}") == "|train-0|train-1|");
    BOOST_TEST(files.texts_with("{path: split, split: test}") == "|test-0|");
    BOOST_TEST(files.load("{path: split}").notes.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_pattern_is_what_the_user_writes) {
    // The folder of the configuration may have characters of patterns in its name.
    const many_files files;
    fs::create_directories(files.run.folder.path() / "run[1]");
    files.run.folder.write("run[1]/x.jsonl", "{\"text\":\"x\"}\n");
    std::string text = run_folder::config_with("datasets: [{path: '*.jsonl'}]");
    text = train_test::replaced(text, "base_model: model", "base_model: ../model");
    files.run.folder.write("run[1]/config.yaml", text);
    const auto config =
        load_config((files.run.folder.path() / "run[1]/config.yaml").string());
    BOOST_TEST(texts(config.datasets[0]) == "|x|");
}

BOOST_AUTO_TEST_CASE(names_that_stand_for_no_file) {
    const many_files files;
    const std::string at = "config.yaml:1: datasets.0.";
    BOOST_TEST(files.error_with("{path: 'parts/*.csv'}") ==
               at + "path: no file matches 'parts/*.csv'");
    BOOST_TEST(files.error_with("{path: json}") ==
               at + "path: 'json' is a format without files; name them in data_files");
    BOOST_TEST(files.error_with("{path: json, data_files: none.jsonl}") ==
               at + "data_files: 'none.jsonl' does not exist");
    BOOST_TEST(
        files.error_with("{path: split, split: validation}") ==
        at + "split: 'split' has no split 'validation'; its files are of test, train");
    BOOST_TEST(files.error_with("{path: 'https://x.org/a.jsonl'}")
                   .starts_with(at +
                                "path: 'https://x.org/a.jsonl' is not on this machine "
                                "and nothing is downloaded; fetch it first"));
    fs::create_directory(files.run.folder.path() / "empty");
    BOOST_TEST(
        files.error_with("{path: empty}") ==
        at + "path: the folder 'empty' holds no .jsonl, .json, .parquet, .arrow, .csv "
             "or .txt file");
    files.run.folder.write("parts/d.csv", "text\nd\n");
    BOOST_TEST(files.error_with("{path: parts}") ==
               at + "path: the folder 'parts' holds files of several formats (a.jsonl, "
                    "d.csv); choose with ds_type, data_files or a pattern");
    BOOST_TEST(files.texts_with("{path: parts, ds_type: csv}") == "|d|");
}

BOOST_AUTO_TEST_CASE(data_sets_of_the_hub) {
    const many_files files;
    const std::string cache = files.run.folder.path() / "hub";
    ::setenv("HF_HUB_CACHE", cache.c_str(), 1);
    const std::string error = files.error_with("{path: someone/some-data}");
    BOOST_TEST(error ==
               "config.yaml:1: datasets.0.path: 'someone/some-data' does not "
               "exist, and the local Hugging Face cache 'hub' holds no data set "
               "'someone/some-data'; nothing is downloaded, so run: "
               "huggingface-cli download --repo-type dataset someone/some-data");
    const fs::path root = fs::path(cache) / "datasets--someone--some-data";
    fs::create_directories(root / "refs");
    fs::create_directories(root / "snapshots" / "abc" / "data");
    files.run.folder.write("hub/datasets--someone--some-data/refs/main", "abc");
    files.run.folder.write(
        "hub/datasets--someone--some-data/snapshots/abc/data/train-0.jsonl",
        "{\"text\":\"cached\"}\n");
    BOOST_TEST(files.texts_with("{path: someone/some-data}") == "|cached|");
    BOOST_TEST(files.texts_with("{path: someone/some-data, revision: abc}") ==
               "|cached|");
    BOOST_TEST(files.error_with("{path: someone/some-data, revision: v2}")
                   .starts_with("config.yaml:1: datasets.0.path: "));
    ::unsetenv("HF_HUB_CACHE");
}

BOOST_AUTO_TEST_CASE(rows_that_are_read) {
    dataset_config data;
    std::string lines;
    for (int i = 0; i < 10; ++i)
        lines += "{\"text\":\"" + std::to_string(i) + "\"}\n";
    data.path = folder.write("ten.jsonl", lines);
    const auto rows = [&](std::optional<slice_end> from, std::optional<slice_end> to,
                          std::int64_t skip = 0) {
        data.rows = {.skip = skip, .from = from, .to = to};
        return texts(data);
    };
    BOOST_TEST(rows({}, {}, 7) == "|7|8|9|");
    BOOST_TEST(rows(slice_end{2}, slice_end{4}) == "|2|3|");
    BOOST_TEST(rows(slice_end{-2}, {}) == "|8|9|");
    BOOST_TEST(rows({}, slice_end{25, true}) == "|0|1|");  // 2.5 is rounded to even
    BOOST_TEST(rows(slice_end{-10, true}, {}) == "|9|");
    BOOST_TEST(rows({}, slice_end{50, true}, 6) == "|6|7|");
    // What lies behind the end of a slice is not read.
    data.path = folder.write("broken.jsonl", lines + "{\"text\":\n");
    BOOST_TEST(rows({}, slice_end{3}) == "|0|1|2|");
    data.path = folder.path() / "ten.jsonl";
    // Every row is in one shard, and the seed chooses in which.
    std::string all;
    for (std::int64_t i = 0; i < 3; ++i) {
        data.rows = {.shards = 3, .shards_idx = i};
        all += texts(data);
    }
    BOOST_TEST(all.size() == 10u * 2 + 3);
    for (char digit = '0'; digit <= '9'; ++digit)
        BOOST_TEST(all.find(digit) != std::string::npos);
    data.rows = {.shards = 2};
    BOOST_TEST(texts(data, 1) != texts(data, 2));
}

BOOST_AUTO_TEST_CASE(samples_that_are_held_out) {
    token_store samples;
    for (std::int32_t i = 0; i < 100; ++i)
        samples.append(std::vector<std::int32_t>{i, i + 1, i + 2});
    samples.set_report({.rows = 100,
                        .samples = 100,
                        .tokens_read = 300,
                        .tokens = 300,
                        .valid_targets = 200});
    train_config config;
    BOOST_TEST(hold_out(samples, config).evaluation.empty());
    config.val_set_size = 0.101;
    const auto divided = hold_out(samples, config);
    BOOST_TEST(divided.training.size() == 89u);
    BOOST_TEST(divided.evaluation.size() == 11u);
    const auto& report = divided.training.report();
    BOOST_TEST(report.samples == 89);
    BOOST_TEST(report.tokens == 267);
    BOOST_TEST(report.valid_targets == 178);
    BOOST_TEST(report.held_out == 11);
    BOOST_TEST(report.tokens_read == report.tokens + report.held_out_tokens);
    BOOST_TEST(hold_out(samples, config).evaluation.content_hash() ==
               divided.evaluation.content_hash());
    config.seed = 1;
    BOOST_TEST(hold_out(samples, config).evaluation.content_hash() !=
               divided.evaluation.content_hash());
    config.shuffle_merged_datasets = false;
    config.val_set_size = 2;
    const auto last = hold_out(samples, config).evaluation;
    BOOST_TEST(last.tokens(0)[0] == 98);
    BOOST_TEST(last.tokens(1)[0] == 99);
    config.val_set_size = 100;
    BOOST_TEST(error_of(folder, [&] { static_cast<void>(hold_out(samples, config)); }) ==
               "val_set_size: 100 leaves none of 100 samples for training");
}

BOOST_AUTO_TEST_CASE(texts_for_pretraining) {
    const run_folder run;
    run.folder.write("body.jsonl", "{\"body\":\"x\"}\n");
    const auto load = [&](const std::string& value) {
        return load_config(run.write(
            run_folder::config_with("datasets:\npretraining_dataset: " + value)));
    };
    BOOST_TEST(texts(load("data.txt").datasets[0]) == "|abc|");
    const auto config = load(
        "[{path: body.jsonl, text_column: body, type: pretrain}, "
        "data.txt]");
    BOOST_TEST(config.datasets.size() == 2u);
    BOOST_TEST(texts(config.datasets[0]) == "|x|");
    BOOST_TEST(config.datasets[1].pretraining);
    BOOST_TEST(!config.max_steps);
}

BOOST_AUTO_TEST_SUITE_END()
