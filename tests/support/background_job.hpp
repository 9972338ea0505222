// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// For tests of faults: a job of packkit-train that is looked at and hurt while it runs.

#include "training_run.hpp"

#include <boost/test/unit_test.hpp>

#include <signal.h>

#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace packkit::test {

/// Processes that work in `folder`, by the RANK in their environment; −1 for the
/// launcher.
inline std::vector<std::pair<int, pid_t>> processes_in(const std::string& folder) {
    std::vector<std::pair<int, pid_t>> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const auto name = entry.path().filename().string();
        pid_t pid = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), pid).ec !=
            std::errc()) {
            continue;
        }
        std::error_code gone;
        if (std::filesystem::read_symlink(entry.path() / "cwd", gone) !=
                std::filesystem::canonical(folder) ||
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

inline std::optional<pid_t> pid_of(const std::string& folder, int rank) {
    for (const auto& [r, pid] : processes_in(folder)) {
        if (r == rank) return pid;
    }
    return std::nullopt;
}

/// Waits until out/metrics.jsonl has lines of `steps` steps.
inline void wait_for_steps(const training_folder& folder, std::size_t steps) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(100);
    while (std::chrono::steady_clock::now() < end) {
        std::ifstream file(folder.path("out/metrics.jsonl"));
        std::size_t lines = 0;
        for (std::string line; std::getline(file, line);)
            ++lines;
        if (lines >= steps) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    BOOST_FAIL("the job does not get to its step");
}

/// A job in the background that can be hurt.
class background_job {
public:
    background_job(const training_folder& folder, std::vector<std::string> arguments)
        : folder_(folder), result_(std::async(std::launch::async, [this, arguments] {
              return folder_.run(arguments);
          })) {}

    void wait_for_steps(std::size_t steps) const { test::wait_for_steps(folder_, steps); }

    void send(int rank, int signal) {
        const auto pid = pid_of(folder_.path(), rank);
        BOOST_TEST_REQUIRE(pid.has_value());
        sent_ = clock::now();
        kill(*pid, signal);
    }

    process_result wait() { return result_.get(); }

    /// Seconds from the last signal until now.
    [[nodiscard]] double seconds_since_signal() const {
        return std::chrono::duration<double>(clock::now() - sent_).count();
    }

private:
    using clock = std::chrono::steady_clock;

    const training_folder& folder_;
    std::future<process_result> result_;
    clock::time_point sent_ = clock::now();
};

/// The last line of stderr, which must be the only one with the program's name.
inline std::string error_line(const process_result& result) {
    const auto at = result.err.rfind("packkit-train: ");
    BOOST_TEST_REQUIRE(at != std::string::npos, result.err);
    BOOST_TEST(result.err.find("packkit-train: ") == at, result.err);
    return result.err.substr(at);
}

}  // namespace packkit::test
