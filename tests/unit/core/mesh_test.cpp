// SPDX-License-Identifier: Apache-2.0
#include <packkit/mesh.hpp>

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(mesh_test)

using packkit::invalid_argument;
using packkit::mesh_coordinates;
using packkit::mesh_note;
using packkit::mesh_request;
using packkit::mesh_shape;
using enum packkit::mesh_dimension;

namespace {

constexpr std::optional<std::int64_t> unset = std::nullopt;
using ranks = std::vector<std::int64_t>;

// One row of the table: world, tp, cp, dp_shard, dp_replicate, FSDP -> shape and note.
struct accepted {
    std::int64_t world;
    std::optional<std::int64_t> tp, cp, dp_shard, dp_replicate;
    bool fsdp;
    mesh_shape shape;
    mesh_note note;

    mesh_request request() const {
        return {.dp_replicate = dp_replicate,
                .dp_shard = dp_shard,
                .cp = cp,
                .tp = tp,
                .fully_sharded = fsdp};
    }
    friend std::ostream& operator<<(std::ostream& out, const accepted& row) {
        return out << packkit::detail::describe(row.world, row.request()) << ", FSDP "
                   << row.fsdp;
    }
};

const accepted accepted_rows[] = {
    {8, 1, 1, unset, unset, true, {1, 8, 1, 1}, mesh_note::filled_dp_shard},
    {8, 2, 1, 4, unset, true, {1, 4, 1, 2}, mesh_note::none},
    {8, 2, 2, 2, unset, true, {1, 2, 2, 2}, mesh_note::none},
    {16, 2, 1, 4, 2, true, {2, 4, 1, 2}, mesh_note::none},
    {8, 2, 1, 2, unset, true, {2, 2, 1, 2}, mesh_note::filled_dp_replicate},
    {16, 1, 1, 8, unset, true, {2, 8, 1, 1}, mesh_note::filled_dp_replicate},
    {8, 1, 1, unset, 2, true, {2, 4, 1, 1}, mesh_note::filled_dp_shard},
    // No FSDP and nothing set: plain DDP, and it says so.
    {8, 1, 1, unset, unset, false, {8, 1, 1, 1}, mesh_note::ddp},
    // All ranks in cp: FSDP shards over dp_shard x cp, 8 in effect.
    {8, 1, 8, 8, unset, true, {1, 1, 8, 1}, mesh_note::dp_shard_taken_by_cp},
    // Beyond the table.
    {8, unset, unset, unset, unset, true, {1, 8, 1, 1}, mesh_note::filled_dp_shard},
    {1, unset, unset, unset, unset, true, {1, 1, 1, 1}, mesh_note::none},
    {1, unset, unset, unset, unset, false, {1, 1, 1, 1}, mesh_note::none},
    {8, 1, 1, unset, 8, false, {8, 1, 1, 1}, mesh_note::none},
    {8, 2, 1, unset, unset, false, {4, 1, 1, 2}, mesh_note::ddp},
    {8, 1, 1, 1, unset, true, {8, 1, 1, 1}, mesh_note::ddp},
    {8, 1, 2, 1, unset, true, {4, 1, 2, 1}, mesh_note::filled_dp_replicate},
    {8, 1, 1, 8, unset, false, {1, 8, 1, 1}, mesh_note::none},
    {8, 1, 8, unset, unset, true, {1, 1, 8, 1}, mesh_note::none},
    {8, 2, 4, 4, 1, true, {1, 1, 4, 2}, mesh_note::dp_shard_taken_by_cp},
    {24, 3, unset, 2, unset, true, {4, 2, 1, 3}, mesh_note::filled_dp_replicate},
};

struct rejected {
    std::int64_t world;
    std::optional<std::int64_t> tp, cp, dp_shard, dp_replicate;
    bool fsdp;
    std::vector<std::string> parts;  // of the message

