// SPDX-License-Identifier: Apache-2.0
// Data sets in Parquet and Arrow files: the samples of the same rows as JSON lines, and
// what is said of broken files (columns/make_columns.py).
#include <data/dataset.hpp>
#include <data/prepared_data.hpp>

#include <common/column_rows.hpp>
#include <common/input_file.hpp>

#include "train_test.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(columns_test)

using namespace packkit::train;
namespace app = packkit::app;
namespace fs = std::filesystem;
namespace data = boost::unit_test::data;
using train_test::error_of;
using train_test::replaced;

namespace {

const byte_tokenizer bytes;
const std::string beside = PACKKIT_COLUMNS "/";

train_config config_for(const std::string& path, const std::string& type) {
    train_config config;
    dataset_config set;
    set.path = path;
    set.type = train_test::value_of<dataset_type>(type);
    set.field = "meta.text";
    set.chat.chat_template = "chatml";
    set.chat.field_messages = "chat.messages";
    set.chat.message_field_training = "train";
    config.datasets.push_back(set);
    config.tokenizer_type = "bytes";
    return config;
}

token_store read(const train_config& config) {
    return read_datasets(config, bytes, 259);
}

/// The message, without the folder of the goldens or that of the test.
std::string error(const train_config& config) {
    const train_test::temporary_folder nowhere;
    return replaced(error_of(nowhere, [&] { read(config); }), beside, "");
}

std::string error_for(const std::string& name, const std::string& type,
                      const std::string& field = "meta.text") {
    auto config = config_for(beside + name, type);
    config.datasets[0].field = field;
    return error(config);
}

void require_equal(const token_store& a, const token_store& b) {
    BOOST_TEST(a.content_hash() == b.content_hash());
    BOOST_CHECK(a.report() == b.report());
    BOOST_TEST(a.has_labels() == b.has_labels());
}

const std::vector<std::string> types = {"completion", "tokens", "alpaca", "input_output",
                                        "chat_template"};

/// A copy of a golden file whose bytes were changed by `change`.
template <class Change>
std::string changed(const train_test::temporary_folder& folder, const std::string& name,
                    const Change& change) {
    std::string content = app::read_file(beside + name);
    change(content);
    return folder.write("x" + name.substr(name.rfind('.')), content);
}

}  // namespace

BOOST_DATA_TEST_CASE(columns_give_the_samples_of_lines, data::make(types), type) {
    const auto lines = read(config_for(beside + type + ".jsonl", type));
    BOOST_TEST(lines.size() >= 2u);
    require_equal(read(config_for(beside + type + ".parquet", type)), lines);
    require_equal(read(config_for(beside + type + ".arrow", type)), lines);
}

BOOST_AUTO_TEST_CASE(other_ways_of_storing_the_same) {
    const auto chats = read(config_for(beside + "chat_template.jsonl", "chat_template"));
    require_equal(
        read(config_for(beside + "chat_template.stream.arrow", "chat_template")), chats);
    const auto texts = read(config_for(beside + "completion.jsonl", "completion"));
    require_equal(read(config_for(beside + "completion.wide.parquet", "completion")),
                  texts);
    // What a file is called does not matter when ds_type says what it holds.
    const train_test::temporary_folder folder;
    auto renamed = config_for(
        folder.write("set", app::read_file(beside + "completion.parquet")), "completion");
    renamed.datasets[0].ds_type = file_format::parquet;
    require_equal(read(renamed), texts);
}

BOOST_AUTO_TEST_CASE(reading_is_shown_as_it_goes) {
    const auto config = config_for(beside + "completion.parquet", "completion");
    const auto size = fs::file_size(config.datasets[0].path);
    std::vector<std::uint64_t> done;
    read_datasets(config, bytes, 259, [&](std::uint64_t now, std::uint64_t total) {
        BOOST_TEST(total == size);
        done.push_back(now);
    });
    BOOST_TEST_REQUIRE(done.size() >= 7u);
    BOOST_TEST(std::is_sorted(done.begin(), done.end()));
    BOOST_TEST(done.front() < size);
    BOOST_TEST(done.back() == size);
}

BOOST_AUTO_TEST_CASE(missing_and_unknown_columns) {
    BOOST_TEST(error_for("damaged.parquet", "completion", "txt") ==
               "damaged.parquet: no column 'txt'; the file has text, other; did you mean "
               "'text'?");
    BOOST_TEST(error_for("completion.arrow", "completion", "meta.txt") ==
               "completion.arrow: record batch 0, row 0: key 'meta.txt' is missing");
    BOOST_TEST(
        error_for("damaged.parquet", "tokens") ==
        "damaged.parquet: column 'text' is unknown; expected input_ids and labels");
    BOOST_TEST(error_for("completion.parquet", "alpaca")
                   .starts_with("completion.parquet: no column 'instruction'"));
    // Rows of ids, masks and labels are tokens, whatever the type says.
    BOOST_TEST(error_for("tokens.parquet", "alpaca") == "no error");
    BOOST_TEST(error_for("wrong.parquet", "completion", "twice") ==
               "wrong.parquet: column 'twice': is there more than once");
}

