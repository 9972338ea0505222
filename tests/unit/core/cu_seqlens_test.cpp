// SPDX-License-Identifier: Apache-2.0
#include <packkit/sequence/cu_seqlens.hpp>
#include <packkit/sequence/labels.hpp>

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <boost/mpl/list.hpp>
#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(cu_seqlens_test)

using packkit::invalid_argument;
using packkit::mask_version;
using cu = std::vector<std::int32_t>;
using ids = std::vector<std::int64_t>;

using integer_types = boost::mpl::list<std::int32_t, std::int64_t, std::uint16_t>;

BOOST_AUTO_TEST_CASE(cu_seqlens_are_running_sums) {
    BOOST_TEST((packkit::cu_seqlens(std::vector{3, 2, 4}) == cu{0, 3, 5, 9}));
    BOOST_TEST((packkit::cu_seqlens(std::vector<unsigned long>{}) == cu{0}));
    BOOST_TEST((packkit::cu_seqlens(std::vector{0, 2, 0}) == cu{0, 0, 2, 2}));
    std::array<std::int32_t, 3> out{};
    const auto end = packkit::cu_seqlens(std::array<std::int64_t, 2>{5, 6}, out.begin());
    BOOST_TEST((end == out.end()));
    BOOST_TEST((out == std::array{0, 5, 11}));
}

BOOST_AUTO_TEST_CASE(cu_seqlens_never_overflow) {
    constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
    BOOST_TEST(packkit::cu_seqlens(std::vector{most - 5, std::int64_t{5}}).back() ==
               most);
    expect::message_of<invalid_argument>(
        [] { (void)packkit::cu_seqlens(std::vector{most - 5, std::int64_t{6}}); },
        "document 1 ends at 2147483642 + 6", "int32");
    expect::message_of<invalid_argument>(
        [] { (void)packkit::cu_seqlens(std::vector<std::uint64_t>{1ULL << 40}); },
        "document 0");
    expect::message_of<invalid_argument>(
        [] { (void)packkit::cu_seqlens(std::vector{4, -1}); },
        "document 1 has length -1");
}