    mesh_request request() const {
        return {.dp_replicate = dp_replicate,
                .dp_shard = dp_shard,
                .cp = cp,
                .tp = tp,
                .fully_sharded = fsdp};
    }
    friend std::ostream& operator<<(std::ostream& out, const rejected& row) {
        return out << packkit::detail::describe(row.world, row.request()) << ", FSDP "
                   << row.fsdp;
    }
};

const rejected rejected_rows[] = {
    {8,
     1,
     1,
     unset,
     2,
     false,
     {"configured parallelisms are incompatible", "world size 8", "dp_replicate 2",
      "dp_shard to 4", "dp_replicate to 8"}},
    {8,
     3,
     1,
     unset,
     unset,
     true,
     {"tp 3 does not divide the 8 ranks", "world size 8", "one of 1, 2, 4, 8"}},
    {8,
     1,
     1,
     3,
     unset,
     true,
     {"dp_shard 3 does not divide the 8 ranks", "one of 1, 2, 4, 8"}},
    {8,
     2,
     2,
     4,
     unset,
     true,
     {"dp_shard 4 does not divide the 2 ranks left", "tp 2, cp 2, dp_shard 4",
      "one of 1, 2"}},
    {8,
     1,
     1,
     16,
     unset,
     true,
     {"dp_shard 16 does not divide the 8 ranks", "one of 1, 2, 4, 8"}},
    {8,
     16,
     1,
     unset,
     unset,
     true,
     {"tp 16 does not divide the 8 ranks", "one of 1, 2, 4, 8"}},
    // Beyond the table.
    {8, 1, 3, unset, unset, true, {"cp 3 does not divide the 8 ranks"}},
    {8, 1, 1, 4, 4, true, {"dp_replicate 4 does not divide the 2 ranks left", "1, 2"}},
    {8,
     1,
     1,
     2,
     2,
     true,
     {"incompatible with the world size", "factor of 2 unused", "dp_shard to 4",
      "dp_replicate to 4"}},
    {8, 1, 1, unset, 1, false, {"factor of 8 unused", "dp_replicate to 8"}},
    {8, 0, 1, unset, unset, true, {"tp is 0", "at least 1"}},
    {8, 1, -2, unset, unset, true, {"cp is -2", "at least 1"}},
    {8, 1, 1, 0, unset, true, {"dp_shard is 0"}},
    {8, 1, 1, unset, 0, true, {"dp_replicate is 0"}},
    {0, 1, 1, unset, unset, true, {"world size is 0"}},
    // Only dp_shard = cp means "over cp".
    {8, 1, 8, 4, unset, true, {"dp_shard 4 does not divide the 1 rank"}},
    {8, 1, 8, 8, unset, false, {"dp_shard 8 does not divide the 1 rank"}},
};

}  // namespace

BOOST_DATA_TEST_CASE(resolves_requests, boost::unit_test::data::make(accepted_rows),
                     row) {
    const auto resolution = packkit::resolve_mesh_noted(row.world, row.request());
    BOOST_CHECK_MESSAGE(resolution.shape == row.shape, to_string(resolution.shape));
    BOOST_TEST((resolution.note == row.note));
    BOOST_TEST((packkit::resolve_mesh(row.world, row.request()) == row.shape));
    BOOST_TEST(resolution.shape.world_size() == row.world);
    BOOST_TEST(to_string(resolution).empty() == (row.note == mesh_note::none));
}

BOOST_DATA_TEST_CASE(rejects_requests, boost::unit_test::data::make(rejected_rows), row) {
    try {
        const auto shape = packkit::resolve_mesh(row.world, row.request());
        BOOST_ERROR("accepted as " << to_string(shape));
    } catch (const invalid_argument& error) {
        const std::string text = error.what();
        for (const std::string& part : row.parts) {
            BOOST_CHECK_MESSAGE(text.find(part) != std::string::npos,
                                "\"" << text << "\" lacks \"" << part << "\"");
        }
    }
}

BOOST_AUTO_TEST_CASE(notes_say_what_was_decided) {
    const auto note = [](std::int64_t world, const mesh_request& request) {
        return to_string(packkit::resolve_mesh_noted(world, request));
    };
    BOOST_TEST(
        note(8, {.dp_shard = 8, .cp = 8, .fully_sharded = true}) ==
        "cp takes all data-parallel ranks: FSDP shards over dp_shard x cp, effective "
        "shard size 8");
    BOOST_TEST(note(8, {.dp_shard = 2, .tp = 2, .fully_sharded = true}) ==
               "dp_replicate was not set: 2 replicas of 2 shards fill the ranks left");
    BOOST_TEST(note(8, {}) == "nothing shards parameters: DDP over 8 replicas");
}