BOOST_AUTO_TEST_CASE(wrong_types_and_values) {
    BOOST_TEST(error_for("wrong.parquet", "completion", "number") ==
               "wrong.parquet: row group 0, row 0: key 'number' holds a number; expected "
               "a string");
    BOOST_TEST(error_for("wrong.parquet", "completion", "list") ==
               "wrong.parquet: row group 0, row 0: key 'list' holds an array; expected a "
               "string");
    BOOST_TEST(error_for("wrong.parquet", "completion", "when") ==
               "wrong.parquet: column 'when': holds timestamp[us]; expected texts, "
               "numbers, true or false, or lists or structs of these");
    // Bytes without the mark of a text are one as long as they are UTF-8.
    BOOST_TEST(error_for("wrong.parquet", "completion", "binary") == "no error");
    BOOST_TEST(
        error_for("not_utf8.parquet", "completion", "text") ==
        "not_utf8.parquet: row group 0, row 1: column 'text': the text is not UTF-8 "
        "at byte 2");
    // Ids are those of the model.
    auto config = config_for(beside + "tokens.parquet", "tokens");
    const train_test::temporary_folder nowhere;
    BOOST_TEST(replaced(error_of(nowhere, [&] { read_datasets(config, bytes, 258); }),
                        beside, "") ==
               "tokens.parquet: row group 1, row 1: input_ids[0] is 258, the "
               "vocabulary has 258");
    config.sequence_len = 20;
    config.excess_length_strategy = packkit::excess_length_strategy::raise;
    BOOST_TEST(error(config).starts_with(
        "tokens.parquet: row group 2, row 0: 30 tokens, sequence_len is 20"));
}

BOOST_AUTO_TEST_CASE(broken_files) {
    const train_test::temporary_folder folder;
    const auto fault = [&](const std::string& path) {
        return error_of(folder, [&] { read(config_for(path, "completion")); });
    };
    for (const char* name : {"completion.parquet", "completion.arrow"}) {
        const auto whole = app::read_file(beside + name).size();
        const std::string ending = std::string(name).substr(10);
        for (const std::size_t kept : {whole - 1, whole / 2, std::size_t{5}}) {
            const auto path =
                changed(folder, name, [&](std::string& bytes) { bytes.resize(kept); });
            BOOST_TEST(fault(path).starts_with("x" + ending + ": cannot be read: "),
                       fault(path));
        }
        BOOST_TEST(fault(folder.write("x" + ending, ""))
                       .starts_with("x" + ending + ": the file is empty; expected "));
        BOOST_TEST(fault(folder.write("x" + ending, "{\"text\": \"a\"}\n"))
                       .starts_with("x" + ending + ": "));
    }
    BOOST_TEST(fault(folder / "none.parquet") ==
               "none.parquet: cannot be opened: No such file or directory");
}

BOOST_AUTO_TEST_CASE(damage_is_noticed_where_it_is_read) {
    const train_test::temporary_folder folder;
    const auto path = changed(folder, "damaged.parquet", [](std::string& content) {
        const auto at = content.find("text 321");
        BOOST_REQUIRE(at != std::string::npos);
        content[at] ^= 1;
    });
    auto config = config_for(path, "completion");
    config.datasets[0].field = "text";
    const auto message = error_of(folder, [&] { read(config); });
    BOOST_TEST(message.starts_with("x.parquet: row group 0"), message);
    BOOST_TEST(message.find("CRC") != std::string::npos, message);
    // The other column is whole, and the damaged one is not read for it.
    config.datasets[0].field = "other";
    BOOST_TEST(read(config).size() == 400u);
}

BOOST_AUTO_TEST_CASE(prepared_data_is_found_by_content) {
    const train_test::temporary_folder folder;
    auto config = config_for(beside + "completion.parquet", "completion");
    config.dataset_prepared_path = folder / "prepared";
    const auto first = read(config);
    const auto file = prepared_file(config, 259);
    BOOST_TEST(fs::exists(file));
    // Another name of the same content is the same file; another content is not.
    config.datasets[0].path =
        folder.write("copy.parquet", app::read_file(beside + "completion.parquet"));
    BOOST_TEST(prepared_file(config, 259) == file);
    require_equal(read(config), first);
    config.datasets[0].path = beside + "completion.wide.parquet";
    BOOST_TEST(prepared_file(config, 259) != file);
    // The same bytes read as something else are other data.
    config.datasets[0].path =
        folder.write("copy", app::read_file(beside + "completion.parquet"));
    config.datasets[0].ds_type = file_format::parquet;
    BOOST_TEST(prepared_file(config, 259) == file);
    config.datasets[0].ds_type = file_format::json;
    BOOST_TEST(prepared_file(config, 259) != file);
}

// As datasets.save_to_disk writes them.
BOOST_AUTO_TEST_CASE(folders_of_saved_data_sets) {
    const train_test::run_folder run;
    const auto save = [&](const std::string& folder) {
        fs::create_directories(run.folder.path() / folder);
        run.folder.write(folder + "/data-00000-of-00001.arrow",
                         app::read_file(beside + "chat_template.stream.arrow"));
        run.folder.write(folder + "/dataset_info.json", "{}");
        run.folder.write(folder + "/state.json",
                         "{\"_data_files\": [{\"filename\": "
                         "\"data-00000-of-00001.arrow\"}], \"_split\": \"train\"}");
    };
    save("one");
    save("many/test");
    run.folder.write("many/dataset_dict.json", "{\"splits\": [\"test\"]}");
    const auto load = [&](const std::string& path) {
        return load_config(run.write(train_test::run_folder::config_with(
            "datasets: [{path: " + path +
            ", type: chat_template, chat_template: chatml, field_messages: "
            "chat.messages, message_field_training: train}]")));
    };
    const auto chats = read(config_for(beside + "chat_template.jsonl", "chat_template"));
    require_equal(read(load("one")), chats);
    require_equal(read(load("many, split: test")), chats);
    BOOST_TEST(
        error_of(run.folder, [&] { load("many"); }) ==
        "config.yaml:1: datasets.0.split: the folder 'many' has no split 'train'; it "
        "has test");
}

BOOST_AUTO_TEST_SUITE_END()
