// SPDX-License-Identifier: Apache-2.0
/// @file
/// Stop and go on: the same bits as without the stop, also on another mesh.

#include "ranks_by_hand.hpp"
#include "training_run.hpp"

#include <boost/test/unit_test.hpp>

#include <filesystem>
#include <fstream>
#include <functional>
#include <future>

BOOST_AUTO_TEST_SUITE(resume_test)

using namespace packkit;

namespace {

/// A run of 20 steps with a checkpoint after each tenth.
const std::vector<std::string> two_ranks{"save_steps=10", "gradient_accumulation_steps=2",
                                         "fsdp_version=2", "--processes", "2"};

test::process_result train(const test::training_folder& folder, const std::string& output,
                           std::vector<std::string> more) {
    more.insert(more.begin(), {"run.yaml", "output_dir=" + output});
    return folder.run(more);
}

std::vector<std::string> joined(std::vector<std::string> a,
                                const std::vector<std::string>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

/// As if the run had been stopped after step 10.
void forget_second_half(const test::training_folder& folder, const std::string& output) {
    std::filesystem::remove_all(folder.path(output + "/checkpoint-20"));
}

}  // namespace

BOOST_AUTO_TEST_CASE(resumed_losses_have_the_same_bits) {
    const test::training_folder folder;
    const auto straight = train(folder, "out", two_ranks);
    BOOST_TEST_REQUIRE(straight.exit_code == 0, straight.err);
    const auto expected = folder.metrics("out");

    forget_second_half(folder, "out");
    const auto resumed = train(folder, "out", joined(two_ranks, {"--resume"}));
    BOOST_TEST_REQUIRE(resumed.exit_code == 0, resumed.err);
    BOOST_TEST(resumed.err.find("after step 10") != std::string::npos);
    const auto found = folder.metrics("out");
    BOOST_TEST_REQUIRE(found.size() == 20);
    for (std::size_t i = 0; i < 20; ++i) {
        BOOST_TEST(found[i]["step"] == expected[i]["step"]);
        BOOST_TEST(found[i]["loss_bits"] == expected[i]["loss_bits"]);
        BOOST_TEST(found[i]["grad_norm"] == expected[i]["grad_norm"]);
    }

    const auto again = train(folder, "out", joined(two_ranks, {"--resume"}));
    BOOST_TEST(again.exit_code == 0);
    BOOST_TEST(again.err.find("nothing to do") != std::string::npos);
    BOOST_TEST(folder.metrics("out").size() == 20);
}

BOOST_AUTO_TEST_CASE(one_process_too) {
    const test::training_folder folder;
    const auto straight = train(folder, "out", {"save_steps=10"});
    BOOST_TEST_REQUIRE(straight.exit_code == 0, straight.err);
    const auto expected = folder.metrics("out");
    forget_second_half(folder, "out");
    const auto resumed = train(folder, "out", {"save_steps=10", "--resume"});
    BOOST_TEST_REQUIRE(resumed.exit_code == 0, resumed.err);
    const auto found = folder.metrics("out");
    BOOST_TEST_REQUIRE(found.size() == 20);
    for (std::size_t i = 0; i < 20; ++i) {
        BOOST_TEST(found[i]["loss_bits"] == expected[i]["loss_bits"]);
    }
}

BOOST_AUTO_TEST_CASE(another_mesh_goes_on_with_the_same_losses) {
    const test::training_folder folder;
    const std::vector<std::string> exact{"torch_dtype=float64", "save_steps=10"};
    const auto straight = train(folder, "out", exact);
    BOOST_TEST_REQUIRE(straight.exit_code == 0, straight.err);
    const auto expected = folder.metrics("out");
    forget_second_half(folder, "out");
    const auto resumed =
        train(folder, "out",
              joined(exact, {"gradient_accumulation_steps=1", "fsdp_version=2",
                             "--resume", "--processes", "4"}));
    BOOST_TEST_REQUIRE(resumed.exit_code == 0, resumed.err);
    BOOST_TEST(test::loss_difference(expected, folder.metrics("out")) <= 1e-12);
}

// All pairs of six meshes go on as threads (mesh_checkpoints_test.cpp).
BOOST_AUTO_TEST_CASE(checkpoints_of_ranks_that_split_matrices_or_rows) {
    const test::training_folder folder;
    const std::vector<std::string> exact{"torch_dtype=float64", "save_steps=10"};
    const auto straight = train(folder, "alone", exact);
    BOOST_TEST_REQUIRE(straight.exit_code == 0, straight.err);
    const auto expected = folder.metrics("alone");

    // Half of the run on one mesh, the rest on another.
    const std::vector<std::string> tp_fsdp{"tensor_parallel_size=2",
                                           "sequence_parallel=true",
                                           "gradient_accumulation_steps=2",
                                           "fsdp_version=2",
                                           "--processes",
                                           "4"};
    const std::vector<std::string> ddp{"gradient_accumulation_steps=2", "--processes",
                                       "2"};
    const std::vector<std::string> cp{"context_parallel_size=2", "--processes", "2"};
    const std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>>
        pairs{{{}, tp_fsdp}, {tp_fsdp, cp}, {cp, ddp}};
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        const auto output = "out" + std::to_string(i);
        const auto first = train(folder, output, joined(exact, pairs[i].first));
        BOOST_TEST_REQUIRE(first.exit_code == 0, first.err);
        forget_second_half(folder, output);
        const auto second =
            train(folder, output, joined(joined(exact, {"--resume"}), pairs[i].second));
        BOOST_TEST_REQUIRE(second.exit_code == 0, second.err);
        BOOST_TEST(second.err.find("after step 10") != std::string::npos);
        BOOST_TEST(test::loss_difference(expected, folder.metrics(output)) <= 1e-12);
    }
}