BOOST_AUTO_TEST_CASE(sizes_multiply) {
    constexpr mesh_shape shape{2, 8, 4, 1};
    BOOST_TEST(shape.world_size() == 64);
    BOOST_TEST(shape.data_parallel_size() == 16);
    BOOST_TEST(shape.effective_shard_size() == 32);
    BOOST_TEST(to_string(shape) == "dp_replicate 2 x dp_shard 8 x cp 4 x tp 1");
}

BOOST_AUTO_TEST_CASE(tp_is_innermost) {
    constexpr mesh_shape shape{2, 3, 4, 5};
    BOOST_TEST((coordinates_of(shape, 0) == mesh_coordinates{0, 0, 0, 0}));
    BOOST_TEST((coordinates_of(shape, 1) == mesh_coordinates{0, 0, 0, 1}));
    BOOST_TEST((coordinates_of(shape, 5) == mesh_coordinates{0, 0, 1, 0}));
    BOOST_TEST((coordinates_of(shape, 20) == mesh_coordinates{0, 1, 0, 0}));
    BOOST_TEST((coordinates_of(shape, 60) == mesh_coordinates{1, 0, 0, 0}));
    BOOST_TEST((coordinates_of(shape, 119) == mesh_coordinates{1, 2, 3, 4}));
    const std::pair<std::int64_t, std::int64_t> data_ranks[] = {
        {0, 0}, {19, 0}, {20, 1}, {59, 2}, {60, 3}, {119, 5}};
    for (const auto& [rank, data_rank] : data_ranks)
        BOOST_TEST(packkit::data_rank_of(shape, rank) == data_rank);
    expect::message_of<invalid_argument>([&] { (void)coordinates_of(shape, 120); },
                                         "rank is 120, expected 0 to 119");
    expect::message_of<invalid_argument>([&] { (void)coordinates_of(shape, -1); },
                                         "rank is -1");
    expect::message_of<invalid_argument>([&] { (void)rank_of(shape, {0, 3, 0, 0}); },
                                         "dp_shard coordinate is 3, expected 0 to 2");
}

BOOST_AUTO_TEST_CASE(ranks_of_a_data_rank_differ_in_cp_and_tp) {
    constexpr mesh_shape shape{2, 3, 2, 2};
    static_assert(data_rank_of(shape, 0) == 0);
    BOOST_TEST(data_rank_of(shape, 3) == 0);
    BOOST_TEST(data_rank_of(shape, 4) == 1);
    BOOST_TEST(data_rank_of(shape, 12) == 3);
    BOOST_TEST(data_rank_of(shape, 23) == 5);
    for (std::int64_t rank = 0; rank < shape.world_size(); ++rank) {
        for (const auto same : group_of(shape, rank, {cp, tp}))
            BOOST_TEST(data_rank_of(shape, same) == data_rank_of(shape, rank));
        BOOST_TEST(data_rank_of(shape, rank) == rank / 4);
    }
    // Where tp is outermost, its ranks are far apart.
    const packkit::mesh_order order{{tp, dp_replicate, dp_shard, cp}};
    BOOST_TEST(data_rank_of(shape, 13, order) == data_rank_of(shape, 1, order));
    expect::message_of<invalid_argument>([&] { (void)data_rank_of(shape, 24); },
                                         "rank is 24, expected 0 to 23");
}

BOOST_AUTO_TEST_CASE(groups_of_a_mesh_of_eight) {
    constexpr mesh_shape shape{2, 2, 1, 2};
    BOOST_TEST((group_of(shape, 5, {tp}) == ranks{4, 5}));
    BOOST_TEST((group_of(shape, 5, {dp_shard}) == ranks{5, 7}));
    BOOST_TEST((group_of(shape, 5, {dp_replicate}) == ranks{1, 5}));
    BOOST_TEST((group_of(shape, 5, {cp}) == ranks{5}));
    BOOST_TEST((group_of(shape, 5, {}) == ranks{5}));
    BOOST_TEST((group_of(shape, 5, {dp_replicate, dp_shard}) == ranks{1, 3, 5, 7}));
    BOOST_TEST((group_of(shape, 5, {tp, dp_replicate, dp_shard, cp}) ==
                ranks{0, 1, 2, 3, 4, 5, 6, 7}));
    BOOST_TEST((all_groups(shape, {dp_replicate, tp}) ==
                std::vector<ranks>{{0, 1, 4, 5}, {2, 3, 6, 7}}));
}

