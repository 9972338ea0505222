// SPDX-License-Identifier: Apache-2.0
// How people start packkit-train, and how a run goes on.
#include "train_program.hpp"

#include "ranks_by_hand.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
#include <future>

BOOST_AUTO_TEST_SUITE(launching_test)

using namespace train_program;
using namespace packkit;

namespace {

bool says(const test::process_result& result, const std::string& part) {
    return result.err.find(part) != std::string::npos;
}

/// Eight samples, each with a number of targets of its own, of which a step takes one.
void write_eight_samples(const test::training_folder& folder) {
    std::string rows;
    for (int length = 2; length <= 9; ++length) {
        rows += "{\"input_ids\": [1";
        for (int id = 2; id <= length; ++id)
            rows += ", " + std::to_string(id);
        rows += "]}\n";
    }
    folder.write("data.jsonl", rows);
    folder.write("run.yaml", R"(base_model: model
random_init_weights: true
datasets: [{path: data.jsonl, type: tokens}]
sequence_len: 64
micro_batch_size: 1
gradient_accumulation_steps: 1
num_epochs: 1
learning_rate: 1.0e-3
output_dir: out
)");
}

/// Targets of the steps of a run, sorted: which samples it has seen.
std::vector<std::int64_t> samples_seen(const test::training_folder& folder) {
    std::vector<std::int64_t> seen;
    for (const auto& step : folder.metrics("out"))
        seen.push_back(step["tokens"].get<std::int64_t>());
    std::sort(seen.begin(), seen.end());
    return seen;
}

}  // namespace

BOOST_AUTO_TEST_CASE(keys_are_options) {
    const test::training_folder folder;
    // Dashes or underscores, with and without '=', before and behind the configuration.
    const auto trained =
        folder.run({"--max-steps", "2", "train", "run.yaml", "--learning_rate=1e-3",
                    "--sample-packing", "--no-pad-to-sequence-len", "--launcher",
                    "accelerate", "--debug", "--save_strategy", "no", "--fsdp_version",
                    "2", "--fsdp-config.reshard-after-forward", "false"});
    BOOST_TEST_REQUIRE(trained.exit_code == 0, trained.err);
    BOOST_TEST(
        says(trained, "warning: `--launcher` has no effect: packkit-train starts"));
    BOOST_TEST(says(trained, "step 2/2 loss"));
    const auto steps = folder.metrics("out");
    BOOST_TEST_REQUIRE(steps.size() == 2u);
    fs::remove_all(folder.path("out"));
    const auto same = folder.run({"run.yaml", "max_steps=2", "learning_rate=1e-3",
                                  "pad_to_sequence_len=false", "save_strategy=no"});
    BOOST_TEST_REQUIRE(same.exit_code == 0, same.err);
    BOOST_TEST(test::loss_difference(folder.metrics("out"), steps) <= 1e-6);

    const test::training_folder empty;
    check_refused(empty, {"run.yaml", "--max-stepss", "2"},
                  "unknown option '--max-stepss'; did you mean '--max-steps'?");
    check_refused(empty, {"run.yaml", "--num-process", "2"},
                  "did you mean '--num-processes'?");
    check_refused(empty, {"run.yaml", "--max-steps"},
                  "--max-steps: its value is missing");
    check_refused(empty, {"run.yaml", "--max-steps=x"},
                  "command line: max_steps: expected a whole number >= -1, found 'x'");
    check_refused(empty, {"run.yaml", "--nproc_per_node", "2"},
                  "--nproc-per-node: is not supported; use --processes");
    check_refused(empty, {"run.yaml", "--adapter", "lora"}, "adapter is not supported");
}

