// SPDX-License-Identifier: Apache-2.0
#include "train_program.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <sstream>

BOOST_AUTO_TEST_SUITE(packkit_train_test)

using namespace train_program;
using namespace packkit;

namespace {

/// The lines of a refusal of several problems, without the program's name.
std::vector<std::string> problems_of(const test::training_folder& folder,
                                     const std::vector<std::string>& words) {
    const auto result = folder.run(words);
    BOOST_TEST(result.exit_code == 2, result.err);
    BOOST_TEST(result.out == "");
    BOOST_TEST(!fs::exists(folder.path("out")));
    std::vector<std::string> lines;
    std::istringstream text(errors_in(result.err));
    const std::string name = "packkit-train: ";
    for (std::string line; std::getline(text, line);) {
        BOOST_TEST(line.starts_with(name), line);
        lines.push_back(line.substr(std::min(line.size(), name.size())));
    }
    return lines;
}

struct refusal {
    std::string setting, part;
};

std::ostream& operator<<(std::ostream& out, const refusal& r) {
    return out << r.setting;
}

const std::vector<refusal> refusals{
    {"sequence_lenn=64", "key 'sequence_lenn' is unknown; did you mean 'sequence_len'?"},
    {"sequence_len=abc", "expected a whole number"},
    {"sequence_len=-4", "sequence_len"},
    {"learning_rate=fast", "learning_rate"},
    {"tensor_parallel_size=2", "tp 2"},
    {"adapter=lora", "is not supported"},
    {"tokenizer_type=morse", "tokenizer_type"},
    {"base_model=nowhere", "nowhere"},
    {"datasets.0.path=nowhere.jsonl", "nowhere.jsonl"},
    {"datasets.0.type=riddle", "riddle"},
    {"dp_shard_size=3", "dp_shard"},
};

}  // namespace

BOOST_AUTO_TEST_CASE(an_instruction_set_that_the_machine_lacks_is_rejected) {
    const test::training_folder folder;
    test::process_options options;
    options.environment = {{"PACKKIT_ISA", "neon"}};
    const auto rejected = folder.run({"run.yaml"}, options);
    BOOST_TEST(rejected.exit_code == 2);
    BOOST_TEST(rejected.err.starts_with(
        "packkit-train: PACKKIT_ISA is 'neon', this machine has plain"));
    BOOST_TEST(!fs::exists(folder.path("out")));

    options.environment = {{"PACKKIT_ISA", "plain"}};
    const auto trained = folder.run({"run.yaml", "max_steps=1"}, options);
    BOOST_TEST(trained.exit_code == 0, trained.err);
    BOOST_TEST(trained.err.find("CPU kernels: plain, as PACKKIT_ISA asks (this machine "
                                "has plain") != std::string::npos,
               trained.err);
}

BOOST_DATA_TEST_CASE(a_bad_setting_is_refused, boost::unit_test::data::make(refusals),
                     bad) {
    const test::training_folder folder;
    check_refused(folder, {"run.yaml", bad.setting}, bad.part);
}

BOOST_AUTO_TEST_CASE(the_place_of_a_bad_key_is_told) {
    const test::training_folder folder;
    folder.write("bad.yaml", "# A comment.\n\nsample_paking: true\n" +
                                 test::file_content(folder.path("run.yaml")));
    check_refused(
        folder, {"bad.yaml"},
        "bad.yaml:3: key 'sample_paking' is unknown; did you mean 'sample_packing'?");
}

BOOST_AUTO_TEST_CASE(wrong_use_is_refused) {
    const test::training_folder folder;
    check_refused(folder, {"nowhere.yaml"}, "nowhere.yaml: cannot be opened");
    check_refused(folder, {"run.yaml", "--procesess", "2"},
                  "did you mean '--processes'?");
    check_refused(folder, {"run.yaml", "dp_shard_size=2", "--processes", "3"},
                  "dp_shard can be one of 1, 3");
    check_refused(folder, {"run.yaml", "tensor_parallel_size=3", "--processes", "3"},
                  "tp 3 does not divide 4 attention heads; tp can be one of 1");
    check_refused(folder, {"logits", "model"}, "expected packkit-train logits");
}

BOOST_AUTO_TEST_CASE(a_misspelt_command_is_told_the_right_one) {
    const test::training_folder folder;
    check_refused(folder, {"chek", "run.yaml"},
                  "chek: is no command and no file; did you mean 'check'?");
    check_refused(folder, {"exprot", "a", "b"}, "did you mean 'export'?");
}