BOOST_AUTO_TEST_CASE(max_seqlen_is_the_longest_document) {
    BOOST_TEST(packkit::max_seqlen(cu{0}) == 0);
    BOOST_TEST(packkit::max_seqlen(cu{0, 3, 5, 9, 12}) == 4);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(position_ids_restart_at_documents, T, integer_types) {
    BOOST_TEST((packkit::position_ids<T>(cu{0, 3, 5}) == std::vector<T>{0, 1, 2, 0, 1}));
    BOOST_TEST((packkit::position_ids<T>(cu{0, 3, 3, 5}, 8) ==
                std::vector<T>{0, 1, 2, 0, 1, 0, 1, 2}));
    BOOST_TEST(packkit::position_ids<T>(cu{0}).empty());
    std::array<T, 4> out{};
    packkit::position_ids(cu{0, 2, 3}, std::span<T>(out));
    BOOST_TEST((out == std::array<T, 4>{0, 1, 0, 0}));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(sequence_ids_mark_documents, T, integer_types) {
    BOOST_TEST((packkit::sequence_ids<T>(cu{0, 3, 5}, mask_version::v2, 7) ==
                std::vector<T>{1, 1, 1, 2, 2, 0, 0}));
    BOOST_TEST((packkit::sequence_ids<T>(cu{0, 3, 5}, mask_version::v1, 7) ==
                std::vector<T>{1, 1, 1, 1, 1, 0, 0}));
    BOOST_TEST((packkit::sequence_ids<T>(cu{0, 0, 2, 2, 3}, mask_version::v2) ==
                std::vector<T>{1, 1, 2}));
    std::array<T, 2> out = {9, 9};
    packkit::sequence_ids(cu{0}, mask_version::v2, std::span<T>(out));
    BOOST_TEST((out == std::array<T, 2>{0, 0}));
}

BOOST_AUTO_TEST_CASE(sequence_ids_fit_their_type) {
    const std::vector<int> documents(128, 1);
    expect::message_of<invalid_argument>(
        [&] {
            (void)packkit::sequence_ids<std::int8_t>(packkit::cu_seqlens(documents),
                                                     mask_version::v2);
        },
        "127");
}

BOOST_AUTO_TEST_CASE(rows_may_not_be_shorter_than_their_documents) {
    expect::message_of<invalid_argument>([] { (void)packkit::position_ids(cu{0, 5}, 4); },
                                         "row of 4 tokens", "5");
    expect::message_of<invalid_argument>(
        [] { (void)packkit::sequence_ids(cu{0, 5}, mask_version::v2, 4); },
        "row of 4 tokens", "5");
}

BOOST_AUTO_TEST_CASE(boundaries_are_checked) {
    expect::message_of<invalid_argument>([] { (void)packkit::max_seqlen({}); }, "empty");
    expect::message_of<invalid_argument>([] { (void)packkit::max_seqlen(cu{1, 2}); },
                                         "cu_seqlens[0] is 1");
    expect::message_of<invalid_argument>([] { (void)packkit::position_ids(cu{0, 3, 2}); },
                                         "cu_seqlens[2] is 2", "3");
}

BOOST_AUTO_TEST_CASE(unpad_finds_documents_in_rows) {
    const packkit::unpadded_rows one = packkit::unpad(ids{1, 1, 2, 2, 2, 0});
    BOOST_TEST((one == packkit::unpadded_rows{{0, 1, 2, 3, 4}, {0, 2, 5}, 3}));
    // Two rows: a document ends at a row's end even if the next row begins with its id.
    const packkit::unpadded_rows two = packkit::unpad(ids{1, 1, 1, 1, 0, 0}, 3);
    BOOST_TEST((two == packkit::unpadded_rows{{0, 1, 2, 3}, {0, 3, 4}, 3}));
    // Padding on the left, and a row of padding alone.
    const packkit::unpadded_rows left = packkit::unpad(ids{0, 1, 1, 0, 0, 0}, 3);
    BOOST_TEST((left == packkit::unpadded_rows{{1, 2}, {0, 2}, 2}));
    BOOST_TEST((packkit::unpad(ids{}) == packkit::unpadded_rows{{}, {0}, 0}));
    expect::message_of<invalid_argument>([] { (void)packkit::unpad(ids{1, 1, 1}, 2); },
                                         "3 sequence ids", "rows of 2");
}

BOOST_AUTO_TEST_CASE(cu_seqlens_come_back_from_sequence_ids) {
    BOOST_TEST(
        (packkit::cu_seqlens_from_sequence_ids(ids{1, 2, 2, 3, 0}) == cu{0, 1, 3, 4}));
    BOOST_TEST((packkit::cu_seqlens_from_sequence_ids(ids{1, 1, 1}) == cu{0, 3}));
    BOOST_TEST((packkit::cu_seqlens_from_sequence_ids(ids{0, 0}) == cu{0}));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(labels_shift_inside_documents, T,
                              decltype(boost::mpl::list<std::int32_t, std::int64_t>())) {
    const std::vector<T> labels = {10, 11, 12, 20, 21, 30, 99};
    const std::vector<T> targets = {11, 12, -100, 21, -100, -100, -100};
    BOOST_TEST((packkit::shift_labels(labels, cu{0, 3, 5, 6}) == targets));
    BOOST_TEST(packkit::count_valid_targets(targets) == 3);
    BOOST_TEST(packkit::count_valid_targets(labels, cu{0, 3, 5, 6}) == 3);
    std::vector<T> in_place = labels;
    packkit::shift_labels(std::span<const T>(in_place), cu{0, 3, 5, 6},
                          std::span<T>(in_place));
    BOOST_TEST((in_place == targets));
    BOOST_TEST((packkit::shift_labels(labels, cu{0, 7}, T{-1}) ==
                std::vector<T>{11, 12, 20, 21, 30, 99, -1}));
}

BOOST_AUTO_TEST_CASE(ignored_labels_stay_ignored) {
    const std::vector<std::int64_t> labels = {-100, -100, 5, 6, -100, 7};
    const auto targets = packkit::shift_labels(labels, cu{0, 4, 6});
    BOOST_TEST((targets == std::vector<std::int64_t>{-100, 5, 6, -100, 7, -100}));
    BOOST_TEST(packkit::count_valid_targets(targets) == 3);
    BOOST_TEST(packkit::count_valid_targets(labels, cu{0, 4, 6}) == 3);
}

BOOST_AUTO_TEST_CASE(labels_must_cover_their_documents) {
    const std::vector<std::int64_t> labels = {1, 2};
    expect::message_of<invalid_argument>(
        [&] { (void)packkit::shift_labels(labels, cu{0, 3}); }, "3 tokens", "2 labels");
    expect::message_of<invalid_argument>(
        [&] { (void)packkit::count_valid_targets(labels, cu{0, 3}); }, "3 tokens",
        "2 labels");
}

BOOST_AUTO_TEST_CASE(first_labels_are_masked_for_models_that_shift) {
    const std::vector<std::int64_t> labels = {10, 11, 12, 20, 30, 31, 99};
    const cu boundaries = {0, 3, 4, 4, 6};
    const std::vector<std::int64_t> masked = {-100, 11, 12, -100, -100, 31, -100};
    BOOST_TEST((packkit::mask_first_labels(labels, boundaries) == masked));
    // Shifting the whole row then gives the targets of shifting inside documents.
    std::vector<std::int64_t> shifted(masked.begin() + 1, masked.end());
    shifted.push_back(-100);
    BOOST_TEST((shifted == packkit::shift_labels(labels, boundaries)));
    expect::message_of<invalid_argument>(
        [&] { (void)packkit::mask_first_labels(labels, cu{0, 8}); }, "row of 7 tokens");
}

BOOST_AUTO_TEST_SUITE_END()
