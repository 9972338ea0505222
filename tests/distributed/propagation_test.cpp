// SPDX-License-Identifier: Apache-2.0
/// @file
/// One rank's end ends all, on every kind of mesh, long before the timeout of the
/// collectives: whether packkit-train launched the ranks or nobody watches over them.

#include "background_job.hpp"
#include "ranks_by_hand.hpp"

#include <boost/test/unit_test.hpp>

#include <signal.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

BOOST_AUTO_TEST_SUITE(propagation_test)

using namespace packkit;
namespace fs = std::filesystem;

namespace {

struct subject {
    std::string name;
    int processes;
    std::vector<std::string> settings;
};

const std::string tp = "tensor_parallel_size=2";
const std::string cp = "context_parallel_size=2";
const std::string ring = "ring_attn_func=ring";
const std::string sequence = "sequence_parallel=true";
const std::string fsdp = "fsdp_version=2";

const std::vector<subject> subjects{
    {"DDP 2", 2, {}},
    {"TP 2", 2, {tp, sequence}},
    {"rows on 2, ring", 2, {cp, ring}},
    {"DDP 2 x rows on 2, sharded", 4, {fsdp, cp, "dp_replicate_size=2"}},
    {"FSDP 2 x TP 2", 4, {fsdp, tp}},
};

/// Seconds within which one rank's end is everyone's, long before the timeout of the
/// collectives below.
constexpr double soon = 10.0;

/// Ends only by the fault, and waits in collectives for longer than any test.
std::vector<std::string> arguments_of(const subject& of) {
    std::vector<std::string> arguments{"run.yaml", "max_steps=20000", "save_steps=5",
                                       "ddp_timeout=110"};
    arguments.insert(arguments.end(), of.settings.begin(), of.settings.end());
    return arguments;
}

std::vector<std::string> launched(const subject& of) {
    auto arguments = arguments_of(of);
    arguments.insert(arguments.end(), {"--processes", std::to_string(of.processes)});
    return arguments;
}

std::vector<test::rank_by_hand> by_hand(const subject& of,
                                        const test::training_folder& folder) {
    return {static_cast<std::size_t>(of.processes), {folder.path(), arguments_of(of)}};
}

/// The next checkpoint cannot be written, which rank 0 alone learns.
void take_away_output(const test::training_folder& folder) {
    fs::rename(folder.path("out"), folder.path("moved"));
    folder.write("out", "a file where a folder was");
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
        .count();
}

/// Of these ranks, `failed` has ended by its own fault; the others have said why they
/// end: all of `words`.
void check_echoes(std::vector<std::future<test::process_result>>& ranks,
                  std::size_t failed, std::chrono::steady_clock::time_point begin,
                  const std::vector<std::string>& words) {
    for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
        const auto result = ranks[rank].get();
        BOOST_TEST_CONTEXT("rank " << rank) {
            BOOST_TEST(seconds_since(begin) < soon);
            if (rank == failed) continue;
            BOOST_TEST(result.exit_code == 1);
            const auto line = test::error_line(result);
            for (const auto& word : words)
                BOOST_TEST(line.find(word) != std::string::npos, line);
        }
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_killed_rank_ends_a_launched_job) {
    for (const auto& each : subjects) {
        BOOST_TEST_CONTEXT(each.name) {
            const test::training_folder folder;
            test::background_job job(folder, launched(each));
            job.wait_for_steps(3);
            const int rank = each.processes - 1;
            job.send(rank, SIGKILL);
            const auto result = job.wait();
            BOOST_TEST(job.seconds_since_signal() < soon);
            BOOST_TEST(result.exit_code == 1);
            const auto line = test::error_line(result);
            BOOST_TEST(
                line.find("rank " + std::to_string(rank) + " (pid ") != std::string::npos,
                line);
            BOOST_TEST(line.find("killed by signal 9") != std::string::npos, line);
            BOOST_TEST(test::processes_in(folder.path()).empty());
        }
    }
}

BOOST_AUTO_TEST_CASE(an_exception_of_one_rank_ends_a_launched_job) {
    for (const auto& each : subjects) {
        BOOST_TEST_CONTEXT(each.name) {
            const test::training_folder folder;
            test::background_job job(folder, launched(each));
            job.wait_for_steps(3);
            const auto begin = std::chrono::steady_clock::now();
            take_away_output(folder);
            const auto result = job.wait();
            BOOST_TEST(seconds_since(begin) < soon);
            BOOST_TEST(result.exit_code == 1);
            const auto line = test::error_line(result);
            BOOST_TEST(line.find("rank 0 (pid ") != std::string::npos, line);
            BOOST_TEST(line.find("Not a directory") != std::string::npos, line);
            BOOST_TEST(test::processes_in(folder.path()).empty());
        }
    }
}

BOOST_AUTO_TEST_CASE(a_killed_rank_ends_ranks_that_nobody_watches) {
    for (std::size_t i = 0; i < subjects.size(); ++i) {
        const auto& each = subjects[i];
        // The first, which hosts the store, and the last take turns.
        const auto killed =
            i % 2 == 0 ? std::size_t{0} : static_cast<std::size_t>(each.processes - 1);
        BOOST_TEST_CONTEXT(each.name << ", rank " << killed) {
            const test::training_folder folder;
            auto ranks = test::start_by_hand(by_hand(each, folder));
            test::wait_for_steps(folder, 3);
            const auto pid = test::pid_of(folder.path(), static_cast<int>(killed));
            BOOST_TEST_REQUIRE(pid.has_value());
            const auto begin = std::chrono::steady_clock::now();
            kill(*pid, SIGKILL);
            // Nobody has told them: a collective failed.
            check_echoes(ranks, killed, begin, {" of group ", " failed: "});
            BOOST_TEST(test::processes_in(folder.path()).empty());
        }
    }
}

BOOST_AUTO_TEST_CASE(an_exception_of_one_rank_ends_ranks_that_nobody_watches) {
    for (const auto& each : subjects) {
        BOOST_TEST_CONTEXT(each.name) {
            const test::training_folder folder;
            auto ranks = test::start_by_hand(by_hand(each, folder));
            test::wait_for_steps(folder, 3);
            const auto begin = std::chrono::steady_clock::now();
            take_away_output(folder);
            const auto first = ranks.front().get();
            BOOST_TEST(first.exit_code == 1);
            const auto line = test::error_line(first);
            BOOST_TEST(line.find("Not a directory") != std::string::npos, line);
            ranks.erase(ranks.begin());
            check_echoes(ranks, ranks.size(), begin,
                         {"rank 0 could not write its part", "Not a directory"});
            BOOST_TEST(test::processes_in(folder.path()).empty());
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
