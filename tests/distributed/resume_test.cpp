// SPDX-License-Identifier: Apache-2.0
/// @file
/// Stop and go on: the same bits as without the stop, also on another mesh.

#include "training_run.hpp"

#include <boost/test/unit_test.hpp>

#include <fstream>

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

BOOST_AUTO_TEST_CASE(checkpoints_of_ranks_that_split_matrices_or_rows) {
    const test::training_folder folder;
    const std::vector<std::string> exact{"torch_dtype=float64", "save_steps=10"};
    const auto straight = train(folder, "alone", exact);
    BOOST_TEST_REQUIRE(straight.exit_code == 0, straight.err);
    const auto expected = folder.metrics("alone");

    // Half of the run on one mesh, the rest on another.
    const std::vector<std::string> tp{"tensor_parallel_size=2", "--processes", "2"};
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
        pairs{{tp, {}}, {tp, ddp}, {{}, tp_fsdp}, {tp_fsdp, tp}, {cp, tp}, {ddp, cp}};
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
