// SPDX-License-Identifier: Apache-2.0
#include "run/launch_options.hpp"

#include "common/errors.hpp"
#include "common/numbers.hpp"
#include "common/problems.hpp"

#include <fmt/format.h>

namespace packkit::train {
namespace {

/// More than any job has, few enough that products do not overflow.
constexpr std::int64_t most_ranks = 1 << 20;
constexpr std::int64_t most_ranks_here = 1024;

/// The ranks of this machine and of all.
void set_ranks(const launch_options& given, launch_request& request) {
    const auto here =
        app::parse_given_integer("--processes", given.processes, 1, most_ranks_here);
    const auto all =
        app::parse_given_integer("--num-processes", given.num_processes, 1, most_ranks);
    if (!here && !all) {
        if (request.machines == 1) return;
        throw app::usage_error("--num-processes",
                               fmt::format("is missing: expected the number of ranks on "
                                           "all {} machines together",
                                           request.machines));
    }
    if (all && *all % request.machines != 0) {
        throw app::usage_error(
            "--num-processes",
            fmt::format("{} ranks cannot be shared evenly by {} machines; it counts the "
                        "ranks of all machines together, expected a multiple of {}",
                        *all, request.machines, request.machines));
    }
    request.ranks_here = here.value_or(all.value_or(1) / request.machines);
    request.world_size = request.ranks_here * request.machines;
    request.asked_by = here ? "--processes" : "--num-processes";
    if (all && request.world_size != *all) {
        throw app::usage_error(
            "--processes",
            fmt::format("{}{} contradict --num-processes {}, which counts the ranks of "
                        "all machines together; leave one of the two out",
                        *here,
                        request.machines == 1
                            ? ""
                            : fmt::format(" on each of {} machines", request.machines),
                        *all));
    }
    if (request.ranks_here > most_ranks_here) {
        throw app::usage_error("--num-processes",
                               fmt::format("{} ranks on one machine are too many; "
                                           "expected at most {}",
                                           request.ranks_here, most_ranks_here));
    }
}

void set_machine(const launch_options& given, launch_request& request) {
    const auto machine =
        app::parse_given_integer("--machine-rank", given.machine_rank, 0, most_ranks);
    if (machine.value_or(0) >= request.machines) {
        throw app::usage_error(
            "--machine-rank",
            fmt::format("{} is not below --num-machines {}; machines count from 0",
                        *machine, request.machines));
    }
    request.machine = machine.value_or(0);
    if (request.machines == 1) return;
    if (!machine) {
        throw app::usage_error("--machine-rank",
                               fmt::format("is missing: expected the number of this "
                                           "machine, from 0 to {}",
                                           request.machines - 1));
    }
    if (given.main_process_ip.empty()) {
        throw app::usage_error("--main-process-ip",
                               "is missing: expected the name or address of machine 0");
    }
    request.address = given.main_process_ip;
    if (request.port == 0) request.port = default_store_port;
}

/// Which variables describe a job, and how to get rid of a contradiction.
struct job_variables {
    const char* size;
    const char* rank;
    const char* way_out;
};

job_variables variables_of(rank_source source) {
    switch (source) {
        case rank_source::slurm:
            return {"SLURM_NTASKS", "SLURM_PROCID",
                    "start one task a machine (srun --ntasks-per-node=1) or leave the "
                    "option out, so that each task is a rank"};
        case rank_source::mpi:
            return {"OMPI_COMM_WORLD_SIZE or PMI_SIZE",
                    "OMPI_COMM_WORLD_RANK or PMI_RANK",
                    "start one process a machine or leave the option out, so that each "
                    "process is a rank"};
        case rank_source::torchrun:
        case rank_source::none:
            break;
    }
    return {"WORLD_SIZE", "RANK",
            "leave the option out, so that this process is that rank, or unset RANK and "
            "WORLD_SIZE"};
}

}  // namespace

launch_request read_launch_options(const launch_options& given) {
    launch_request request;
    request.machines =
        app::parse_given_integer("--num-machines", given.num_machines, 1, most_ranks)
            .value_or(1);
    request.port = static_cast<std::uint16_t>(
        app::parse_given_integer("--main-process-port", given.main_process_port, 0, 65535)
            .value_or(0));
    set_ranks(given, request);
    set_machine(given, request);
    return request;
}

bool starts_ranks(const launch_request& request, const rank_environment& environment) {
    if (request.asked_by.empty()) return false;
    const rank_source source = environment.source;
    if (source == rank_source::none) return request.starts_processes();
    const bool one_task_a_machine =
        environment.world_size == request.machines && environment.rank == request.machine;
    if (one_task_a_machine && (request.machines > 1 || source != rank_source::torchrun))
        return request.starts_processes();
    if (environment.world_size == request.world_size) return false;
    const auto names = variables_of(source);
    throw app::usage_error(
        std::string("environment variable ") + names.size,
        fmt::format("is {} and {} is {}, but {} asks for {}; {}", environment.world_size,
                    names.rank, environment.rank, request.asked_by,
                    app::counted(request.world_size, "rank"), names.way_out));
}

}  // namespace packkit::train
