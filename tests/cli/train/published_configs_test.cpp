// SPDX-License-Identifier: Apache-2.0
// Twenty configurations as they stand in notes about Axolotl. Only the model, the paths
// of data and output_dir are replaced; every default is the program's.
#include "train_program.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <regex>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(published_configs_test)

using namespace train_program;

namespace {

/// The processes that a file's mesh asks for, and whether two steps are trained here.
struct published {
    std::string file;
    int processes;
    bool trained;
};

std::ostream& operator<<(std::ostream& out, const published& each) {
    return out << each.file;
}

const std::vector<published> files{
    {"000-00", 1, false},  {"000-01", 1, true},  {"000-02", 1, true},
    {"000-03", 1, false},  {"000-04", 1, false}, {"000-05", 2, true},
    {"000-06", 2, true},   {"000-07", 1, false}, {"000-17", 1, false},
    {"000-18", 2, false},  {"000-19", 2, false}, {"001-00", 8, false},
    {"001-01", 16, false}, {"001-02", 8, false}, {"002-00", 2, false},
    {"002-01", 8, false},  {"002-02", 2, false}, {"002-03", 8, false},
    {"002-04", 16, false}, {"002-05", 2, true}};

/// A small model with a tokenizer of its own, and data of the types that the files name.
class local_files : public test::training_folder {
public:
    local_files() {
        for (const auto& file : fs::directory_iterator(PACKKIT_TRAIN_CLI "/tokenizer"))
            fs::copy(file.path(), path("model"));
        const std::string model = test::file_content(path("model/config.json"));
        write("model/config.json",
              std::regex_replace(model, std::regex("\"vocab_size\": 259"),
                                 "\"vocab_size\": 320"));
        std::string rows;
        for (int i = 0; i < 60; ++i) {
            rows += R"({"instruction": "count", "input": "", "output": ")" +
                    std::to_string(i) + "\"}\n";
        }
        write("alpaca.jsonl", rows);
    }

    void bring(const std::string& file) const {
        std::string text =
            test::file_content(PACKKIT_TRAIN_CLI "/configs/" + file + ".yaml");
        const auto replace = [&text](const std::string& what, const std::string& by) {
            const bool found = std::regex_search(text, std::regex(what));
            text = std::regex_replace(text, std::regex(what), by);
            return found;
        };
        replace("base_model: .*", "base_model: model");
        replace("output_dir: .*", "");
        text += "\noutput_dir: " + file + "\n";
        const bool data = replace("path: tatsu-lab/alpaca", "path: alpaca.jsonl");
        const bool texts =
            replace("pretraining_dataset: .*", "pretraining_dataset: data.jsonl");
        if (!data && !texts) text += "datasets: [{path: alpaca.jsonl, type: alpaca}]\n";
        write(file + ".yaml", text);
    }
};

const local_files folder;

}  // namespace

BOOST_DATA_TEST_CASE(a_published_file_runs_as_it_is, boost::unit_test::data::make(files),
                     each) {
    folder.bring(each.file);
    const std::vector<std::string> common = {each.file + ".yaml",
                                             "random_init_weights=true", "--processes",
                                             std::to_string(each.processes)};
    auto words = common;
    words.insert(words.begin(), "check");
    const auto checked = folder.run(words);
    BOOST_TEST(checked.exit_code == 0, checked.err);
    BOOST_TEST(checked.err.find("so Axolotl's defaults hold: ") != std::string::npos,
               checked.err);
    if (!each.trained) return;
    words = common;
    words.emplace_back("max_steps=2");
    const auto trained = folder.run(words);
    BOOST_TEST(trained.exit_code == 0, trained.err);
    BOOST_TEST(folder.metrics(each.file).size() == 2u);
}

BOOST_AUTO_TEST_SUITE_END()