BOOST_AUTO_TEST_CASE(a_damaged_checkpoint_is_passed_over) {
    const test::training_folder folder;
    const auto straight = train(folder, "out", {"save_steps=10"});
    BOOST_TEST_REQUIRE(straight.exit_code == 0, straight.err);
    const auto expected = folder.metrics("out");
    {
        // One bit in the middle of the weights.
        std::fstream file(folder.path("out/checkpoint-20/model.safetensors"),
                          std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(20000);
        const char byte = static_cast<char>(file.get() ^ 4);
        file.seekp(20000);
        file.put(byte);
    }
    const auto named = train(
        folder, "other", {"resume_from_checkpoint=" + folder.path("out/checkpoint-20")});
    BOOST_TEST(named.exit_code == 2);
    BOOST_TEST(named.err.find("model.safetensors: is damaged") != std::string::npos);

    const auto resumed = train(folder, "out", {"save_steps=10", "--resume"});
    BOOST_TEST_REQUIRE(resumed.exit_code == 0, resumed.err);
    BOOST_TEST(resumed.err.find("model.safetensors: is damaged") != std::string::npos);
    BOOST_TEST(resumed.err.find("after step 10") != std::string::npos);
    BOOST_TEST(test::loss_difference(expected, folder.metrics("out")) == 0.0);

    // None left that is whole: nothing is started anew over what is there.
    for (const auto* step : {"10", "20"})
        std::filesystem::resize_file(
            folder.path(std::string("out/checkpoint-") + step + "/model.safetensors"),
            1000);
    const auto refused = train(folder, "out", {"save_steps=10", "--resume"});
    BOOST_TEST(refused.exit_code == 2);
    BOOST_TEST(
        refused.err.find("none of its 2 checkpoints is whole (") != std::string::npos,
        refused.err);
    BOOST_TEST(test::loss_difference(expected, folder.metrics("out")) == 0.0);
}

BOOST_AUTO_TEST_CASE(a_sharded_checkpoint_is_worth_a_full_one) {
    const test::training_folder folder;
    const std::vector<std::string> settings{
        "torch_dtype=float64", "save_steps=10", "tensor_parallel_size=2",
        "gradient_accumulation_steps=2", "fsdp_version=2"};
    const std::vector<std::string> four{"--processes", "4"};
    const auto full = train(folder, "full", joined(settings, four));
    BOOST_TEST_REQUIRE(full.exit_code == 0, full.err);
    const std::string form = "fsdp_config.state_dict_type=SHARDED_STATE_DICT";
    const auto sharded =
        train(folder, "sharded",
              joined(joined(settings, four),
                     {form, "fsdp_config.final_state_dict_type=FULL_STATE_DICT"}));
    BOOST_TEST_REQUIRE(sharded.exit_code == 0, sharded.err);
    const auto expected = folder.metrics("full");
    BOOST_TEST(test::loss_difference(expected, folder.metrics("sharded")) == 0.0);
    const auto has = [&](const std::string& file) {
        return std::filesystem::exists(folder.path("sharded/" + file));
    };
    BOOST_TEST(has("checkpoint-10/shard-00004-of-00004.safetensors"));
    BOOST_TEST(!has("checkpoint-10/model.safetensors"));
    BOOST_TEST(has("checkpoint-20/model.safetensors"));
    BOOST_TEST(!has("checkpoint-20/shards.index.json"));

    // Whoever opens one finds the same.
    folder.write("tokens.json", R"({"documents": [[1, 200, 3], [17]]})");
    const auto logits = [&](const std::string& model) {
        const auto result = folder.run({"logits", model, "tokens.json"});
        BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
        return result.out;
    };
    const auto exported = [&](const std::string& from, const std::string& to) {
        const auto result =
            folder.run({"export", from + "/checkpoint-10", to, "--dtype", "bfloat16"});
        BOOST_TEST_REQUIRE(result.exit_code == 0, result.err);
        return test::file_content(folder.path(to + "/model.safetensors"));
    };
    BOOST_TEST(logits("sharded/checkpoint-10") == logits("full/checkpoint-10"));
    const bool same_file = exported("full", "a") == exported("sharded", "b");
    BOOST_TEST(same_file);

    forget_second_half(folder, "sharded");
    const auto resumed = train(folder, "sharded",
                               {"torch_dtype=float64", "save_steps=10", form, "--resume",
                                "context_parallel_size=2", "--processes", "2"});
    BOOST_TEST_REQUIRE(resumed.exit_code == 0, resumed.err);
    BOOST_TEST(resumed.err.find("after step 10") != std::string::npos);
    BOOST_TEST(test::loss_difference(expected, folder.metrics("sharded")) <= 1e-12);
    BOOST_TEST(has("checkpoint-20/shard-00002-of-00002.safetensors"));
}

BOOST_AUTO_TEST_CASE(a_damaged_shard_is_named_and_passed_over) {
    const test::training_folder folder;
    const auto settings =
        joined(two_ranks, {"fsdp_config.state_dict_type=SHARDED_STATE_DICT"});
    const auto straight = train(folder, "out", settings);
    BOOST_TEST_REQUIRE(straight.exit_code == 0, straight.err);
    const auto expected = folder.metrics("out");
    const auto path = folder.path("out/checkpoint-20/shard-00002-of-00002.safetensors");
    {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        const auto middle =
            static_cast<std::streamoff>(std::filesystem::file_size(path) / 2);
        file.seekg(middle);
        const char byte = static_cast<char>(file.get() ^ 4);
        file.seekp(middle);
        file.put(byte);
    }
    const auto named = train(
        folder, "other",
        joined(settings, {"resume_from_checkpoint=" + folder.path("out/checkpoint-20")}));
    BOOST_TEST(named.exit_code == 2);
    BOOST_TEST(named.err.find("shard-00002-of-00002.safetensors: is damaged") !=
                   std::string::npos,
               named.err);
    const auto exported = folder.run({"export", "out/checkpoint-20", "exported"});
    BOOST_TEST(exported.exit_code == 2);
    BOOST_TEST(!std::filesystem::exists(folder.path("exported")));
    const auto newest_whole = folder.run({"export", "out", "exported"});
    BOOST_TEST(newest_whole.out.find("checkpoint-10") != std::string::npos,
               newest_whole.err);
    const std::vector<std::pair<std::string, std::function<void()>>> damages{
        {"is damaged: its checksum is ", [] {}},  // as above
        {"is damaged: its checksum is ",
         [&] {
             std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
         }},
        {"is missing", [&] { std::filesystem::remove(path); }}};
    for (const auto& [message, damage] : damages) {
        damage();
        const auto resumed = train(folder, "out", joined(settings, {"--resume"}));
        BOOST_TEST_REQUIRE(resumed.exit_code == 0, resumed.err);
        BOOST_TEST(resumed.err.find("shard-00002-of-00002.safetensors: " + message) !=
                       std::string::npos,
                   resumed.err);
        BOOST_TEST(resumed.err.find("after step 10") != std::string::npos);
        BOOST_TEST(test::loss_difference(expected, folder.metrics("out")) == 0.0);
    }
}

BOOST_AUTO_TEST_CASE(a_rank_without_room_for_its_shard_leaves_no_checkpoint) {
    const test::training_folder folder;
    // Files of rank 1 end after 50 kB; its shard needs four times that.
    const test::reserved_port port;
    const auto rank = [&](std::size_t number) {
        test::process_options options;
        options.environment = test::environment_of_rank(number, 2, port);
        options.folder = folder.path();
        const std::string limit = number == 1 ? "ulimit -f 100; " : "";
        return test::run_process(
            {"/bin/sh", "-c",
             limit + "exec " PACKKIT_TRAIN " run.yaml fsdp_version=2 max_steps=1 "
                     "gradient_accumulation_steps=2 "
                     "fsdp_config.state_dict_type=SHARDED_STATE_DICT"},
            options);
    };
    auto other = std::async(std::launch::async, [&] { return rank(1); });
    const auto first = rank(0);
    const auto second = other.get();
    BOOST_TEST(first.exit_code == 1);
    BOOST_TEST(second.exit_code == 1);
    BOOST_TEST(first.err.find("rank 1 could not write its part of the checkpoint") !=
                   std::string::npos,
               first.err);
    BOOST_TEST(second.err.find("shard-00002-of-00002.safetensors: cannot be written: "
                               "File too large (the file needs ") != std::string::npos,
               second.err);
    for (const auto& entry : std::filesystem::directory_iterator(folder.path("out"))) {
        const auto name = entry.path().filename().string();
        BOOST_TEST(!name.starts_with("checkpoint-"), name);
    }
}

BOOST_AUTO_TEST_CASE(a_checkpoint_of_another_run_is_refused) {
    const test::training_folder folder;
    BOOST_TEST_REQUIRE(train(folder, "out", {"max_steps=2"}).exit_code == 0);
    auto config = app::read_json_file(folder.path("model/config.json"));
    config["hidden_size"] = 64;
    config["head_dim"] = 16;
    folder.write("model/config.json", config.dump());
    const auto wider = train(folder, "out", {"max_steps=3", "--resume"});
    BOOST_TEST(wider.exit_code == 2);
    BOOST_TEST(wider.err.find("was 8 when this checkpoint was written and is 16 now") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_earlier_run_is_never_overwritten_unasked) {
    const test::training_folder folder;
    BOOST_TEST_REQUIRE(train(folder, "out", {"max_steps=2"}).exit_code == 0);
    const auto before = folder.metrics("out");
    const auto refused = train(folder, "out", {"max_steps=2", "--processes", "2"});
    BOOST_TEST(refused.exit_code == 2);
    BOOST_TEST(refused.err.find("holds an earlier run") != std::string::npos);
    BOOST_TEST((folder.metrics("out") == before));
    BOOST_TEST(train(folder, "out", {"max_steps=2", "--overwrite"}).exit_code == 0);
}

BOOST_AUTO_TEST_CASE(old_checkpoints_are_removed_beyond_the_limit) {
    const test::training_folder folder;
    BOOST_TEST_REQUIRE(
        train(folder, "out", {"max_steps=6", "save_steps=2", "save_total_limit=2"})
            .exit_code == 0);
    BOOST_TEST(!std::filesystem::exists(folder.path("out/checkpoint-2")));
    BOOST_TEST(std::filesystem::exists(folder.path("out/checkpoint-4")));
    BOOST_TEST(std::filesystem::exists(folder.path("out/checkpoint-6")));
}

BOOST_AUTO_TEST_SUITE_END()
