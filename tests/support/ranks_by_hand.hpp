// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// For tests of packkit-train: ranks started one by one with RANK and WORLD_SIZE set, as
/// Slurm or MPI start them, with nobody who watches over them.

#include "training_run.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <future>
#include <stdexcept>
#include <string>
#include <vector>

namespace packkit::test {

/// A port of loopback that was free a moment ago.
inline int free_port() {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    const bool bound = descriptor >= 0 && ::bind(descriptor, generic, size) == 0 &&
                       ::getsockname(descriptor, generic, &size) == 0;
    if (descriptor >= 0) ::close(descriptor);
    if (!bound) throw std::runtime_error("no free port");
    return ntohs(address.sin_port);
}

/// One rank: what it runs, where, and what it believes.
struct rank_by_hand {
    std::string folder;
    std::vector<std::string> arguments;
    int world_size = 0;  ///< 0: as many as are started
    std::string program = PACKKIT_TRAIN;
    std::vector<std::string> runs_it{};  ///< a command that runs it elsewhere
    std::string master_addr = "127.0.0.1";
};

/// Starts ranks 0, 1, …; each result comes when its rank has ended.
inline std::vector<std::future<process_result>> start_by_hand(
    const std::vector<rank_by_hand>& ranks) {
    const auto port = std::to_string(free_port());
    std::vector<std::future<process_result>> results;
    for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
        const auto& each = ranks[rank];
        const auto world =
            each.world_size > 0 ? each.world_size : static_cast<int>(ranks.size());
        process_options options;
        options.folder = each.folder;
        options.timeout = std::chrono::seconds(120);
        options.environment = {{"RANK", std::to_string(rank)},
                               {"WORLD_SIZE", std::to_string(world)},
                               {"MASTER_ADDR", each.master_addr},
                               {"MASTER_PORT", port}};
        auto command = each.arguments;
        command.insert(command.begin(), each.program);
        command.insert(command.begin(), each.runs_it.begin(), each.runs_it.end());
        results.push_back(std::async(std::launch::async, [command, options] {
            return run_process(command, options);
        }));
    }
    return results;
}

/// Runs ranks 0, 1, … to their end.
inline std::vector<process_result> run_by_hand(const std::vector<rank_by_hand>& ranks) {
    std::vector<process_result> results;
    for (auto& result : start_by_hand(ranks))
        results.push_back(result.get());
    return results;
}

}  // namespace packkit::test
