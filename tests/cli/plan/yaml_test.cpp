// SPDX-License-Identifier: Apache-2.0
// The configuration that packkit-plan writes is one that packkit-train takes; a plan that
// it refuses to write is one that packkit-train would refuse.
#include "plan_program.hpp"

#include <config/config.hpp>
#include <yaml.hpp>

#include "common/errors.hpp"
#include "common/model_config.hpp"
#include "config/model_config.hpp"

#include <packkit/model/presets.hpp>

#include <filesystem>

BOOST_AUTO_TEST_SUITE(yaml_test)

using namespace plan_test;
namespace plan = packkit::plan;
namespace train = packkit::train;

namespace {

/// A folder with a model and data.
struct with_model {
    temporary_folder folder;
    with_model() {
        std::filesystem::create_directory(folder.path() / "model");
        folder.write("model/config.json", small_llama());
        folder.write("data.jsonl", "{\"text\": \"hello\"}\n");
        folder.write("lengths.txt", "100\n30\n60\n70\n");
    }
    train::train_config load(const std::string& name = "run.yaml") const {
        return train::load_config(folder / name);
    }
};

/// Whether packkit-train reads the configuration of a setup.
bool trainer_takes(const with_model& files, const packkit::training_setup& setup) {
    plan::yaml_texts texts;
    texts.path = files.folder / "run.yaml";
    texts.datasets = {files.folder / "data.jsonl"};
    plan::plan_subject subject;
    subject.model.folder = files.folder / "model";
    packkit::plan_estimate planned;
    planned.setup = setup;
    files.folder.write("run.yaml", plan::render_yaml(texts, {subject, planned}));
    try {
        static_cast<void>(files.load());
        return true;
    } catch (const packkit::app::input_error&) { return false; }
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(the_trainer_reads_what_was_planned, with_model) {
    const auto result = run_plan_in(
        folder,
        "estimate model --gpus 4 --gpu cpu --sequence-len 128 --precision fp32 "
        "--dp-replicate-size 2 --micro-batch-size 2 --global-batch-size 24 "
        "--lengths lengths.txt --excess-length-strategy truncate --epochs 2.5 "
        "--dataset data.jsonl --learning-rate 3e-4 --output-dir runs/one --yaml "
        "run.yaml");
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.err);
    const train::train_config config = load();
    BOOST_TEST(config.sequence_len == 128);
    BOOST_TEST(config.sample_packing);
    BOOST_TEST(config.multipack_real_batches);
    BOOST_TEST(config.micro_batch_size == 2);
    BOOST_TEST(config.gradient_accumulation_steps == 3);
    BOOST_TEST(config.mesh.dp_replicate.value() == 2);
    BOOST_TEST(config.mesh.dp_shard.value() == 2);
    BOOST_TEST(config.mesh.fully_sharded);
    BOOST_TEST(config.reshard_after_forward);
    BOOST_TEST(config.num_epochs == 2.5);
    BOOST_TEST(config.learning_rate == 3e-4);
    BOOST_TEST(!config.bf16);
    BOOST_TEST(config.random_init_weights);
    BOOST_TEST(
        (config.excess_length_strategy == packkit::excess_length_strategy::truncate));
    BOOST_TEST(config.datasets.size() == 1u);
    BOOST_CHECK(config.datasets[0].type == train::dataset_type::completion);
    BOOST_TEST(std::filesystem::equivalent(config.base_model, folder / "model"));
    BOOST_TEST(config.output_dir == (folder / "runs/one"));
    // Nothing that this trainer would pass over with a warning.
    for (const std::string& warning : config.warnings)
        BOOST_TEST(warning.find("has no effect") == std::string::npos, warning);
}

BOOST_FIXTURE_TEST_CASE(ddp_has_no_keys_of_fsdp, with_model) {
    const auto result =
        run_plan_in(folder,
                    "estimate model --gpus 2 --gpu cpu --sequence-len 128 --sharding ddp "
                    "--dataset data.jsonl --yaml run.yaml");
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.err);
    const train::train_config config = load();
    BOOST_TEST(!config.mesh.fully_sharded);
    BOOST_TEST(config.mesh.dp_replicate.value() == 2);
    BOOST_TEST(config.bf16);
}

BOOST_FIXTURE_TEST_CASE(paths_are_relative_to_the_configuration, with_model) {
    std::filesystem::create_directory(folder.path() / "configs");
    const auto result = run_plan_in(
        folder,
        "estimate model/config.json --gpus 1 --gpu cpu --sequence-len 64 --lengths "
        "data.jsonl --text-field text --tokenizer bytes --yaml configs/run.yaml");
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.err);
    const std::string text = file_content(folder / "configs/run.yaml");
    BOOST_TEST(text.find("base_model: \"../model\"") != std::string::npos, text);
    // The rows that the lengths came from are the data.
    BOOST_TEST(text.find("path: \"../data.jsonl\", type: completion, field: \"text\"") !=
                   std::string::npos,
               text);
    BOOST_TEST(load("configs/run.yaml").datasets.size() == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_search_writes_the_first_plan_that_runs, with_model) {
    const auto result =
        run_plan_in(folder,
                    "search model --gpus 4 --gpu cpu --sequence-len 128 --precision fp32 "
                    "--dataset data.jsonl --yaml run.yaml --format json");
    BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.err);
    const train::train_config config = load();
    const json found = json::parse(result.out);
    const json& one = found["plans"][0];
    BOOST_TEST(config.mesh.dp_shard.value() == one["mesh"]["dp_shard"]);
    BOOST_TEST(config.mesh.cp.value() == one["mesh"]["cp"]);
    BOOST_TEST(config.mesh.tp.value() == one["mesh"]["tp"]);
    BOOST_TEST(config.micro_batch_size == one["batch"]["micro_batch_size"]);
    BOOST_TEST(packkit::to_string(config.gradient_checkpointing) ==
               one["setup"]["activation_checkpointing"]);
}