BOOST_AUTO_TEST_CASE(a_run_that_no_machine_holds_is_refused) {
    const test::training_folder folder;
    const auto result = folder.run({"run.yaml", "micro_batch_size=8000000"});
    BOOST_TEST(result.exit_code == 2, result.err);
    BOOST_TEST(result.err.find("packkit-train: memory: this run needs about ") !=
                   std::string::npos,
               result.err);
    BOOST_TEST(result.err.find("lower micro_batch_size") != std::string::npos);
    BOOST_TEST(!fs::exists(folder.path("out")));
}

BOOST_AUTO_TEST_CASE(data_without_a_target_is_rejected) {
    const test::training_folder folder;
    folder.write("data.jsonl", R"({"input_ids": [1, 2, 3], "labels": [-100, -100, -100]})"
                               "\n");
    const std::string why =
        "data.jsonl: no sample is left of 1 row, 1 is without a target: there is nothing "
        "to learn";
    check_refused(folder, {"run.yaml", "datasets.0.type=tokens"}, why);
    check_refused(folder, {"check", "run.yaml", "datasets.0.type=tokens"}, why);
}

BOOST_AUTO_TEST_CASE(bad_data_is_refused) {
    const test::training_folder folder;
    folder.write("data.jsonl", "");
    check_refused(folder, {"run.yaml"}, "data");
    folder.write("data.jsonl", "{\"text\":\"a\"}\n{\"text\":\n");
    check_refused(folder, {"run.yaml"}, "data.jsonl:2: ");
    folder.write("data.jsonl", "{\"input_ids\":[1, 2, 300]}\n");
    check_refused(folder, {"run.yaml", "datasets.0.type=tokens"},
                  "data.jsonl:1: input_ids[2] is 300, the vocabulary has 259");
    folder.write("model/config.json", "{\"model_type\": \"mamba\"}");
    check_refused(folder, {"run.yaml"}, "mamba");
}

BOOST_AUTO_TEST_CASE(check_says_what_a_run_would_meet) {
    const test::training_folder folder;
    const auto good = folder.run({"check", "run.yaml", "--processes", "2"});
    BOOST_TEST(good.exit_code == 0, good.err);
    BOOST_TEST(
        good.out.find("no problem found: 240 samples, 20 steps") != std::string::npos,
        good.out);
    BOOST_TEST(!fs::exists(folder.path("out")));
    folder.write("data.jsonl", "{\"text\":\"a\"}\n7\n");
    check_refused(folder, {"check", "run.yaml"}, "data.jsonl:2: ");
    const test::training_folder weightless;
    check_refused(weightless, {"check", "run.yaml", "random_init_weights=false"},
                  "model.safetensors: is missing");
}

BOOST_AUTO_TEST_CASE(all_problems_of_a_configuration_are_told) {
    const test::training_folder folder;
    folder.write("bad.yaml", "sample_paking: true\nadapter: lora\nwarmup_ratio: 0.5\n" +
                                 test::file_content(folder.path("run.yaml")));
    const std::vector<std::string> expected = {
        "bad.yaml:1: key 'sample_paking' is unknown; did you mean 'sample_packing'?",
        "bad.yaml:2: adapter is not supported; adapters are not built in yet; leave it "
        "and the lora_* keys away to train all parameters",
        "bad.yaml:3: warmup_steps and warmup_ratio are mutually exclusive",
        "command line: seed: expected a whole number from 0 to 18446744073709551615, "
        "found 'x'"};
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{}, {"check"}, {"plan"}}) {
        auto words = command;
        words.insert(words.end(), {"bad.yaml", "seed=x", "--processes", "2"});
        BOOST_TEST(problems_of(folder, words) == expected,
                   boost::test_tools::per_element());
    }
}