BOOST_AUTO_TEST_CASE(groups_inside_a_node) {
    BOOST_TEST(packkit::inside_node(ranks{8, 9, 15}, 8));
    BOOST_TEST(!packkit::inside_node(ranks{7, 8}, 8));
    BOOST_TEST(packkit::inside_node(ranks{}, 8));
    BOOST_CHECK_THROW((void)packkit::inside_node(ranks{0}, 0), invalid_argument);
}

BOOST_AUTO_TEST_CASE(another_order_of_dimensions) {
    // tp outermost, dp_replicate innermost.
    constexpr packkit::mesh_order order{{tp, cp, dp_shard, dp_replicate}};
    constexpr mesh_shape shape{2, 2, 1, 2};
    static_assert(packkit::stride_of(shape, tp, order) == 4);
    BOOST_TEST((group_of(shape, 5, {tp}, order) == ranks{1, 5}));
    BOOST_TEST((group_of(shape, 5, {dp_replicate}, order) == ranks{4, 5}));
    BOOST_TEST(rank_of(shape, {.dp_replicate = 1, .tp = 1}, order) == 5);
}

BOOST_AUTO_TEST_CASE(groups_over_nodes) {
    using packkit::group_placement;
    using packkit::placement_of;
    // 8 nodes of 8: tp inside, dp_shard over two nodes, replicas over all.
    constexpr mesh_shape shape{4, 4, 1, 4};
    static_assert(placement_of(shape, {tp}, 8) == group_placement{4, 4, 1});
    static_assert(placement_of(shape, {dp_shard}, 8) == group_placement{4, 2, 2});
    static_assert(placement_of(shape, {dp_replicate}, 8) == group_placement{4, 1, 4});
    static_assert(placement_of(shape, {dp_shard, cp}, 8) == group_placement{4, 2, 2});
    static_assert(placement_of(shape, {dp_shard, tp}, 8) == group_placement{16, 8, 2});
    static_assert(placement_of(shape, {cp}, 8) == group_placement{1, 1, 1});
    // tp 3 on nodes of 8: ranks 6, 7, 8 cross a boundary.
    static_assert(placement_of({.dp_shard = 8, .tp = 3}, {tp}, 8) ==
                  group_placement{3, 3, 2});
    // Replicas and tp with shards between them: no single stride.
    static_assert(placement_of({2, 2, 1, 2}, {dp_replicate, tp}, 4) ==
                  group_placement{4, 2, 2});
    BOOST_CHECK_THROW((void)placement_of(shape, {tp}, 0), invalid_argument);
}

BOOST_AUTO_TEST_CASE(factorizations_are_all_there_are) {
    BOOST_TEST((packkit::factorizations(1) == std::vector<mesh_shape>{{1, 1, 1, 1}}));
    BOOST_TEST((
        packkit::factorizations(2) ==
        std::vector<mesh_shape>{{1, 1, 1, 2}, {1, 1, 2, 1}, {1, 2, 1, 1}, {2, 1, 1, 1}}));
    for (std::int64_t world = 1; world <= 64; ++world) {
        std::vector<mesh_shape> wanted;
        for (std::int64_t a = 1; a <= world; ++a) {
            for (std::int64_t b = 1; a * b <= world; ++b) {
                for (std::int64_t c = 1; a * b * c <= world; ++c) {
                    if (world % (a * b * c) == 0)
                        wanted.push_back({a, b, c, world / (a * b * c)});
                }
            }
        }
        BOOST_REQUIRE((packkit::factorizations(world) == wanted));
    }
    BOOST_CHECK_THROW((void)packkit::factorizations(0), invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()