BOOST_FIXTURE_TEST_CASE(gaps_are_what_the_trainer_refuses, with_model) {
    using packkit::checkpointing_kind;
    using packkit::optimizer_kind;
    using packkit::precision_kind;
    using packkit::sharding_kind;
    const packkit::model_shape model = packkit::find_model("llama-3-8b")->shape;
    packkit::training_setup plain;
    plain.mesh = {1, 2, 1, 1};
    plain.sequence_len = 128;
    std::vector<packkit::training_setup> setups;
    const auto add = [&](auto change) {
        packkit::training_setup setup = plain;
        change(setup);
        setups.push_back(setup);
    };
    using setup_type = packkit::training_setup;
    add([](setup_type&) {});
    for (const auto sharding : {sharding_kind::ddp, sharding_kind::zero1,
                                sharding_kind::zero2, sharding_kind::fsdp})
        add([&](setup_type& s) { s.sharding = sharding; });
    for (const auto precision : {precision_kind::fp64, precision_kind::fp32,
                                 precision_kind::bf16_mixed, precision_kind::bf16})
        add([&](setup_type& s) { s.precision = precision; });
    for (const auto kind : {checkpointing_kind::selective, checkpointing_kind::full})
        add([&](setup_type& s) { s.checkpointing = kind; });
    for (const auto kind : {optimizer_kind::adamw_8bit, optimizer_kind::sgd})
        add([&](setup_type& s) { s.optimizer = kind; });
    add([](setup_type& s) { s.mesh.tp = 2; });
    add([](setup_type& s) { s.mesh.cp = 2; });
    add([](setup_type& s) { s.mesh.dp_replicate = 2; });
    add([](setup_type& s) { s.reshard_after_forward = false; });
    add([](setup_type& s) { s.offload_optimizer = true; });
    add([](setup_type& s) { s.micro_batch_size = 3; });
    std::size_t taken = 0;
    for (const auto& setup : setups) {
        const auto gaps = plan::trainer_gaps(setup, model);
        // These names are taken, and run with more memory than was planned.
        const bool larger = setup.precision == precision_kind::bf16 ||
                            setup.optimizer == optimizer_kind::adamw_8bit;
        const bool takes = trainer_takes(*this, setup) && !larger;
        taken += takes ? 1 : 0;
        BOOST_TEST(gaps.empty() == takes,
                   (gaps.empty() ? std::string("no gap") : gaps.front()));
    }
    BOOST_TEST(taken > 5u);
    BOOST_TEST(taken == setups.size() - 4);
}

BOOST_FIXTURE_TEST_CASE(checkpointing_arrives_at_the_trainer, with_model) {
    for (const std::string kind : {"none", "selective", "full"}) {
        const auto result = run_plan_in(
            folder,
            "estimate model --gpus 2 --gpu cpu --sequence-len 128 --dataset data.jsonl "
            "--activation-checkpointing " +
                kind + " --yaml run.yaml");
        BOOST_REQUIRE_MESSAGE(result.exit_code == 0, result.err);
        BOOST_TEST(packkit::to_string(load().gradient_checkpointing) == kind);
    }
}

BOOST_FIXTURE_TEST_CASE(models_with_gaps_are_those_that_the_trainer_refuses, with_model) {
    packkit::training_setup setup;
    setup.sequence_len = 128;
    for (const char* more :
         {"", R"(, "attention_bias": true)", R"(, "mlp_bias": true)",
          R"(, "hidden_act": "gelu")", R"(, "attention_dropout": 0.1)",
          R"(, "rope_scaling": {"rope_type": "linear", "factor": 2.0})",
          R"(, "rope_scaling": {"rope_type": "dynamic", "factor": 2.0})",
          R"(, "tie_word_embeddings": true)"}) {
        folder.write("model/config.json", small_llama(more));
        const auto shape = packkit::app::read_model_config(folder / "model");
        bool takes = true;
        try {
            static_cast<void>(train::read_model_config(folder / "model"));
        } catch (const packkit::app::input_error&) { takes = false; }
        BOOST_TEST(plan::trainer_gaps(setup, shape).empty() == takes, more);
    }
    BOOST_TEST(!plan::trainer_gaps(setup, packkit::find_model("gpt2")->shape).empty());
}

BOOST_AUTO_TEST_SUITE_END()
