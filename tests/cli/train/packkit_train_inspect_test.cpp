// SPDX-License-Identifier: Apache-2.0
// packkit-train inspect, preprocess and what check prints.
#include "train_program.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <fstream>

BOOST_AUTO_TEST_SUITE(packkit_train_inspect_test)

using namespace train_program;
using namespace packkit;

namespace {

app::json json_of(const test::process_result& result) {
    BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
    return app::parse_json(result.out, "stdout");
}

}  // namespace

BOOST_AUTO_TEST_CASE(inspect_says_what_is_there_or_where_it_is_broken) {
    const test::training_folder folder;
    const std::string model = PACKKIT_GOLDEN "/llama_untied";
    const auto found = json_of(folder.run({"inspect", model, "--format", "json"}));
    BOOST_TEST(found["kind"] == "model");
    BOOST_TEST(found["tensors"]["model.norm.weight"]["shape"] == app::json({32}));
    const auto table = folder.run({"inspect", model});
    BOOST_TEST(table.exit_code == 0);
    BOOST_TEST(table.out.find("model.norm.weight") != std::string::npos, table.out);
    BOOST_TEST(json_of(folder.run(
                   {"inspect", "data.jsonl", "--format", "json"}))["rows"] == 240);
    folder.write("data.jsonl", "{\"text\": \"a\"}\n{\"text\": \n");
    check_refused(folder, {"inspect", "data.jsonl"}, "data.jsonl:2: ");
    folder.write("generation_config.json", "{\"bos_token_id\": 1}");
    BOOST_TEST(json_of(folder.run({"inspect", "generation_config.json", "--format",
                                   "json"}))["kind"] != "config");
    check_refused(folder, {"inspect", "nowhere"},
                  "nowhere: there is no such file or folder");
    check_refused(folder, {"inspect", "model", "--format", "csv"},
                  "--format: inspect prints table or json");
}