BOOST_AUTO_TEST_CASE(check_tells_the_problems_of_data_and_model_too) {
    const test::training_folder folder;
    folder.write("chat.jsonl", "{\"messages\": []}\n");
    const auto nameless =
        problems_of(folder, {"check", "run.yaml", "chat_template=none",
                             "datasets=[{path: chat.jsonl, type: chat_template}]"});
    BOOST_TEST_REQUIRE(nameless.size() == 1u);
    BOOST_TEST(nameless[0].starts_with("command line: chat_template: expected one of"));
    folder.write("ids.jsonl",
                 "{\"input_ids\": [1, 2]}\n7\n{\"input_ids\": [1, 300]}\n"
                 "{\"input_ids\": [1, \n{\"ids\": [1]}\n");
    const auto every_second_row_bad = [](int rows) {
        std::string text;
        for (int i = 0; i < rows; ++i)
            text += i % 2 == 0 ? "{\"text\": 5}\n" : "{\"text\": \"good\"}\n";
        return text;
    };
    folder.write("rows.jsonl", every_second_row_bad(50));
    const std::vector<std::string> words = {"check",
                                            "run.yaml",
                                            "datasets=[{path: ids.jsonl, type: tokens}, "
                                            "{path: rows.jsonl}, {path: none.txt}, "
                                            "{path: data.jsonl}]",
                                            "optimizer=lion",
                                            "random_init_weights=false",
                                            "dp_shard_size=3",
                                            "--processes",
                                            "2"};
    const auto found = problems_of(folder, words);
    std::vector<std::string> expected = {
        "command line: optimizer: 'lion' is not supported: only AdamW and SGD are; use "
        "adamw_torch_fused, which any of its configurations runs with",
        "command line: datasets.2.path: '",
        "mesh: ",
        "ids.jsonl:2: expected an object, found a number",
        "ids.jsonl:3: input_ids[1] is 300, the vocabulary has 259",
        "ids.jsonl:4: not valid JSON",
        "ids.jsonl:5: key 'ids' is unknown; expected input_ids and labels"};
    for (int i = 0; i < 20; ++i) {
        expected.push_back("rows.jsonl:" + std::to_string(2 * i + 1) +
                           ": key 'text' holds a number; expected a string");
    }
    expected.emplace_back("rows.jsonl: and 5 more problems");
    expected.emplace_back("model/model.safetensors: is missing");
    BOOST_TEST_REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
        BOOST_TEST(found[i].starts_with(expected[i]), found[i]);
    }
    folder.write("rows.jsonl", every_second_row_bad(42));
    const auto fewer =
        problems_of(folder, {"check", "run.yaml", "datasets.0.path=rows.jsonl"});
    BOOST_TEST_REQUIRE(fewer.size() == 21u);
    BOOST_TEST(fewer.back().ends_with("rows.jsonl: and 1 more problem"), fewer.back());
}

BOOST_AUTO_TEST_CASE(check_names_every_tensor_that_is_missing) {
    const test::training_folder folder;
    BOOST_TEST_REQUIRE(folder.run({"run.yaml", "max_steps=1"}).exit_code == 0);
    BOOST_TEST_REQUIRE(folder.run({"export", "out", "small"}).exit_code == 0);
    fs::remove_all(folder.path("out"));
    const std::vector<std::string> words = {"check", "run.yaml", "base_model=small",
                                            "random_init_weights=false"};
    BOOST_TEST(folder.run(words).exit_code == 0);
    auto config = app::read_json_file(folder.path("small/config.json"));
    config["num_hidden_layers"] = 3;
    config["intermediate_size"] = 60;
    folder.write("small/config.json", config.dump());
    const auto found = problems_of(folder, words);
    // Three matrices of each of two layers have another shape; nine tensors of the third
    // layer are missing.
    BOOST_TEST(found.size() == 6u + 9u);
    const auto count = [&](const std::string& part) {
        return std::count_if(found.begin(), found.end(), [&](const std::string& line) {
            return line.find(part) != std::string::npos;
        });
    };
    BOOST_TEST(count("has shape ") == 6);
    BOOST_TEST(count("tensor model.layers.2.") == 9);
}

BOOST_AUTO_TEST_CASE(keys_are_documented) {
    const test::training_folder folder;
    const auto all = folder.run({"keys", "--format", "json"});
    BOOST_TEST(all.exit_code == 0, all.err);
    BOOST_TEST(app::json::parse(all.out).size() > 200u);
    const auto some = folder.run({"keys", "warmup"});
    BOOST_TEST(some.exit_code == 0, some.err);
    BOOST_TEST(some.out.find("a whole number >= 0") != std::string::npos, some.out);
    BOOST_TEST(some.out.find("warmup_ratio") != std::string::npos, some.out);
    check_refused(folder, {"keys", "warmpu_steps"}, "did you mean 'warmup_steps'?");
}