BOOST_AUTO_TEST_CASE(launching_options_that_contradict_each_other) {
    const test::training_folder folder;
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{}, {"check"}, {"plan"}}) {
        auto words = command;
        words.insert(words.end(),
                     {"run.yaml", "--num_processes", "3", "--num-machines=2"});
        check_refused(folder, words,
                      "--num-processes: 3 ranks cannot be shared evenly by 2 machines");
    }
    check_refused(folder, {"run.yaml", "--resume", "--overwrite"},
                  "--overwrite: contradicts --resume");
    const auto with = [&](const std::string& name, const std::string& value,
                          const std::vector<std::string>& words) {
        test::process_options options;
        options.environment = {{name, value}};
        const auto result = folder.run(words, options);
        BOOST_TEST(result.exit_code == 2, result.err);
        BOOST_TEST(says(result, "packkit-train: environment variable " + name + ": is "),
                   result.err);
        BOOST_TEST(!fs::exists(folder.path("out")));
    };
    with("RANK", "1", {"run.yaml"});
    with("WORLD_SIZE", "2", {"run.yaml", "--processes", "2"});
    const auto checked = folder.run({"check", "run.yaml", "--num-processes", "4"});
    BOOST_TEST(checked.exit_code == 0, checked.err);
    BOOST_TEST(says(checked, "nothing shards parameters: DDP over 4 replicas"));
}

BOOST_AUTO_TEST_CASE(two_machines_train_as_one_process) {
    const test::training_folder folder;
    const std::vector<std::string> run{"run.yaml", "max_steps=2", "torch_dtype=float64"};
    auto alone = run;
    alone.emplace_back("output_dir=alone");
    BOOST_TEST_REQUIRE(folder.run(alone).exit_code == 0);
    const test::reserved_port port;
    const auto machine = [&](const std::string& number) {
        auto words = run;
        words.insert(words.end(), {"gradient_accumulation_steps=2", "--num_processes",
                                   "2", "--num-machines", "2", "--machine-rank", number,
                                   "--main-process-ip", "127.0.0.1",
                                   "--main_process_port=" + port.text()});
        return folder.run(words);
    };
    auto other = std::async(std::launch::async, [&] { return machine("1"); });
    const auto first = machine("0");
    const auto second = other.get();
    BOOST_TEST_REQUIRE(first.exit_code == 0, first.err);
    BOOST_TEST_REQUIRE(second.exit_code == 0, second.err);
    BOOST_TEST(says(first, "rank 0 pid "));
    BOOST_TEST(says(second, "rank 1 pid "));
    BOOST_TEST(!says(second, "rank 0 pid "));
    BOOST_TEST(test::loss_difference(folder.metrics("alone"), folder.metrics("out")) <=
               1e-12);
}

BOOST_AUTO_TEST_CASE(checkpoints_come_when_the_keys_say) {
    const test::training_folder folder;
    write_eight_samples(folder);
    const auto train = [&](std::vector<std::string> more) {
        more.insert(more.begin(), "run.yaml");
        const auto result = folder.run(more);
        BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
        std::vector<std::int64_t> steps;
        for (const auto& entry : fs::directory_iterator(folder.path("out"))) {
            const auto name = entry.path().filename().string();
            if (name.starts_with("checkpoint-"))
                steps.push_back(std::stoll(name.substr(11)));
        }
        std::sort(steps.begin(), steps.end());
        return steps;
    };
    using steps = std::vector<std::int64_t>;
    // The last four of five epochs.
    BOOST_TEST(train({"num_epochs=5"}) == steps({16, 24, 32, 40}));
    BOOST_TEST(train({"--overwrite", "saves_per_epoch=4", "save_total_limit=0",
                      "save_only_model=true", "save_first_step=true"}) ==
               steps({1, 2, 4, 6, 8}));
    BOOST_TEST(!fs::exists(folder.path("out/checkpoint-8/optimizer.safetensors")));
    const auto resumed = folder.run({"run.yaml", "--resume", "num_epochs=2"});
    BOOST_TEST(resumed.exit_code == 2, resumed.err);
    BOOST_TEST(
        says(resumed, "cannot be resumed: it was saved with save_only_model: true"));
    const auto exported = folder.run({"export", "out", "exported"});
    BOOST_TEST(exported.exit_code == 0, exported.err);
    const auto weights = folder.run(
        {"check", "run.yaml", "random_init_weights=false", "base_model=exported"});
    BOOST_TEST(weights.exit_code == 0, weights.err);
}

