// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Which ranks of a job this command starts: --processes, and the five options of
/// `accelerate launch`.

#include "run/rank_environment.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace packkit::train {

/// The options as they are given; "" for those that are not.
struct launch_options {
    std::string processes{};          ///< ranks of this machine
    std::string num_processes{};      ///< ranks of all machines together
    std::string num_machines{};       ///< 1 unless given
    std::string machine_rank{};       ///< number of this machine, from 0
    std::string main_process_ip{};    ///< name or address of machine 0
    std::string main_process_port{};  ///< port of the store on machine 0
};

/// The ranks that one command starts.
struct launch_request {
    std::int64_t world_size = 1;  ///< ranks of all machines
    std::int64_t ranks_here = 1;  ///< ranks of this machine
    std::int64_t machines = 1;
    std::int64_t machine = 0;           ///< number of this machine
    std::string address = "127.0.0.1";  ///< of machine 0
    std::uint16_t port = 0;             ///< of the store; 0: any free one
    std::string_view asked_by = {};  ///< option that says how many ranks; "": none does

    [[nodiscard]] std::int64_t first_rank() const { return machine * ranks_here; }
    [[nodiscard]] bool hosts_store() const { return machine == 0; }
    /// Whether processes are to be started, rather than one rank be this process.
    [[nodiscard]] bool starts_processes() const { return ranks_here > 1 || machines > 1; }

    friend bool operator==(const launch_request&, const launch_request&) = default;
};

/// The port of the store where several machines are given none, as Accelerate's.
inline constexpr std::uint16_t default_store_port = 29500;

/// Reads the options. Ranks of machine m are m × ranks_here, …
/// @throws app::usage_error naming the option: a value that is no number or out of range,
/// ranks that machines do not divide, machine_rank that is missing or no machine's, an
/// address that is missing where there are several machines, --processes and
/// --num-processes that contradict each other
launch_request read_launch_options(const launch_options& given);

/// Whether this process starts the ranks of the request. If not, it is itself a rank of
/// the job that its environment describes, or one alone.
/// @throws app::usage_error naming the variable where the environment describes a job of
/// another number of ranks. One task a machine, as srun starts it, is no contradiction:
/// each of them starts the ranks of its machine.
bool starts_ranks(const launch_request& request, const rank_environment& environment);

}  // namespace packkit::train
