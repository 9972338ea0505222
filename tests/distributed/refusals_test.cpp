// SPDX-License-Identifier: Apache-2.0
/// @file
/// Ranks that disagree, and meshes that do not fit: refused before the first step, both
/// values named, nothing written.

#include "background_job.hpp"
#include "ranks_by_hand.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(refusals_test)

using namespace packkit;
namespace fs = std::filesystem;

namespace {

/// Far more than any of this takes: only a real refusal is quick.
const std::string patient = "ddp_timeout=110";

/// Every rank ends by itself, soon, with status 2 and a line that has each of `parts`.
void check_refused(const std::vector<test::rank_by_hand>& ranks,
                   const std::vector<std::string>& parts) {
    const auto begin = std::chrono::steady_clock::now();
    const auto results = test::run_by_hand(ranks);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    BOOST_TEST(took.count() < 10.0);
    for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
        BOOST_TEST_CONTEXT("rank " << rank) {
            BOOST_TEST(results[rank].exit_code == 2, results[rank].err);
            const auto line = test::error_line(results[rank]);
            for (const auto& part : parts)
                BOOST_TEST(line.find(part) != std::string::npos, line);
            BOOST_TEST(!fs::exists(ranks[rank].folder + "/out"));
        }
    }
}

/// The same for what is refused before any process is started.
void check_refused(const test::training_folder& folder,
                   std::vector<std::string> arguments,
                   const std::vector<std::string>& parts) {
    arguments.insert(arguments.begin(), "run.yaml");
    const auto result = folder.run(arguments);
    BOOST_TEST(result.exit_code == 2);
    const auto line = test::error_line(result);
    for (const auto& part : parts)
        BOOST_TEST(line.find(part) != std::string::npos, line);
    BOOST_TEST(result.err.find("pid") == std::string::npos, result.err);
    BOOST_TEST(!fs::exists(folder.path("out")));
}

/// "A B" of the text "… rank 0 has A, rank 1 has B; …".
std::pair<std::string, std::string> values_in(const std::string& line) {
    const std::string first = "rank 0 has ", second = ", rank 1 has ";
    const auto a = line.find(first), b = line.find(second), end = line.find(';');
    BOOST_TEST_REQUIRE((a < b && b < end && end != std::string::npos), line);
    return {line.substr(a + first.size(), b - a - first.size()),
            line.substr(b + second.size(), end - b - second.size())};
}

}  // namespace

BOOST_AUTO_TEST_CASE(ranks_that_agree_train) {
    // In two folders with the same content, so that what is refused below is refused for
    // its difference.
    const test::training_folder here, there;
    const std::vector<std::string> arguments{"run.yaml", "max_steps=2", patient};
    const auto results =
        test::run_by_hand({{here.path(), arguments}, {there.path(), arguments}});
    for (const auto& result : results)
        BOOST_TEST(result.exit_code == 0, result.err);
    BOOST_TEST(here.metrics("out").size() == 2u);
}

BOOST_AUTO_TEST_CASE(data_of_another_content_under_the_same_name) {
    const test::training_folder here, there;
    auto text = test::file_content(there.path("data.jsonl"));
    const auto at = text.find("abc");
    BOOST_TEST_REQUIRE(at != std::string::npos);
    text[at] = 'e';
    there.write("data.jsonl", text);
    const std::vector<std::string> arguments{"run.yaml", patient};
    check_refused({{here.path(), arguments}, {there.path(), arguments}},
                  {"content of datasets (hash): rank 0 has ", ", rank 1 has ",
                   "all ranks need the same data"});
}

BOOST_AUTO_TEST_CASE(what_one_rank_cannot_read_is_told_to_all) {
    for (const std::size_t broken : {0, 1}) {
        const test::training_folder folders[2];
        folders[broken].write("data.jsonl", "{\"text\": \"fine\"}\n{\"text\": 3}\n");
        const std::vector<std::string> arguments{"run.yaml", patient};
        check_refused({{folders[0].path(), arguments}, {folders[1].path(), arguments}},
                      {"data.jsonl:2: "});
    }
}

BOOST_AUTO_TEST_CASE(what_one_rank_cannot_start_from_is_told_to_all) {
    // Configurations are equal and ranks have met; weights and output_dir come after.
    for (const std::size_t broken : {0, 1}) {
        const test::training_folder folders[2];
        folders[broken].write("model/model.safetensors", "no tensors");
        const std::vector<std::string> arguments{"run.yaml", patient,
                                                 "random_init_weights=false"};
        const auto& whole = folders[1 - broken];
        const auto first = whole.run({"run.yaml", "max_steps=1"});
        BOOST_TEST_REQUIRE(first.exit_code == 0, first.err);
        fs::rename(whole.path("out/checkpoint-1/model.safetensors"),
                   whole.path("model/model.safetensors"));
        fs::remove_all(whole.path("out"));
        const auto results = test::run_by_hand(
            {{folders[0].path(), arguments}, {folders[1].path(), arguments}});
        for (const auto& result : results) {
            BOOST_TEST(result.exit_code == 2, result.err);
            BOOST_TEST(test::error_line(result).find("model/model.safetensors: ") !=
                           std::string::npos,
                       result.err);
        }
        const auto told = "rank " + std::to_string(broken) + ": ";
        BOOST_TEST(test::error_line(results[1 - broken]).find(told) != std::string::npos,
                   results[1 - broken].err);
    }
}