BOOST_AUTO_TEST_CASE(a_plan_tells_how_idle_ranks_are) {
    const test::training_folder folder;
    const auto idle = [&](const std::string& setting) {
        const auto result = folder.run(
            {"plan", "run.yaml", "--processes", "4", "--format", "json", setting});
        BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
        return app::json::parse(result.out)["idle_ranks"];
    };
    const auto balanced = idle("sample_packing_balance=cost");
    const auto loose = idle("sample_packing_balance=none");
    BOOST_TEST(balanced["unbalanced"].get<double>() == loose["unbalanced"].get<double>());
    BOOST_TEST(loose["planned"].get<double>() == loose["unbalanced"].get<double>());
    BOOST_TEST(balanced["planned"].get<double>() < loose["planned"].get<double>());
    const auto text = folder.run({"plan", "run.yaml", "--processes", "4"});
    BOOST_TEST(text.out.find("idle ranks: ") != std::string::npos, text.out);

    // 240 samples are 26 steps of nine, and six samples that fill no step.
    const auto dropped =
        folder.run({"run.yaml", "sample_packing=false", "gradient_accumulation_steps=9",
                    "dataloader_drop_last=true", "max_steps=1"});
    BOOST_TEST_REQUIRE(dropped.exit_code == 0, dropped.err);
    BOOST_TEST(
        dropped.err.find("dataloader_drop_last: 6 rows are left out of each epoch") !=
            std::string::npos,
        dropped.err);
    fs::remove_all(folder.path("out"));
    check_refused(folder,
                  {"run.yaml", "sample_packing=false", "gradient_accumulation_steps=241",
                   "dataloader_drop_last=true"},
                  "a step takes 241 rows, an epoch has 240");
}

