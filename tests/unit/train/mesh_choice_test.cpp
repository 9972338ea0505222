// SPDX-License-Identifier: Apache-2.0
// The meshes that configurations get on a number of processes.
#include <common/errors.hpp>
#include <plan/mesh.hpp>

#include "config_cases.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <ostream>
#include <string>

BOOST_AUTO_TEST_SUITE(mesh_choice_test)

using namespace config_cases;
using namespace packkit;
using namespace packkit::train;

namespace {

struct choice_of_mesh {
    std::string keys;
    std::int64_t processes;
    mesh_shape mesh;
    std::string note;  // a part of the line for the log; "" where there is none

    friend std::ostream& operator<<(std::ostream& out, const choice_of_mesh& row) {
        return out << row.keys << " on " << row.processes;
    }
};

const choice_of_mesh choices[] = {
    // Nothing is said: replicas.
    {"", 1, {}, ""},
    {"", 2, {.dp_replicate = 2}, "DDP over 2 replicas"},
    {"fsdp_config: {}", 2, {.dp_replicate = 2}, "DDP over 2 replicas"},
    // FSDP is asked for: the ranks left are shards.
    {"fsdp_version: 2", 2, {.dp_shard = 2}, "FSDP shards over the 2 ranks left"},
    {"fsdp_config: {reshard_after_forward: true}",
     4,
     {.dp_shard = 4},
     "FSDP shards over the 4 ranks left"},
    {"fsdp_version: 2\ntensor_parallel_size: 2",
     4,
     {.dp_shard = 2, .tp = 2},
     "FSDP shards over the 2 ranks left"},
    {"tensor_parallel_size: 2", 2, {.tp = 2}, ""},
    {"tensor_parallel_size: 2", 4, {.dp_replicate = 2, .tp = 2}, "DDP over 2 replicas"},
    {"fsdp_version: 2\ndp_shard_size: 4\ntensor_parallel_size: 2",
     8,
     {.dp_shard = 4, .tp = 2},
     ""},
    {"fsdp_version: 2\ndp_shard_size: 4\ntensor_parallel_size: 2",
     16,
     {.dp_replicate = 2, .dp_shard = 4, .tp = 2},
     "2 replicas of 4 shards fill the ranks left"},
    {"fsdp_version: 2\ndp_shard_size: 4\ndp_replicate_size: 2\ntensor_parallel_size: 2",
     16,
     {.dp_replicate = 2, .dp_shard = 4, .tp = 2},
     ""},
    // A size of dp_shard_size is enough to shard.
    {"dp_shard_size: 2\ntensor_parallel_size: 2\ncontext_parallel_size: 2",
     8,
     {.dp_shard = 2, .cp = 2, .tp = 2},
     ""},
    {"fsdp_version: 2\ndp_shard_size: 8\nfsdp_config: {reshard_after_forward: true}",
     8,
     {.dp_shard = 8},
     ""},
};

}  // namespace

BOOST_DATA_TEST_CASE(sizes_that_are_not_set_take_the_ranks_left,
                     boost::unit_test::data::make(choices), row) {
    const auto config = loaded(row.keys);
    const auto mesh = choose_mesh(config, row.processes);
    BOOST_CHECK_MESSAGE(mesh == row.mesh, to_string(mesh));
    const auto note = mesh_note_of(config, row.processes);
    BOOST_TEST(note.find(row.note) != std::string::npos, note);
    BOOST_TEST(note.empty() == row.note.empty(), note);
}

BOOST_AUTO_TEST_CASE(sizes_that_do_not_fit) {
    BOOST_CHECK_THROW(choose_mesh(loaded("dp_shard_size: 3"), 2), app::usage_error);
    BOOST_CHECK_THROW(choose_mesh(loaded("dp_replicate_size: 2"), 8), app::usage_error);
}

BOOST_AUTO_TEST_SUITE_END()