BOOST_AUTO_TEST_CASE(inspect_reads_checkpoints_of_both_forms) {
    const test::training_folder folder;
    BOOST_TEST(folder.run({"run.yaml", "max_steps=1"}).exit_code == 0);
    BOOST_TEST(
        folder
            .run({"run.yaml", "max_steps=1", "output_dir=sharded", "fsdp_version=2",
                  "fsdp_config.state_dict_type=SHARDED_STATE_DICT"})
            .exit_code == 0);
    const auto full = json_of(folder.run({"inspect", "out", "--format", "json"}));
    const auto sharded =
        json_of(folder.run({"inspect", "sharded/checkpoint-1", "--format", "json"}));
    BOOST_TEST(full["kind"] == "checkpoint");
    BOOST_TEST(full["step"] == 1);
    BOOST_TEST(full["checkpoint"] == "out/checkpoint-1");
    BOOST_TEST(full["tensors"] == sharded["tensors"]);
    BOOST_TEST(full["optimizer"] == sharded["optimizer"]);
    BOOST_TEST(full["optimizer"].size() == 2 * full["tensors"].size());
    std::fstream file(folder.path("out/checkpoint-1/model.safetensors"),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('\x55');
    file.close();
    const auto damaged = folder.run({"inspect", "out/checkpoint-1"});
    BOOST_TEST(damaged.exit_code == 2);
    BOOST_TEST(damaged.err.find("model.safetensors: is damaged: its checksum is") !=
                   std::string::npos,
               damaged.err);
}

BOOST_AUTO_TEST_CASE(preprocess_prepares_what_training_takes) {
    const test::training_folder folder;
    const auto first = folder.run({"preprocess", "run.yaml"});
    BOOST_TEST(first.exit_code == 0, first.err);
    BOOST_TEST(first.out.starts_with("last_run_prepared/"), first.out);
    BOOST_TEST(first.err.find("data: 240 samples, ") != std::string::npos, first.err);
    const auto again = folder.run({"preprocess", "run.yaml"});
    BOOST_TEST(again.out.find("nothing had to be done") != std::string::npos, again.out);
    BOOST_TEST(again.err == first.err);
    // What was prepared is inspected, and another setting prepares anew.
    const auto file = again.out.substr(0, again.out.find(':'));
    const auto found = json_of(folder.run({"inspect", file, "--format", "json"}));
    BOOST_TEST(found["kind"] == "prepared_data");
    BOOST_TEST(found["rows"] == 240);
    BOOST_TEST(folder.run({"preprocess", "run.yaml", "sequence_len=64"})
                   .out.find("nothing had to be done") == std::string::npos);
    // A training does not write a file of its own beside it, and is the same.
    const auto files = [&] {
        return std::distance(fs::directory_iterator(folder.path("last_run_prepared")),
                             {});
    };
    BOOST_TEST(files() == 2);
    BOOST_TEST(folder.run({"run.yaml", "max_steps=2"}).exit_code == 0);
    BOOST_TEST(files() == 2);
    fs::remove_all(folder.path("last_run_prepared"));
    BOOST_TEST(folder.run({"run.yaml", "max_steps=2", "output_dir=text"}).exit_code == 0);
    BOOST_TEST(!fs::exists(folder.path("last_run_prepared")));
    for (std::size_t step = 0; step < 2; ++step)
        BOOST_TEST(folder.metrics("out")[step]["loss_bits"] ==
                   folder.metrics("text")[step]["loss_bits"]);
    check_refused(test::training_folder(), {"preprocess", "run.yaml", "--part", "1/2"},
                  "--part: is not supported");
    check_refused(test::training_folder(), {"preprocess", "run.yaml", "--join"},
                  "--join: is not supported");
}

BOOST_AUTO_TEST_CASE(check_prints_settings_data_and_samples) {
    const test::training_folder folder;
    folder.write("chat.jsonl",
                 "{\"instruction\": \"Say\", \"output\": \"hi\"}\n"
                 "{\"instruction\": \"" +
                     std::string(300, 'x') + "\", \"output\": \"lost\"}\n");
    const std::vector<std::string> words = {"check",
                                            "run.yaml",
                                            "datasets.0.path=chat.jsonl",
                                            "datasets.0.type=alpaca",
                                            "datasets.0.field=",
                                            "--show=3"};
    auto as_json = words;
    as_json.insert(as_json.end(), {"sequence_len=256", "--format", "json"});
    const auto found = json_of(folder.run(as_json));
    const auto& settings = found["settings"];
    BOOST_TEST(settings["sequence_len"] ==
               app::json({{"value", "256"}, {"from", "command line"}}));
    BOOST_TEST(settings["datasets.0.type"]["from"] == "command line");
    BOOST_TEST(settings["learning_rate"] ==
               app::json({{"value", "0.003"}, {"from", "file"}, {"line", 10}}));
    BOOST_TEST(settings["adam_beta1"]["from"] == "default");
    BOOST_TEST(settings["pad_to_sequence_len"]["from"] == "other keys");
    BOOST_TEST(found["data"]["dropped"] == 1);
    const double share = found["data"]["dropped_share"].get<double>();
    BOOST_TEST(share > 0.5);
    BOOST_TEST(share < 1.0);
    BOOST_TEST_REQUIRE(found["samples"].size() == 1u);
    const auto& sample = found["samples"][0];
    BOOST_TEST(sample["text"].get<std::string>().ends_with("hi<eos>"));
    BOOST_TEST(sample["ids"].size() == sample["labels"].size());
    BOOST_TEST(sample["labels"].back() == 257);
    BOOST_TEST(sample["labels"].front() == -100);
    auto as_text = words;
    as_text.emplace_back("sequence_len=256");
    const auto text = folder.run(as_text);
    BOOST_TEST(text.exit_code == 0);
    for (const char* part : {"sequence_len", "command line", "file, line 10",
                             "[[hi<eos>]]\n", "dropped: 1 row, ", "no problem found: "})
        BOOST_TEST(text.out.find(part) != std::string::npos, text.out);
    BOOST_TEST(text.out.find("[[Say") == std::string::npos, text.out);
}

BOOST_AUTO_TEST_SUITE_END()
