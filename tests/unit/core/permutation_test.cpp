// SPDX-License-Identifier: Apache-2.0
#include <packkit/utility/permutation.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(permutation_test)

using packkit::lazy_permutation;

namespace {

/// Places whose value is out of range or taken, or is not traced back.
std::uint64_t wrong_places(const lazy_permutation& order) {
    std::vector<bool> taken(order.size(), false);
    std::uint64_t wrong = 0;
    for (std::uint64_t i = 0; i < order.size(); ++i) {
        const std::uint64_t value = order(i);
        if (value >= order.size() || taken[value] || order.inverse(value) != i) {
            ++wrong;
            continue;
        }
        taken[value] = true;
    }
    return wrong;
}

constexpr bool is_bijection(std::uint64_t n) {
    const lazy_permutation order(n, 7);
    std::vector<int> seen(n, 0);
    for (std::uint64_t i = 0; i < n; ++i) {
        ++seen[order(i)];
        if (order.inverse(order(i)) != i) return false;
    }
    for (const int times : seen) {
        if (times != 1) return false;
    }
    return true;
}
static_assert(is_bijection(1) && is_bijection(2) && is_bijection(37));

/// Chi-square of counts that should be alike.
double chi_square(const std::vector<std::uint64_t>& counts) {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : counts)
        sum += count;
    const double mean = static_cast<double>(sum) / static_cast<double>(counts.size());
    double chi = 0;
    for (const std::uint64_t count : counts) {
        const double off = static_cast<double>(count) - mean;
        chi += off * off / mean;
    }
    return chi;
}

/// Far beyond what chance gives (5 standard deviations), for `values` counts.
double chi_square_bound(std::size_t values) {
    const auto freedom = static_cast<double>(values - 1);
    return freedom + 5 * std::sqrt(2 * freedom) + 10;
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_value_occurs_once_for_all_small_n) {
    for (std::uint64_t n = 0; n <= 2000; ++n) {
        BOOST_TEST(wrong_places(lazy_permutation(n, 11 * n, n % 5)) == 0u, "n = " << n);
    }
}

BOOST_AUTO_TEST_CASE(every_value_occurs_once_for_large_n) {
    for (const std::uint64_t n : {65535ULL, 65536ULL, 65537ULL, 1000003ULL}) {
        BOOST_TEST(wrong_places(lazy_permutation(n, 3)) == 0u, "n = " << n);
    }
}

BOOST_AUTO_TEST_CASE(huge_permutations_come_back) {
    for (const std::uint64_t n : {(1ULL << 32) - 1, (1ULL << 32) + 1, 1000000000000ULL,
                                  (1ULL << 59) + 1, 1ULL << 60}) {
        const lazy_permutation order(n, 42, 1);
        for (std::uint64_t k = 0; k < 1000; ++k) {
            const std::uint64_t i = packkit::random_below(n, 9, k);
            BOOST_TEST(order(i) < n);
            BOOST_TEST(order.inverse(order(i)) == i);
        }
    }
    expect::message_of<packkit::invalid_argument>(
        [] { (void)lazy_permutation((1ULL << 60) + 1, 0); }, "1152921504606846977");
}

BOOST_AUTO_TEST_CASE(all_orders_of_few_values_are_alike) {
    for (std::uint64_t n = 2; n <= 5; ++n) {
        std::map<std::uint64_t, std::uint64_t> times;
        std::uint64_t orders = 1;
        for (std::uint64_t k = 2; k <= n; ++k)
            orders *= k;
        for (std::uint64_t seed = 0; seed < 500 * orders; ++seed) {
            const lazy_permutation order(n, seed);
            std::uint64_t code = 0;
            for (std::uint64_t i = 0; i < n; ++i)
                code = code * n + order(i);
            ++times[code];
        }
        std::vector<std::uint64_t> counts;
        for (const auto& [code, count] : times)
            counts.push_back(count);
        BOOST_TEST(counts.size() == orders);
        BOOST_TEST(chi_square(counts) < chi_square_bound(orders), "n = " << n);
    }
}

BOOST_AUTO_TEST_CASE(pairs_of_values_are_alike) {
    for (const std::uint64_t n : {7ULL, 8ULL, 9ULL, 17ULL, 31ULL, 33ULL, 64ULL, 65ULL}) {
        for (const auto& [a, b] :
             {std::pair{std::uint64_t{0}, std::uint64_t{1}}, {0, n - 1}, {2, 4}}) {
            std::vector<std::uint64_t> times(n * n, 0);
            for (std::uint64_t stream = 0; stream < 50 * n * (n - 1); ++stream) {
                const lazy_permutation order(n, 1, stream);
                ++times[order(a) * n + order(b)];
            }
            std::vector<std::uint64_t> counts;
            for (std::uint64_t i = 0; i < n * n; ++i) {
                if (i / n != i % n) counts.push_back(times[i]);
            }
            BOOST_TEST(chi_square(counts) < chi_square_bound(counts.size()),
                       "n = " << n << ", places " << a << " and " << b);
        }
    }
}

BOOST_AUTO_TEST_CASE(streams_are_permutations_of_their_own) {
    const std::uint64_t n = 1000;
    const lazy_permutation first(n, 1, 2, 3);
    BOOST_TEST((first == lazy_permutation(n, 1, 2, 3)));
    for (const auto& other : {lazy_permutation(n, 2, 2, 3), lazy_permutation(n, 1, 3, 3),
                              lazy_permutation(n, 1, 2, 4)}) {
        std::uint64_t same = 0;
        for (std::uint64_t i = 0; i < n; ++i)
            same += first(i) == other(i) ? 1 : 0;
        BOOST_TEST(same < 12u);  // 1 expected
    }
}

// Values of one run on x86-64, g++ 12 and clang++ 19: they must not change.
BOOST_AUTO_TEST_CASE(values_are_the_same_everywhere) {
    const lazy_permutation small(10, 42);
    std::vector<std::uint64_t> values;
    for (std::uint64_t i = 0; i < 10; ++i)
        values.push_back(small(i));
    const std::vector<std::uint64_t> wanted = {4, 1, 3, 5, 8, 9, 0, 7, 2, 6};
    BOOST_TEST(values == wanted, boost::test_tools::per_element());
    const lazy_permutation large(1000000007, 42, 1, 2);
    BOOST_TEST(large(0) == 609372634U);
    BOOST_TEST(large(123456789) == 72548819U);
}

BOOST_AUTO_TEST_SUITE_END()
