// SPDX-License-Identifier: Apache-2.0
/// @file
/// Ranks as launchers describe them.

#include <common/errors.hpp>
#include <run/rank_environment.hpp>
#include <run/slurm.hpp>

#include "expect.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

BOOST_AUTO_TEST_SUITE(rank_environment_test)

using packkit::train::first_host;
using packkit::train::rank_environment;
using packkit::train::read_rank_environment;
using packkit::train::tasks_of_node;

namespace {

using variables = std::vector<std::pair<std::string, std::string>>;

/// What is read of an environment that has these variables of launchers, and no others.
rank_environment read(const variables& set) {
    for (const auto* name : {"RANK",
                             "WORLD_SIZE",
                             "LOCAL_RANK",
                             "LOCAL_WORLD_SIZE",
                             "MASTER_ADDR",
                             "MASTER_PORT",
                             "SLURM_JOB_ID",
                             "SLURM_STEP_ID",
                             "SLURM_STEP_NUM_TASKS",
                             "SLURM_PROCID",
                             "SLURM_NTASKS",
                             "SLURM_LOCALID",
                             "SLURM_NODEID",
                             "SLURM_STEP_TASKS_PER_NODE",
                             "SLURM_STEP_NODELIST",
                             "OMPI_COMM_WORLD_RANK",
                             "OMPI_COMM_WORLD_SIZE",
                             "OMPI_COMM_WORLD_LOCAL_RANK",
                             "OMPI_COMM_WORLD_LOCAL_SIZE",
                             "PMI_RANK",
                             "PMI_SIZE",
                             "MPI_LOCALRANKID",
                             "MPI_LOCALNRANKS",
                             "PACKKIT_STORE_IS_HOSTED",
                             "TORCHELASTIC_USE_AGENT_STORE"})
        unsetenv(name);
    for (const auto& [name, value] : set)
        setenv(name.c_str(), value.c_str(), 1);
    return read_rank_environment();
}

void check(const rank_environment& found, const rank_environment& expected) {
    BOOST_TEST(found.rank == expected.rank);
    BOOST_TEST(found.world_size == expected.world_size);
    BOOST_TEST(found.local_rank == expected.local_rank);
    BOOST_TEST(found.local_world_size == expected.local_world_size);
    BOOST_TEST(found.master_addr == expected.master_addr);
    BOOST_TEST(found.master_port == expected.master_port);
    BOOST_TEST(found.store_is_hosted == expected.store_is_hosted);
}

void check_refused(const variables& set, const std::string& variable,
                   const std::string& text) {
    expect::message_of<packkit::app::usage_error>(
        [&] { (void)read(set); }, "environment variable " + variable, text);
}

const variables slurm{{"SLURM_PROCID", "5"},
                      {"SLURM_NTASKS", "7"},
                      {"SLURM_LOCALID", "1"},
                      {"SLURM_NODEID", "1"},
                      {"SLURM_STEP_TASKS_PER_NODE", "4,3"},
                      {"SLURM_STEP_NODELIST", "gpu[03-04]"}};

variables with(variables set, const std::string& name, const std::string& value) {
    set.emplace_back(name, value);
    return set;
}

}  // namespace

BOOST_AUTO_TEST_CASE(one_process_alone) {
    check(read({}), {});
    // As in the shell of sbatch: a job is there, but no task of it.
    check(read({{"SLURM_NTASKS", "8"}}), {});
    check(read({{"SLURM_JOB_ID", "7"},
                {"SLURM_NTASKS", "8"},
                {"SLURM_PROCID", "0"},
                {"SLURM_LOCALID", "0"},
                {"SLURM_NODEID", "0"}}),
          {});
    check(read({{"MASTER_ADDR", "node0"}, {"MASTER_PORT", "1234"}}), {});
    check(read({{"WORLD_SIZE", "1"}}), {});
}

BOOST_AUTO_TEST_CASE(variables_that_do_not_say_enough) {
    check_refused({{"RANK", "1"}}, "RANK",
                  "is 1, and WORLD_SIZE is not set; expected RANK, WORLD_SIZE and "
                  "LOCAL_RANK together, as torchrun sets them; unset RANK to train");
    check_refused({{"WORLD_SIZE", "4"}}, "WORLD_SIZE", "is 4, and RANK is not set");
    check_refused({{"LOCAL_RANK", "0"}}, "LOCAL_RANK",
                  "is 0, and RANK and WORLD_SIZE are not set");
    check_refused({{"RANK", "0"},
                   {"WORLD_SIZE", "8"},
                   {"LOCAL_RANK", "4"},
                   {"LOCAL_WORLD_SIZE", "4"}},
                  "LOCAL_RANK", "4 is not below LOCAL_WORLD_SIZE 4");
    // The script of a job sets WORLD_SIZE for all its tasks, srun says which one this is.
    check(read(with(with(slurm, "WORLD_SIZE", "7"), "MASTER_ADDR", "a")),
          {5, 7, 1, 3, "a", 29500});
}

