// SPDX-License-Identifier: Apache-2.0
#include <common/mesh_picture.hpp>

#include <boost/test/unit_test.hpp>

#include <string>

BOOST_AUTO_TEST_SUITE(mesh_picture_test)

using packkit::app::mesh_picture;

BOOST_AUTO_TEST_CASE(ranks_stand_where_their_coordinates_say) {
    BOOST_TEST(mesh_picture({}) ==
               "             dp_shard 0\n"
               "replicate 0  [0]");
    BOOST_TEST(mesh_picture({.dp_replicate = 2, .dp_shard = 2, .cp = 2, .tp = 2}) ==
               "             dp_shard 0        dp_shard 1\n"
               "replicate 0  [0 1] [2 3]       [4 5] [6 7]\n"
               "replicate 1  [8 9] [10 11]     [12 13] [14 15]");
}

BOOST_AUTO_TEST_CASE(large_meshes_are_cut_short) {
    BOOST_TEST(mesh_picture({.dp_replicate = 3, .dp_shard = 4, .cp = 3, .tp = 4}, 2) ==
               "             dp_shard 0                 dp_shard 1                 ..\n"
               "replicate 0  [0 1 ..] [4 5 ..] ..       [12 13 ..] [16 17 ..] ..   ..\n"
               "replicate 1  [48 49 ..] [52 53 ..] ..   [60 61 ..] [64 65 ..] ..   ..\n"
               "..");
}

BOOST_AUTO_TEST_SUITE_END()
