// SPDX-License-Identifier: Apache-2.0
#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/certificate.hpp>

#include <cstdint>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(certificate_test)

using namespace packkit;

static_assert(certify(std::vector{6, 6, 6}, 3, 10).optimal);
static_assert(certify(std::vector{6, 6, 6}, 4, 10).gap_bins == 1);

BOOST_AUTO_TEST_CASE(says_how_far_from_proof) {
    const std::vector<int> lengths = {5, 5, 5, 5, 2};
    const certificate tight = certify(lengths, 3, 10);
    BOOST_TEST((tight == certificate{3, 3, 0, true, "L1"}));
    const certificate loose = certify(lengths, 4, 10);
    BOOST_TEST((loose == certificate{4, 3, 1, false, "L1"}));
    BOOST_TEST(loose.gap() == 1.0 / 3.0);
    BOOST_TEST((certify(std::vector<int>{}, 0, 10) == certificate{0, 0, 0, true, ""}));
    BOOST_TEST(certificate{}.gap() == 0.0);
}

BOOST_AUTO_TEST_CASE(names_the_simplest_bound) {
    BOOST_TEST(certify(std::vector{6, 6, 6}, 3, 10).bound == "L2");
    BOOST_TEST(certify(std::vector{4, 4, 4, 4, 4}, 3, 11).bound == "dual_feasible");
    BOOST_TEST(certify(std::vector{1, 1, 1, 1, 1}, 3, 11, {.bin_size = 2}).bound ==
               "items_per_bin");
}

BOOST_AUTO_TEST_CASE(limits_of_a_packing_count) {
    const std::vector<int> lengths = {6, 6, 6, 4, 1, 1};
    BOOST_TEST(certify(lengths, 3, 10).lower_bound == 3u);
    // Alone, {6, 6, 6} takes three bins, as L2 knows, and {4, 1, 1} one.
    const certificate grouped = certify(lengths, 4, 10, {.group_size = 3});
    BOOST_TEST(grouped.lower_bound == 4u);
    BOOST_TEST(grouped.bound == "L2");
    const certificate singles = certify(lengths, 6, 10, {.bin_size = 1});
    BOOST_TEST(singles.optimal);
    const auto counts = count_lengths(std::span<const int>(lengths), 10);
    BOOST_TEST((certify(counts, 6, 10, 1) == singles));
}

BOOST_AUTO_TEST_CASE(a_better_bound_is_taken_in) {
    certificate made = certify(std::vector{5, 5, 5, 5, 2}, 4, 10);
    made.raise({2, "linear"});
    BOOST_TEST(made.bound == "L1");
    made.raise({4, "linear"});
    BOOST_TEST((made == certificate{4, 4, 0, true, "linear"}));
    expect::message_of<invalid_argument>([&] { made.raise({5, "linear"}); },
                                         "a packing of 4 bins", "fewer than 5", "linear");
}

BOOST_AUTO_TEST_CASE(refuses_fewer_bins_than_there_can_be) {
    expect::message_of<invalid_argument>(
        [] { (void)certify(std::vector{6, 6, 6}, 2, 10); }, "a packing of 2 bins",
        "none has fewer than 3", "L2");
    expect::message_of<invalid_argument>(
        [] { (void)certify(std::vector{6, 16, 6}, 2, 10); }, "item 1 has length 16");
}

BOOST_AUTO_TEST_SUITE_END()