BOOST_AUTO_TEST_CASE(no_sample_is_seen_twice_after_a_stop) {
    const test::training_folder folder;
    write_eight_samples(folder);
    BOOST_TEST_REQUIRE(folder.run({"run.yaml", "max_steps=4"}).exit_code == 0);
    fs::copy(folder.path("out"), folder.path("half"), fs::copy_options::recursive);
    const std::vector<std::pair<std::string, std::string>> refused{
        {"shuffle_data=false",
         "shuffle_data was true when this checkpoint was written "
         "and is false now; it cannot be resumed"},
        {"curriculum_sampling=true", "curriculum_sampling was false "},
        {"gradient_accumulation_steps=2", "rows of a global batch was 1 "},
        {"seed=1", "seed was 42 "},
        {"max_grad_norm=0", "max_grad_norm was 1"},
        {"adam_beta2=0.95", "adam_beta2 was 0.999 "},
        {"bf16=true", "bf16 was false "},
        {"dataloader_drop_last=true", "dataloader_drop_last was false "},
        {"excess_length_strategy=raise", ""}};
    for (const auto& [setting, part] : refused) {
        fs::remove_all(folder.path("out"));
        fs::copy(folder.path("half"), folder.path("out"), fs::copy_options::recursive);
        const auto result = folder.run({"run.yaml", setting, "--resume"});
        BOOST_TEST_CONTEXT(setting) {
            if (part.empty()) {
                // The change leaves samples and order as they are: it is harmless, and
                // told.
                BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
                BOOST_TEST(says(result, "excess_length_strategy (not set) -> raise"));
                BOOST_TEST(samples_seen(folder) ==
                           std::vector<std::int64_t>({1, 2, 3, 4, 5, 6, 7, 8}));
            } else {
                BOOST_TEST(result.exit_code == 2, result.err);
                BOOST_TEST(says(result, part), result.err);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(what_may_change_is_told_and_older_checkpoints_open) {
    const test::training_folder folder;
    write_eight_samples(folder);
    const auto none = folder.run({"run.yaml", "resume_from_checkpoint=true"});
    BOOST_TEST(none.exit_code == 2, none.err);
    BOOST_TEST(says(none, "out: holds no checkpoint, which resume_from_checkpoint: true"),
               none.err);
    BOOST_TEST_REQUIRE(folder.run({"run.yaml", "max_steps=2"}).exit_code == 0);
    const auto changed = folder.run({"run.yaml", "learning_rate=2e-3", "max_steps=-1",
                                     "weight_decay=0.1", "resume_from_checkpoint=true"});
    BOOST_TEST_REQUIRE(changed.exit_code == 0, changed.err);
    BOOST_TEST(says(changed,
                    "changed since step 2: learning_rate 0.001 -> 0.002, "
                    "max_steps 2 -> (not set), weight_decay 0.0 -> 0.1"),
               changed.err);
    BOOST_TEST(samples_seen(folder) ==
               std::vector<std::int64_t>({1, 2, 3, 4, 5, 6, 7, 8}));

    // As an older program wrote it: fewer entries, no settings.
    const auto path = folder.path("out/checkpoint-8/trainer_state.json");
    auto state = app::read_json_file(path);
    state.erase("settings");
    state.erase("data");
    state["identity"].erase("shuffle_data");
    state["identity"].erase("max_grad_norm");
    folder.write("out/checkpoint-8/trainer_state.json", state.dump());
    const auto older = folder.run({"run.yaml", "num_epochs=1.25", "--resume"});
    BOOST_TEST_REQUIRE(older.exit_code == 0, older.err);
    BOOST_TEST(says(older,
                    "does not record max_grad_norm, shuffle_data: whether they "
                    "have changed cannot be told"),
               older.err);
    BOOST_TEST(folder.metrics("out").size() == 10u);
}

BOOST_AUTO_TEST_SUITE_END()