BOOST_AUTO_TEST_CASE(an_earlier_run_in_output_dir_is_told_to_all) {
    const test::training_folder folder;
    const auto first = folder.run({"run.yaml", "max_steps=1"});
    BOOST_TEST_REQUIRE(first.exit_code == 0, first.err);
    const test::rank_by_hand rank{folder.path(), {"run.yaml", "max_steps=1", patient}};
    for (const auto& result : test::run_by_hand({rank, rank})) {
        BOOST_TEST(result.exit_code == 2, result.err);
        BOOST_TEST(test::error_line(result).find("out holds an earlier run") !=
                       std::string::npos,
                   result.err);
    }
    BOOST_TEST(folder.metrics("out").size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_model_of_another_shape_under_the_same_name) {
    const test::training_folder here, there;
    auto config = app::read_json_file(there.path("model/config.json"));
    config["rope_theta"] = 20000.0;
    there.write("model/config.json", config.dump());
    const std::vector<std::string> arguments{"run.yaml", patient};
    check_refused({{here.path(), arguments}, {there.path(), arguments}},
                  {"config.json of base_model (hash): rank 0 has ", ", rank 1 has ",
                   "all ranks need the same model"});
}

BOOST_AUTO_TEST_CASE(another_build_of_the_program) {
    const test::training_folder folder;
    const auto other = folder.path("packkit-train-other");
    fs::copy_file(PACKKIT_TRAIN, other);
    std::ofstream(other, std::ios::binary | std::ios::app) << 'x';
    // Another setting besides: the program explains it and comes first.
    const auto ranks = std::vector<test::rank_by_hand>{
        {folder.path(), {"run.yaml", patient, "learning_rate=1e-3"}},
        {folder.path(), {"run.yaml", patient, "learning_rate=2e-3"}, 0, other}};
    check_refused(ranks, {"program (hash): rank 0 has 0.1.0 (", "), rank 1 has 0.1.0 (",
                          "all ranks need the same build"});
    const auto results = test::run_by_hand(ranks);
    const auto values = values_in(test::error_line(results[0]));
    BOOST_TEST(values.first != values.second);
    BOOST_TEST((values_in(test::error_line(results[1])) == values));
}

BOOST_AUTO_TEST_CASE(ranks_that_differ_in_how_many_they_are) {
    const test::training_folder folder;
    const std::vector<std::string> arguments{"run.yaml", patient};
    const auto of = [&](std::size_t world_size) {
        return test::rank_by_hand{folder.path(), arguments, world_size};
    };
    check_refused({of(2), of(3)}, {"WORLD_SIZE: rank 0 has 2, rank 1 has 3"});
    check_refused({of(3), of(2)}, {"WORLD_SIZE: rank 0 has 3, rank 1 has 2"});
    // Rank 1 may compare itself before it sees what rank 0 says.
    check_refused({of(3), of(3), of(4)}, {"WORLD_SIZE: rank ", " has 3, rank 2 has 4"});
}

BOOST_AUTO_TEST_CASE(a_mesh_that_does_not_fit_the_ranks) {
    const test::training_folder folder;
    const std::vector<std::string> shards{"fsdp_version=2", "dp_shard_size=3"};
    auto launched = shards;
    launched.insert(launched.end(), {"--processes", "2"});
    check_refused(folder, launched,
                  {"mesh: dp_shard 3 does not divide the 2 ranks (world size 2, "});
    auto by_hand = shards;
    by_hand.insert(by_hand.begin(), {"run.yaml", patient});
    check_refused({{folder.path(), by_hand}, {folder.path(), by_hand}},
                  {"mesh: dp_shard 3 does not divide the 2 ranks (world size 2, "});
    check_refused(folder, {"context_parallel_size=2", "--processes", "3"},
                  {"mesh: cp 2 does not divide the 3 ranks (world size 3, "});
}

BOOST_AUTO_TEST_CASE(heads_that_tp_does_not_divide) {
    const test::training_folder folder;
    const std::string refusal = "tp 3 does not divide 4 attention heads";
    check_refused(folder, {"tensor_parallel_size=3", "--processes", "3"},
                  {"tensor_parallel_size: " + refusal});
    const std::vector<std::string> arguments{"run.yaml", "tensor_parallel_size=3",
                                             patient};
    const test::rank_by_hand rank{folder.path(), arguments};
    check_refused({rank, rank, rank}, {"tensor_parallel_size: " + refusal});
}

BOOST_AUTO_TEST_SUITE_END()
