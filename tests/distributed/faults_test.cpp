// SPDX-License-Identifier: Apache-2.0
/// @file
/// Whatever happens to a rank: all processes end in time, one line names rank, step and
/// cause, and the newest checkpoint goes on.

#include "background_job.hpp"
#include "bounds.hpp"
#include "ranks_by_hand.hpp"

#include <boost/test/unit_test.hpp>

#include <signal.h>

#include <chrono>
#include <future>
#include <string>
#include <vector>

BOOST_AUTO_TEST_SUITE(faults_test)

using namespace packkit;
namespace fs = std::filesystem;

namespace {

using test::background_job;
using test::error_line;
using test::processes_in;
using clock_type = std::chrono::steady_clock;

constexpr double soon = test::bounds::rank_end_seconds;

const std::vector<std::string> long_run{"run.yaml",
                                        "max_steps=20000",
                                        "save_steps=5",
                                        "fsdp_version=2",
                                        "ddp_timeout=5",
                                        "--processes",
                                        "2"};

}  // namespace

BOOST_AUTO_TEST_CASE(a_killed_rank_ends_the_job_and_is_named) {
    for (const int rank : {0, 1}) {
        const test::training_folder folder;
        auto patient = long_run;
        patient.emplace_back("ddp_timeout=110");
        background_job job(folder, patient);
        job.wait_for_steps(7);
        job.send(rank, SIGKILL);
        const auto result = job.wait();
        BOOST_TEST(job.seconds_since_signal() < soon);
        BOOST_TEST(result.exit_code == 1);
        const auto line = error_line(result);
        BOOST_TEST(
            line.find("rank " + std::to_string(rank) + " (pid ") != std::string::npos,
            line);
        BOOST_TEST(line.find("step ") != std::string::npos, line);
        BOOST_TEST(line.find("killed by signal 9") != std::string::npos, line);
        BOOST_TEST(processes_in(folder.path()).empty());
        BOOST_TEST(folder.metrics("out").size() >= 7);

        auto resume = long_run;
        resume.insert(resume.end(), {"--resume", "max_steps=12"});
        // The schedule of another total would be another run; only that it goes on is
        // asked.
        const auto again = folder.run(resume);
        BOOST_TEST(again.exit_code == 0, again.err);
        BOOST_TEST(again.err.find("resumed from") != std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(a_stopped_rank_ends_the_job_after_the_timeout) {
    const test::training_folder folder;
    background_job job(folder, long_run);
    job.wait_for_steps(3);
    job.send(1, SIGSTOP);
    const auto result = job.wait();
    BOOST_TEST(job.seconds_since_signal() > 2.5);
    BOOST_TEST(job.seconds_since_signal() < 12.0);
    BOOST_TEST(result.exit_code == 1);
    const auto line = error_line(result);
    BOOST_TEST(line.find("rank 1 (pid ") != std::string::npos, line);
    BOOST_TEST(line.find("did not answer") != std::string::npos, line);
    BOOST_TEST(processes_in(folder.path()).empty());
}

BOOST_AUTO_TEST_CASE(termination_saves_and_can_be_resumed) {
    const test::training_folder folder;
    const std::vector<std::string> settings{"run.yaml", "max_steps=120", "--processes",
                                            "2"};
    auto straight = settings;
    straight.emplace_back("output_dir=straight");
    BOOST_TEST_REQUIRE(folder.run(straight).exit_code == 0);
    const auto expected = folder.metrics("straight");

    background_job job(folder, settings);
    job.wait_for_steps(3);
    job.send(-1, SIGTERM);
    const auto result = job.wait();
    BOOST_TEST(result.exit_code == 143, result.err);
    BOOST_TEST(job.seconds_since_signal() < 15.0);
    BOOST_TEST(result.err.find("interrupted by signal 15 after step") !=
               std::string::npos);
    const auto done = folder.metrics("out").size();
    BOOST_TEST(done < 120);
    BOOST_TEST(fs::exists(folder.path("out/checkpoint-" + std::to_string(done))));

    auto resume = settings;
    resume.emplace_back("--resume");
    BOOST_TEST(folder.run(resume).exit_code == 0);
    const auto found = folder.metrics("out");
    BOOST_TEST_REQUIRE(found.size() == expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
        BOOST_TEST(found[i]["loss_bits"] == expected[i]["loss_bits"]);
    }
}

BOOST_AUTO_TEST_CASE(a_signal_to_everyone_or_to_one_rank_saves_as_well) {
    // A service manager signals the launcher and the ranks, a person perhaps one rank.
    for (const std::vector<int>& signalled : {std::vector{-1, 0, 1}, {1, 0, -1}, {1}}) {
        const test::training_folder folder;
        background_job job(folder, {"run.yaml", "max_steps=400", "--processes", "2"});
        job.wait_for_steps(3);
        for (const int rank : signalled)
            job.send(rank, SIGINT);
        const auto result = job.wait();
        BOOST_TEST(result.exit_code == 130, result.err);
        BOOST_TEST(
            result.err.find("interrupted by signal 2 after step") != std::string::npos,
            result.err);
        const auto done = folder.metrics("out").size();
        BOOST_TEST(done < 400);
        BOOST_TEST(fs::exists(folder.path("out/checkpoint-" + std::to_string(done))));
        BOOST_TEST(processes_in(folder.path()).empty());
    }
}

BOOST_AUTO_TEST_CASE(ranks_with_different_configurations_are_refused) {
    const test::training_folder folder;
    const test::reserved_port port;
    const auto rank = [&](std::size_t number, const std::string& setting) {
        test::process_options options;
        options.environment = test::environment_of_rank(number, 2, port);
        return folder.run({"run.yaml", setting}, options);
    };
    auto other =
        std::async(std::launch::async, [&] { return rank(1, "learning_rate=2e-3"); });
    const auto first = rank(0, "learning_rate=1e-3");
    const auto second = other.get();
    for (const auto& result : {first, second}) {
        BOOST_TEST(result.exit_code == 2);
        const auto line = error_line(result);
        BOOST_TEST(line.find("learning_rate: rank 0 has 0.001, rank 1 has 0.002") !=
                       std::string::npos,
                   line);
    }
    BOOST_TEST(!fs::exists(folder.path("out")));
}

BOOST_AUTO_TEST_CASE(a_rank_that_never_comes_is_named) {
    const test::training_folder folder;
    test::process_options options;
    const test::reserved_port port;
    options.environment = test::environment_of_rank(0, 3, port);
    const auto begin = clock_type::now();
    const auto result = folder.run({"run.yaml", "ddp_timeout=2"}, options);
    BOOST_TEST(std::chrono::duration<double>(clock_type::now() - begin).count() < soon);
    BOOST_TEST(result.exit_code == 1);
    BOOST_TEST(
        error_line(result).find("of 3 ranks these did not come within 2 s: 1, 2") !=
        std::string::npos);
    BOOST_TEST(!fs::exists(folder.path("out")));
}

BOOST_AUTO_TEST_CASE(a_loss_that_is_no_number_stops_all_ranks_before_the_update) {
    const test::training_folder folder;
    const auto result =
        folder.run({"run.yaml", "learning_rate=1e30", "max_grad_norm=0", "warmup_steps=0",
                    "save_steps=1", "--processes", "2"});
    BOOST_TEST(result.exit_code == 1);
    const auto line = error_line(result);
    BOOST_TEST(line.find("no update was made") != std::string::npos, line);
    // The last step that was made is on record and saved.
    const auto done = folder.metrics("out").size();
    BOOST_TEST(done >= 1);
    BOOST_TEST(line.find("step " + std::to_string(done + 1)) != std::string::npos, line);
    BOOST_TEST(fs::exists(folder.path("out/checkpoint-" + std::to_string(done))));
}

BOOST_AUTO_TEST_CASE(bad_data_is_one_error_for_all_ranks) {
    const test::training_folder folder;
    folder.write("data.jsonl",
                 "{\"text\":\"fine\"}\n{\"text\":\"also\"}\n{\"text\": 3}\n");
    const auto result = folder.run({"run.yaml", "--processes", "2"});
    BOOST_TEST(result.exit_code == 2);
    BOOST_TEST(error_line(result).find("data.jsonl:3: ") != std::string::npos);
    BOOST_TEST(!fs::exists(folder.path("out")));
}

BOOST_AUTO_TEST_CASE(a_second_run_in_the_same_folder_is_refused) {
    const test::training_folder folder;
    background_job job(folder, long_run);
    job.wait_for_steps(1);
    const auto second = folder.run({"run.yaml", "--resume"});
    BOOST_TEST(second.exit_code == 2);
    BOOST_TEST(error_line(second).find("is in use by another run (pid ") !=
               std::string::npos);
    job.send(-1, SIGINT);
    BOOST_TEST(job.wait().exit_code == 130);
}

BOOST_AUTO_TEST_SUITE_END()
