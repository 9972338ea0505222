// SPDX-License-Identifier: Apache-2.0
/// @file
/// Whatever happens to a rank: all processes end in time, one line names rank, step and
/// cause, and the newest checkpoint goes on.

#include "training_run.hpp"

#include <boost/test/unit_test.hpp>

#include <signal.h>

#include <charconv>
#include <chrono>
#include <future>
#include <optional>
#include <thread>

using namespace packkit;
namespace fs = std::filesystem;

namespace {

using clock_type = std::chrono::steady_clock;

/// Processes that work in `folder`, by the RANK in their environment; −1 for the
/// launcher.
std::vector<std::pair<int, pid_t>> processes_in(const std::string& folder) {
    std::vector<std::pair<int, pid_t>> found;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const auto name = entry.path().filename().string();
        pid_t pid = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), pid).ec !=
            std::errc()) {
            continue;
        }
        std::error_code gone;
        if (fs::read_symlink(entry.path() / "cwd", gone) != fs::canonical(folder) ||
            gone) {
            continue;
        }
        std::ifstream file(entry.path() / "environ", std::ios::binary);
        const std::string environment((std::istreambuf_iterator<char>(file)), {});
        const auto at = ('\0' + environment).find(std::string("\0RANK=", 6));
        int rank = -1;
        if (at != std::string::npos) {
            std::from_chars(environment.data() + at + 5,
                            environment.data() + environment.size(), rank);
        }
        found.emplace_back(rank, pid);
    }
    return found;
}

std::optional<pid_t> pid_of(const std::string& folder, int rank) {
    for (const auto& [r, pid] : processes_in(folder)) {
        if (r == rank) return pid;
    }
    return std::nullopt;
}

/// A job in the background that can be hurt.
class background_job {
public:
    background_job(const test::training_folder& folder,
                   std::vector<std::string> arguments)
        : folder_(folder), result_(std::async(std::launch::async, [this, arguments] {
              return folder_.run(arguments);
          })) {}

    /// Waits until `steps` lines of metrics are there.
    void wait_for_steps(std::size_t steps) const {
        const auto end = clock_type::now() + std::chrono::seconds(60);
        while (clock_type::now() < end) {
            std::ifstream file(folder_.path("out/metrics.jsonl"));
            std::size_t lines = 0;
            for (std::string line; std::getline(file, line);)
                ++lines;
            if (lines >= steps) return;
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        BOOST_FAIL("the job does not get to its step");
    }

    void send(int rank, int signal) {
        const auto pid = pid_of(folder_.path(), rank);
        BOOST_TEST_REQUIRE(pid.has_value());
        sent_ = clock_type::now();
        kill(*pid, signal);
    }

    test::process_result wait() { return result_.get(); }

    /// Seconds from the last signal until now.
    [[nodiscard]] double seconds_since_signal() const {
        return std::chrono::duration<double>(clock_type::now() - sent_).count();
    }

private:
    const test::training_folder& folder_;
    std::future<test::process_result> result_;
    clock_type::time_point sent_ = clock_type::now();
};

const std::vector<std::string> long_run{"run.yaml",
                                        "max_steps=2000",
                                        "save_steps=5",
                                        "fsdp_version=2",
                                        "ddp_timeout=5",
                                        "--processes",
                                        "2"};

/// The last line of stderr, which must be the only one with the program's name.
std::string error_line(const test::process_result& result) {
    const auto at = result.err.rfind("packkit-train: ");
    BOOST_TEST_REQUIRE(at != std::string::npos, result.err);
    BOOST_TEST(result.err.find("packkit-train: ") == at, result.err);
    return result.err.substr(at);
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_killed_rank_ends_the_job_and_is_named) {
    for (const int rank : {0, 1}) {
        const test::training_folder folder;
        background_job job(folder, long_run);
        job.wait_for_steps(7);
        job.send(rank, SIGKILL);
        const auto result = job.wait();
        BOOST_TEST(job.seconds_since_signal() < 5.0);
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
    const std::vector<std::string> settings{"run.yaml", "max_steps=60", "--processes",
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
    BOOST_TEST(done < 60);
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

BOOST_AUTO_TEST_CASE(ranks_with_different_configurations_are_refused) {
    const test::training_folder folder;
    const auto rank = [&](int number, const std::string& setting) {
        test::process_options options;
        options.environment = {{"RANK", std::to_string(number)},
                               {"WORLD_SIZE", "2"},
                               {"MASTER_ADDR", "127.0.0.1"},
                               {"MASTER_PORT", "29677"}};
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
    options.environment = {{"RANK", "0"},
                           {"WORLD_SIZE", "3"},
                           {"MASTER_ADDR", "127.0.0.1"},
                           {"MASTER_PORT", "29678"}};
    const auto begin = clock_type::now();
    const auto result = folder.run({"run.yaml", "ddp_timeout=2"}, options);
    BOOST_TEST(std::chrono::duration<double>(clock_type::now() - begin).count() < 10.0);
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
