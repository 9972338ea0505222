// SPDX-License-Identifier: Apache-2.0
/// @file
/// Which ranks a command starts.

#include <common/errors.hpp>
#include <run/launch_options.hpp>

#include "expect.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

BOOST_AUTO_TEST_SUITE(launch_options_test)

using namespace packkit::train;

namespace {

void check_refused(const launch_options& given, const std::string& option,
                   const std::string& text) {
    expect::message_of<packkit::app::usage_error>(
        [&] { (void)read_launch_options(given); }, option, text);
}

rank_environment job(rank_source source, std::int64_t rank, std::int64_t world) {
    rank_environment environment;
    environment.source = source;
    environment.rank = rank;
    environment.world_size = world;
    return environment;
}

}  // namespace

BOOST_AUTO_TEST_CASE(one_machine) {
    BOOST_TEST(!read_launch_options({}).starts_processes());
    BOOST_TEST(read_launch_options({}).world_size == 1);
    const auto three = read_launch_options({.processes = "3"});
    BOOST_TEST(three.world_size == 3);
    BOOST_TEST(three.ranks_here == 3);
    BOOST_TEST(three.first_rank() == 0);
    BOOST_TEST(three.port == 0);
    BOOST_TEST(three.address == "127.0.0.1");
    BOOST_TEST(read_launch_options({.num_processes = "3"}).ranks_here == 3);
    BOOST_TEST(!read_launch_options({.num_processes = "1"}).starts_processes());
    BOOST_TEST(
        read_launch_options({.num_processes = "2", .main_process_port = "29501"}).port ==
        29501);
}

BOOST_AUTO_TEST_CASE(several_machines) {
    const auto second = read_launch_options({.num_processes = "16",
                                             .num_machines = "4",
                                             .machine_rank = "2",
                                             .main_process_ip = "10.0.0.1"});
    BOOST_TEST(second.world_size == 16);
    BOOST_TEST(second.ranks_here == 4);
    BOOST_TEST(second.first_rank() == 8);
    BOOST_TEST(!second.hosts_store());
    BOOST_TEST(second.address == "10.0.0.1");
    BOOST_TEST(second.port == 29500);
    const auto first = read_launch_options({.processes = "1",
                                            .num_machines = "2",
                                            .machine_rank = "0",
                                            .main_process_ip = "host",
                                            .main_process_port = "1234"});
    BOOST_TEST(first.world_size == 2);
    BOOST_TEST(first.hosts_store());
    BOOST_TEST(first.starts_processes());
    BOOST_TEST(first.port == 1234);
}

BOOST_AUTO_TEST_CASE(options_that_cannot_be) {
    check_refused({.num_processes = "3", .num_machines = "2"}, "--num-processes",
                  "3 ranks cannot be shared evenly by 2 machines");
    check_refused({.processes = "2", .num_processes = "3"}, "--processes",
                  "2 contradict --num-processes 3");
    check_refused({.num_processes = "2", .num_machines = "2", .machine_rank = "2"},
                  "--machine-rank", "2 is not below --num-machines 2");
    check_refused({.num_processes = "2", .machine_rank = "1"}, "--machine-rank",
                  "1 is not below --num-machines 1");
    check_refused({.num_processes = "2", .num_machines = "2"}, "--machine-rank",
                  "is missing: expected the number of this machine, from 0 to 1");
    check_refused({.num_processes = "2", .num_machines = "2", .machine_rank = "1"},
                  "--main-process-ip", "is missing");
    check_refused({.num_machines = "2"}, "--num-processes", "is missing");
    check_refused({.processes = "0"}, "--processes", "0");
    check_refused({.num_processes = "two"}, "--num-processes", "two");
    check_refused({.main_process_port = "65536"}, "--main-process-port", "65536");
}

BOOST_AUTO_TEST_CASE(ranks_of_the_environment) {
    using enum rank_source;
    const auto unasked = read_launch_options({});
    const auto two = read_launch_options({.processes = "2"});
    const auto second_of_two = read_launch_options({.num_processes = "8",
                                                    .num_machines = "2",
                                                    .machine_rank = "1",
                                                    .main_process_ip = "a"});
    BOOST_TEST(starts_ranks(two, {}));
    BOOST_TEST(!starts_ranks(unasked, {}));
    BOOST_TEST(!starts_ranks(unasked, job(torchrun, 3, 4)));
    // The job is the one that the option asks for: this is one of its ranks.
    BOOST_TEST(!starts_ranks(two, job(torchrun, 1, 2)));
    // One task a machine, which starts the ranks of the machine.
    BOOST_TEST(starts_ranks(two, job(slurm, 0, 1)));
    BOOST_TEST(starts_ranks(two, job(mpi, 0, 1)));
    BOOST_TEST(starts_ranks(second_of_two, job(slurm, 1, 2)));
    BOOST_TEST(starts_ranks(second_of_two, job(torchrun, 1, 2)));
    const auto refused = [](const launch_request& request, const rank_environment& job,
                            const std::string& variable, const std::string& text) {
        expect::message_of<packkit::app::usage_error>(
            [&] { (void)starts_ranks(request, job); }, "environment variable " + variable,
            text);
    };
    refused(two, job(torchrun, 0, 4), "WORLD_SIZE",
            "is 4 and RANK is 0, but --processes asks for 2 ranks; leave the option out");
    refused(two, job(torchrun, 0, 1), "WORLD_SIZE", "unset RANK and WORLD_SIZE");
    refused(two, job(slurm, 0, 4), "SLURM_NTASKS", "srun --ntasks-per-node=1");
    refused(second_of_two, job(slurm, 0, 2), "SLURM_NTASKS",
            "--num-processes asks for 8");
}

BOOST_AUTO_TEST_SUITE_END()