BOOST_AUTO_TEST_CASE(a_run_leaves_metrics_log_and_checkpoint) {
    const test::training_folder folder;
    test::process_options options;
    options.environment = {{"LC_ALL", "de_DE.UTF-8"}};
    const auto result = folder.run({"run.yaml", "max_steps=3"}, options);
    BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
    for (const char* line : {"rank 0 pid ", "Sample packing efficiency: 0.9",
                             "MultipackBatchSampler: ", "idle ranks: 0.0 % (unbalanced ",
                             "step 3/3 loss "}) {
        BOOST_TEST(result.err.find(line) != std::string::npos, line);
    }
    const auto steps = folder.metrics("out");
    BOOST_TEST_REQUIRE(steps.size() == 3);
    for (const auto& step : steps) {
        for (const char* key :
             {"step", "epoch", "loss", "loss_bits", "grad_norm", "learning_rate",
              "tokens", "tokens_per_second", "mfu", "memory_bytes", "seconds", "bytes"}) {
            BOOST_TEST(step.contains(key), key);
        }
        for (const char* key :
             {"data", "forward", "backward", "optimizer", "communication", "step"}) {
            BOOST_TEST(step["seconds"].contains(key), key);
        }
        for (const char* key :
             {"all_reduce", "all_gather", "reduce_scatter", "all_to_all", "send_recv"}) {
            BOOST_TEST(step["bytes"].contains(key), key);
        }
        const auto bits = std::stoull(step["loss_bits"].get<std::string>(), nullptr, 16);
        BOOST_TEST(std::bit_cast<double>(static_cast<std::uint64_t>(bits)) ==
                   step["loss"].get<double>());
    }
    // Random bytes over 259 ids: the first loss is near ln 259.
    BOOST_TEST(std::abs(steps[0]["loss"].get<double>() - std::log(259.0)) < 0.2);
    for (const char* file : {"config.json", "model.safetensors", "optimizer.safetensors",
                             "trainer_state.json"}) {
        BOOST_TEST(fs::exists(folder.path("out/checkpoint-3/") + file), file);
    }
    BOOST_TEST(result.out.find("checkpoint-3") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(plain_text_is_read) {
    const test::training_folder folder;
    folder.write("data.txt", "one\ntwo\n\nthree\nfour\n");
    const auto samples = [&](const std::string& by) {
        const auto result = folder.run({"check", "run.yaml", "datasets.0.path=data.txt",
                                        "datasets.0.sample_by=" + by});
        BOOST_TEST(result.exit_code == 0, result.err);
        const auto found = result.out.substr(result.out.find("no problem found"));
        return found.substr(0, found.find(" sample"));
    };
    BOOST_TEST(samples("line") == "no problem found: 4");
    BOOST_TEST(samples("paragraph") == "no problem found: 2");
    BOOST_TEST(samples("document") == "no problem found: 1");
}

#ifdef PACKKIT_COLUMNS
BOOST_AUTO_TEST_CASE(columns_are_read) {
    const test::training_folder folder;
    const auto copy = [&](const std::string& name) {
        fs::copy_file(PACKKIT_COLUMNS "/" + name, folder.path(name));
        return "datasets.0.path=" + name;
    };
    // Three samples, one of them of 30 tokens, without a tokenizer.
    const std::vector<std::string> tokens{
        "run.yaml", "datasets.0.type=tokens",
        "datasets.0.field=", "tokenizer_type=", "max_steps=2"};
    const auto losses = [&](const std::string& name) {
        auto words = tokens;
        words.insert(words.end(), {copy(name), "output_dir=" + name + ".out"});
        const auto result = folder.run(words);
        BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
        return folder.metrics(name + ".out");
    };
    const auto lines = losses("tokens.jsonl");
    BOOST_TEST(lines.size() == 2u);
    BOOST_TEST(test::loss_difference(losses("tokens.parquet"), lines) == 0.0);
    BOOST_TEST(test::loss_difference(losses("tokens.arrow"), lines) == 0.0);
    check_refused(folder, {"run.yaml", copy("damaged.parquet"), "datasets.0.field=txt"},
                  "damaged.parquet: no column 'txt'; the file has text, other; did you "
                  "mean 'text'?");
    check_refused(folder, {"run.yaml", copy("wrong.parquet"), "datasets.0.field=number"},
                  "wrong.parquet: row group 0, row 0: key 'number' holds a number; "
                  "expected a string");
    fs::resize_file(folder.path("tokens.parquet"), 1000);
    auto words = tokens;
    words.emplace_back("datasets.0.path=tokens.parquet");
    check_refused(folder, words, "tokens.parquet: cannot be read: ");
}
#endif

BOOST_AUTO_TEST_CASE(weights_are_read_and_written_unchanged) {
    // Learning rate 0: what is saved is what was read.
    const test::training_folder folder;
    fs::copy(golden("config.json"), folder.path("model/config.json"),
             fs::copy_options::overwrite_existing);
    fs::copy(golden("model.safetensors"), folder.path("model/model.safetensors"));
    folder.write("data.jsonl", "{\"input_ids\":[1,2,3,4,5]}\n");
    const auto result = folder.run(
        {"run.yaml", "random_init_weights=false", "datasets.0.type=tokens",
         "learning_rate=0", "torch_dtype=float64", "max_steps=1", "sequence_len=16"});
    // The byte tokenizer needs 259 ids and this model has 67; tokens bring their own ids.
    BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
    folder.write("tokens.json", "{\"documents\": [[1,2,3],[4,5]]}");
    const auto before =
        folder.run({"logits", "model", "tokens.json", "--dtype", "float64"});
    const auto after =
        folder.run({"logits", "out/checkpoint-1", "tokens.json", "--dtype", "float64"});
    BOOST_TEST_REQUIRE(before.exit_code == 0, before.err);
    BOOST_TEST(before.out == after.out);
}

BOOST_AUTO_TEST_CASE(checkpoints_are_exported) {
    const test::training_folder folder;
    BOOST_TEST_REQUIRE(
        folder.run({"run.yaml", "max_steps=2", "save_steps=1"}).exit_code == 0);
    folder.write("tokens.json", "{\"documents\": [[1,2,3],[4,5]]}");
    const auto logits = [&](const std::string& model) {
        return folder.run({"logits", model, "tokens.json"}).out;
    };
    const auto newest = folder.run({"export", "out", "exported"});
    BOOST_TEST_REQUIRE(newest.exit_code == 0, newest.err);
    BOOST_TEST(newest.out.find("checkpoint-2") != std::string::npos, newest.out);
    BOOST_TEST(logits("exported") == logits("out/checkpoint-2"));
    BOOST_TEST(logits("exported") != logits("out/checkpoint-1"));

    const auto half =
        folder.run({"export", "out/checkpoint-1", "half", "--dtype", "bfloat16"});
    BOOST_TEST_REQUIRE(half.exit_code == 0, half.err);
    BOOST_TEST(app::read_json_file(folder.path("half/config.json"))["dtype"] ==
               "bfloat16");
    BOOST_TEST(fs::file_size(folder.path("half/model.safetensors")) * 10 <
               fs::file_size(folder.path("exported/model.safetensors")) * 6);
    BOOST_TEST(logits("half") != logits("out/checkpoint-1"));

    const auto again = folder.run({"export", "out", "half"});
    BOOST_TEST(again.exit_code == 2);
    BOOST_TEST(again.err ==
               "packkit-train: half: exists and is not empty; name a new folder\n");
    const auto misspelt = folder.run({"export", "out", "other", "--dtype", "bfloat61"});
    BOOST_TEST(misspelt.exit_code == 2);
    BOOST_TEST(misspelt.err.find("did you mean 'bfloat16'?") != std::string::npos,
               misspelt.err);
    BOOST_TEST(!fs::exists(folder.path("other")));
    const auto none = folder.run({"export", "model", "other"});
    BOOST_TEST(none.exit_code == 2);
}

BOOST_AUTO_TEST_SUITE_END()