BOOST_AUTO_TEST_CASE(torchrun) {
    check(read({{"RANK", "9"},
                {"WORLD_SIZE", "16"},
                {"LOCAL_RANK", "1"},
                {"LOCAL_WORLD_SIZE", "8"},
                {"MASTER_ADDR", "node0"},
                {"MASTER_PORT", "1234"},
                {"TORCHELASTIC_USE_AGENT_STORE", "True"}}),
          {9, 16, 1, 8, "node0", 1234, true});
    check(read({{"RANK", "1"}, {"WORLD_SIZE", "2"}}), {1, 2, 1, 2, "127.0.0.1", 29500});
}

BOOST_AUTO_TEST_CASE(srun) {
    check(read(slurm), {5, 7, 1, 3, "gpu03", 29500});
    check(read(with(slurm, "MASTER_ADDR", "10.0.0.1")), {5, 7, 1, 3, "10.0.0.1", 29500});
    check(read({{"SLURM_PROCID", "1"},
                {"SLURM_NTASKS", "2"},
                {"SLURM_LOCALID", "1"},
                {"SLURM_STEP_TASKS_PER_NODE", "2"},
                {"SLURM_STEP_NODELIST", "gpu7"}}),
          {1, 2, 1, 2, "127.0.0.1", 29500});
}

BOOST_AUTO_TEST_CASE(mpirun) {
    const variables open_mpi{{"OMPI_COMM_WORLD_RANK", "3"},
                             {"OMPI_COMM_WORLD_SIZE", "4"},
                             {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                             {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}};
    check(read(with(open_mpi, "MASTER_ADDR", "a")), {3, 4, 1, 2, "a", 29500});
    // Daemons of mpirun are tasks of Slurm; their variables are not those of the ranks.
    auto under_slurm = slurm;
    for (const auto& each : open_mpi)
        under_slurm.push_back(each);
    check(read(with(under_slurm, "MASTER_ADDR", "a")), {3, 4, 1, 2, "a", 29500});
    check_refused(open_mpi, "MASTER_ADDR",
                  "is not set, and 2 of 4 ranks are on this node");
    check(read({{"PMI_RANK", "1"},
                {"PMI_SIZE", "4"},
                {"MPI_LOCALRANKID", "0"},
                {"MPI_LOCALNRANKS", "2"},
                {"MASTER_ADDR", "b"}}),
          {1, 4, 0, 2, "b", 29500});
}

BOOST_AUTO_TEST_CASE(values_that_cannot_be) {
    check_refused({{"RANK", "two"}, {"WORLD_SIZE", "4"}}, "RANK", "two");
    check_refused({{"RANK", "-1"}, {"WORLD_SIZE", "4"}}, "RANK", "-1");
    check_refused({{"RANK", "4"}, {"WORLD_SIZE", "4"}}, "RANK",
                  "4 is not below WORLD_SIZE 4");
    check_refused({{"RANK", "0"}, {"WORLD_SIZE", "0"}}, "WORLD_SIZE", "0");
    check_refused({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_PORT", "65536"}},
                  "MASTER_PORT", "65536");
}

BOOST_AUTO_TEST_CASE(hosts_in_short_form) {
    BOOST_TEST(first_host("").empty());
    BOOST_TEST(first_host("login") == "login");
    BOOST_TEST(first_host("a,b") == "a");
    BOOST_TEST(first_host("gpu[03-07,12],login") == "gpu03");
    BOOST_TEST(first_host("gpu[8,03-07]") == "gpu8");
    BOOST_TEST(first_host("rack[1-2]n[05-06].site,x") == "rack1n05.site");
    BOOST_TEST(first_host("gpu[3") == "gpu3");
}

BOOST_AUTO_TEST_CASE(tasks_in_short_form) {
    const auto tasks = [](const char* text) {
        std::vector<std::int64_t> found;
        while (const auto next =
                   tasks_of_node(text, static_cast<std::int64_t>(found.size())))
            found.push_back(*next);
        return found;
    };
    BOOST_TEST(tasks("4") == std::vector<std::int64_t>({4}));
    BOOST_TEST(tasks("4(x2),3,1(x3)") == std::vector<std::int64_t>({4, 4, 3, 1, 1, 1}));
    for (const auto* wrong : {"", "x", "4(", "4(x)", "4(x2", "0", "4(x0)", "-1", ","})
        BOOST_TEST(!tasks_of_node(wrong, 0).has_value(), wrong);
}

BOOST_AUTO_TEST_SUITE_END()
