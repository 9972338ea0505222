// SPDX-License-Identifier: Apache-2.0
// What holds at compile time. If this compiles, it has passed.
#include <packkit/packing/efficiency.hpp>
#include <packkit/packkit.hpp>
#include <packkit/sequence/labels.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <list>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(constant_expressions_test)

namespace {

using namespace packkit;
using enum mesh_dimension;

// --- concepts
// ---------------------------------------------------------------------------
struct sample {
    std::string text;
    std::uint16_t tokens;
};

static_assert(length_range<std::vector<int>>);
static_assert(length_range<const std::vector<std::uint64_t>&>);
static_assert(length_range<std::array<std::int8_t, 3>>);
static_assert(length_range<std::span<const short>>);
static_assert(length_range<std::list<long>>);
static_assert(length_range<int (&)[4]>);
static_assert(length_range<std::vector<sample>, std::uint16_t sample::*>);
static_assert(length_range<std::vector<std::string>, decltype(&std::string::size)>);
static_assert(!length_range<std::vector<sample>>);
static_assert(!length_range<std::vector<double>>);
static_assert(!length_range<std::vector<bool>>);
static_assert(!length_range<std::string>);
static_assert(!length_range<std::wstring_view>);
static_assert(!length_range<int>);
static_assert(!length_range<std::ranges::istream_view<int>>);  // its size is not known

static_assert(packing_policy<first_fit>);
static_assert(packing_policy<first_fit_decreasing>);
static_assert(packing_policy<best_fit>);
static_assert(packing_policy<best_fit_decreasing>);
static_assert(packing_policy<next_fit>);
static_assert(packing_policy<worst_fit_decreasing>);
static_assert(!packing_policy<int>);
static_assert(std::is_empty_v<first_fit_decreasing>);

// --- bins and packing
// -------------------------------------------------------------------
static_assert(std::random_access_iterator<bin_list<>::const_iterator>);
static_assert(std::is_nothrow_move_constructible_v<bin_list<>>);
static_assert(std::is_nothrow_move_assignable_v<bin_list<>>);
static_assert(std::regular<bin_list<>>);
static_assert(sizeof(bin_list<>) == 2 * sizeof(std::vector<int>));

constexpr std::array lengths = {5, 7, 5, 2, 4, 2, 5, 1, 6};

constexpr bool packs(auto policy, std::size_t bins) {
    const auto packed = pack(lengths, 10, policy);
    return packed.size() == bins && packed.items().size() == lengths.size();
}
static_assert(packs(first_fit{}, 5));
static_assert(packs(first_fit_decreasing{}, 4));
static_assert(packs(next_fit{}, 6));
static_assert(packs(worst_fit_decreasing{}, 4));
static_assert([] {
    const auto bins = pack(lengths, 10);
    return std::ranges::equal(bins[0], std::array{1, 3, 7}) && bins[1].front() == 8;
}());
static_assert(lower_bound_l1(lengths, 10) == 4);
static_assert(lower_bound_l2(lengths, 10) == 4);
static_assert(best_lower_bound(std::array{6, 6, 6}, 10) == 3);
static_assert(apply_excess_length(std::array{25, 3}, 10, excess_length_strategy::split)
                  .lengths.size() == 4);
static_assert(parse_excess_length_strategy("drop") == excess_length_strategy::drop);
static_assert(packing_efficiency(75, 10, 10) == 0.75);
static_assert(padded_to_longest_efficiency(std::array{2, 4}, 2) == 0.75);
static_assert(length_histogram(std::array{1, 2, 3, 4}, 2)[1].count == 2);

// --- cu_seqlens
// -------------------------------------------------------------------------
constexpr std::array<std::int32_t, 4> boundaries = [] {
    std::array<std::int32_t, 4> out{};
    cu_seqlens(std::array{3, 2, 4}, out.begin());
    return out;
}();
static_assert(boundaries == std::array<std::int32_t, 4>{0, 3, 5, 9});
static_assert(max_seqlen(boundaries) == 4);
static_assert([] {
    std::array<std::int32_t, 10> out{};
    position_ids(boundaries, std::span<std::int32_t>(out));
    return out == std::array{0, 1, 2, 0, 1, 0, 1, 2, 3, 0};
}());
static_assert([] {
    std::array<std::int32_t, 10> out{};
    sequence_ids(boundaries, mask_version::v2, std::span<std::int32_t>(out));
    return out == std::array{1, 1, 1, 2, 2, 3, 3, 3, 3, 0} &&
           std::ranges::equal(cu_seqlens_from_sequence_ids(out), boundaries);
}());
static_assert([] {
    const std::array<std::int64_t, 9> labels = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    const auto targets = shift_labels(labels, boundaries);
    return targets == std::vector<std::int64_t>{2, 3, -100, 5, -100, 7, 8, 9, -100} &&
           count_valid_targets(targets) == 6 &&
           count_valid_targets(labels, boundaries) == 6;
}());

// --- mesh: every accepted row of the table
// ------------------------------------------------
constexpr mesh_shape resolved(std::int64_t world, std::int64_t tp, std::int64_t cp,
                              std::int64_t dp_shard, std::int64_t dp_replicate,
                              bool fully_sharded) {
    mesh_request request{.cp = cp, .tp = tp, .fully_sharded = fully_sharded};
    if (dp_shard != 0) request.dp_shard = dp_shard;
    if (dp_replicate != 0) request.dp_replicate = dp_replicate;
    return resolve_mesh(world, request);
}
static_assert(resolved(8, 1, 1, 0, 0, true) == mesh_shape{1, 8, 1, 1});
static_assert(resolved(8, 2, 1, 4, 0, true) == mesh_shape{1, 4, 1, 2});
static_assert(resolved(8, 2, 2, 2, 0, true) == mesh_shape{1, 2, 2, 2});
static_assert(resolved(16, 2, 1, 4, 2, true) == mesh_shape{2, 4, 1, 2});
static_assert(resolved(8, 2, 1, 2, 0, true) == mesh_shape{2, 2, 1, 2});
static_assert(resolved(16, 1, 1, 8, 0, true) == mesh_shape{2, 8, 1, 1});
static_assert(resolved(8, 1, 1, 0, 2, true) == mesh_shape{2, 4, 1, 1});
static_assert(resolved(8, 1, 1, 0, 0, false) == mesh_shape{8, 1, 1, 1});
static_assert(resolved(8, 1, 8, 8, 0, true) == mesh_shape{1, 1, 8, 1});
static_assert(resolved(8, 1, 8, 8, 0, true).effective_shard_size() == 8);

static_assert(mesh_shape{4, 4, 1, 8}.world_size() == 128);
static_assert(mesh_shape{1, 2, 8, 4}.world_size() == 64);
static_assert(mesh_shape{1, 16, 4, 2}.world_size() == 128);
static_assert(mesh_shape{2, 4, 2, 2}.data_parallel_size() == 8);
static_assert(rank_of({2, 3, 4, 5}, coordinates_of({2, 3, 4, 5}, 77)) == 77);
static_assert(group_of({2, 2, 1, 2}, 5, {dp_replicate, dp_shard}) ==
              std::vector<std::int64_t>{1, 3, 5, 7});
static_assert(all_groups({2, 2, 1, 2}, {tp}).size() == 4);
static_assert(factorizations(8).size() == 20);
static_assert(to_string(dp_shard) == "dp_shard");

// --- batch arithmetic
// -------------------------------------------------------------------
static_assert(batch_size{32, 3, 2}.global() == 192);
static_assert(resolve_batch_size(2, 4, std::nullopt, 8) == batch_size{2, 4, 8});
static_assert(accumulation_for(192, 32, 2) == 3);
static_assert(steps_per_epoch(10'000'000, 192, true) == 52'083);
static_assert(hours(7200, 0.5) == 1.0);

// --- randomness and the sampler's cursor
// ------------------------------------------------
static_assert(philox4x32({0, 0, 0, 0}, {0, 0})[0] == 0x6627e8d5);
static_assert(uniform01(42, 0) < 1.0);
static_assert(hash64("foobar") == 0x1dbc34cd758edc80ULL);
static_assert(seeded_permutation(10, 42, 3) ==
              std::vector<std::uint32_t>{8, 4, 7, 6, 5, 1, 2, 9, 3, 0});
static_assert(cursor{1, 6}.advance(7) == cursor{2, 0});

// --- version
// ----------------------------------------------------------------------------
static_assert(std::string_view(PACKKIT_VERSION).starts_with('0' + PACKKIT_VERSION_MAJOR));

}  // namespace

BOOST_AUTO_TEST_CASE(constant_expressions_hold) {
    BOOST_TEST(true);
}

BOOST_AUTO_TEST_SUITE_END()
