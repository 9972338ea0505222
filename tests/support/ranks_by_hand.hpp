// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// For tests of packkit-train: ranks started one by one with RANK and WORLD_SIZE set, as
/// Slurm or MPI start them, with nobody who watches over them.

#include "training_run.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace packkit::test {

/// A port of loopback that the system gives to nobody else while this lives: bound but
/// not listening, both with SO_REUSEADDR, as the store of rank 0 binds.
class reserved_port {
public:
    reserved_port() : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const int yes = 1;
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* generic = reinterpret_cast<sockaddr*>(&address);
        const bool bound =
            descriptor_ >= 0 &&
            ::setsockopt(descriptor_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
            ::bind(descriptor_, generic, size) == 0 &&
            ::getsockname(descriptor_, generic, &size) == 0;
        if (!bound) {
            if (descriptor_ >= 0) ::close(descriptor_);
            throw std::runtime_error("no free port");
        }
        number_ = ntohs(address.sin_port);
    }
    reserved_port(const reserved_port&) = delete;
    reserved_port& operator=(const reserved_port&) = delete;
    ~reserved_port() { ::close(descriptor_); }

    [[nodiscard]] std::string text() const { return std::to_string(number_); }

private:
    int descriptor_;
    int number_ = 0;
};

/// What a rank that is started by hand finds in its environment.
inline std::vector<std::pair<std::string, std::string>> environment_of_rank(
    std::size_t rank, std::size_t world_size, const reserved_port& port,
    const std::string& master_addr = "127.0.0.1") {
    return {{"RANK", std::to_string(rank)},
            {"WORLD_SIZE", std::to_string(world_size)},
            {"MASTER_ADDR", master_addr},
            {"MASTER_PORT", port.text()}};
}

/// One rank: what it runs, where, and what it believes.
struct rank_by_hand {
    std::string folder;
    std::vector<std::string> arguments;
    std::size_t world_size = 0;  ///< 0: as many as are started
    std::string program = PACKKIT_TRAIN;
    std::vector<std::string> runs_it{};  ///< a command that runs it elsewhere
    std::string master_addr = "127.0.0.1";
};

/// Starts ranks 0, 1, …; each result comes when its rank has ended.
inline std::vector<std::future<process_result>> start_by_hand(
    const std::vector<rank_by_hand>& ranks) {
    const auto port = std::make_shared<const reserved_port>();
    std::vector<std::future<process_result>> results;
    for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
        const auto& each = ranks[rank];
        process_options options;
        options.folder = each.folder;
        options.timeout = std::chrono::seconds(120);
        options.environment = environment_of_rank(
            rank, each.world_size > 0 ? each.world_size : ranks.size(), *port,
            each.master_addr);
        auto command = each.arguments;
        command.insert(command.begin(), each.program);
        command.insert(command.begin(), each.runs_it.begin(), each.runs_it.end());
        results.push_back(std::async(std::launch::async, [command, options, port] {
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
