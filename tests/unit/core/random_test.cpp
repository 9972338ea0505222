// SPDX-License-Identifier: Apache-2.0
#include <packkit/utility/random.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(random_test)

namespace tt = boost::test_tools;
using words = std::array<std::uint32_t, 4>;

BOOST_AUTO_TEST_CASE(philox_gives_the_known_answers) {
    // kat_vectors of Random123, "philox4x32 10".
    BOOST_TEST((packkit::philox4x32({0, 0, 0, 0}, {0, 0}) ==
                words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    constexpr std::uint32_t f = 0xffffffff;
    BOOST_TEST((packkit::philox4x32({f, f, f, f}, {f, f}) ==
                words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    BOOST_TEST((packkit::philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                                    {0xa4093822, 0x299f31d0}) ==
                words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

BOOST_AUTO_TEST_CASE(random_bits_place_key_counter_and_stream) {
    // The third known answer, its words taken two by two.
    const auto bits =
        packkit::random_bits(0x299f31d0a4093822, 0x85a308d3243f6a88, 0x0370734413198a2e);
    BOOST_TEST(bits[0] == 0x94fdccebd16cfe09ULL);
    BOOST_TEST(bits[1] == 0x24126ea15001e420ULL);
}

BOOST_AUTO_TEST_CASE(uniform_has_the_moments_of_the_uniform_distribution) {
    constexpr int n = 200'000;
    double sum = 0, squares = 0, min = 1, max = 0;
    for (std::uint64_t i = 0; i < n; ++i) {
        const double u = packkit::uniform01(42, i);
        BOOST_REQUIRE((u >= 0.0 && u < 1.0));
        sum += u;
        squares += u * u;
        min = std::min(min, u);
        max = std::max(max, u);
    }
    BOOST_TEST(std::fabs(sum / n - 0.5) < 5 * std::sqrt(1.0 / 12 / n));
    BOOST_TEST(std::fabs(squares / n - 1.0 / 3) < 5 * std::sqrt(4.0 / 45 / n));
    BOOST_TEST((min < 1e-4 && max > 1 - 1e-4));
}

BOOST_AUTO_TEST_CASE(streams_and_keys_differ) {
    BOOST_TEST(packkit::uniform01(1, 5, 0) != packkit::uniform01(1, 5, 1));
    BOOST_TEST(packkit::uniform01(1, 5, 0) != packkit::uniform01(2, 5, 0));
    BOOST_TEST(packkit::uniform01(1, 5, 0) != packkit::uniform01(1, 6, 0));
}

BOOST_AUTO_TEST_CASE(portable_log_is_the_logarithm) {
    for (double x = 1e-300; x < 1e300; x *= 1.37) {
        BOOST_REQUIRE_SMALL(packkit::detail::portable_log(x) - std::log(x),
                            4e-16 * std::max(1.0, std::fabs(std::log(x))));
    }
    for (double x = 0.9; x < 1.1; x += 0.00037) {
        BOOST_REQUIRE_CLOSE_FRACTION(packkit::detail::portable_log(x), std::log(x),
                                     1e-14);
    }
}

BOOST_AUTO_TEST_CASE(normal_quantile_inverts_the_distribution_function) {
    // Known quantiles, and the distribution function through erfc.
    BOOST_TEST(packkit::detail::normal_quantile(0.5) == 0.0);
    BOOST_TEST(packkit::detail::normal_quantile(0.975) == 1.959963984540054,
               tt::tolerance(1e-15));
    BOOST_TEST(packkit::detail::normal_quantile(0.8413447460685429) == 1.0,
               tt::tolerance(1e-15));
    for (double p = 1e-15; p < 0.5; p *= 1.1) {
        const double x = packkit::detail::normal_quantile(p);
        BOOST_REQUIRE_CLOSE_FRACTION(0.5 * std::erfc(-x / std::sqrt(2.0)), p, 1e-13);
        if (p > 1e-3) {
            BOOST_REQUIRE_CLOSE_FRACTION(packkit::detail::normal_quantile(1 - p), -x,
                                         1e-12);
        }
    }
}

BOOST_AUTO_TEST_CASE(normal_has_the_moments_of_the_normal_distribution) {
    constexpr int n = 200'000;
    double moment[5] = {};
    for (std::uint64_t i = 0; i < n; ++i) {
        const double x = packkit::normal(42, i);
        BOOST_REQUIRE(std::isfinite(x));
        for (int k = 1; k < 5; ++k)
            moment[k] += std::pow(x, k) / n;
    }
    BOOST_TEST(std::fabs(moment[1]) < 5 * std::sqrt(1.0 / n));
    BOOST_TEST(std::fabs(moment[2] - 1) < 5 * std::sqrt(2.0 / n));
    BOOST_TEST(std::fabs(moment[3]) < 5 * std::sqrt(15.0 / n));
    BOOST_TEST(std::fabs(moment[4] - 3) < 5 * std::sqrt(96.0 / n));
}

BOOST_AUTO_TEST_CASE(values_are_pinned) {
    // Bit for bit, on every compiler and machine.
    BOOST_TEST(packkit::uniform01(42, 0, 7) == 0x1.caa82198cfdcdp-1);
    BOOST_TEST(packkit::uniform01(42, 3, 7) == 0x1.f90b55e2516f2p-2);
    BOOST_TEST(packkit::normal(42, 0, 7) == 0x1.420fdd4ad2613p+0);
    BOOST_TEST(packkit::normal(42, 1, 7) == -0x1.45a7298f28dbdp-2);
    std::uint64_t hash = 0xCBF29CE484222325ULL;
    for (std::uint64_t i = 0; i < 100'000; ++i) {
        hash = (hash ^ std::bit_cast<std::uint64_t>(packkit::normal(1, i))) *
               0x100000001B3ULL;
    }
    BOOST_TEST(hash == 0x16c60ee6bf49532cULL);
    BOOST_TEST((packkit::seeded_permutation(10, 42, 3) ==
                std::vector<std::uint32_t>{8, 4, 7, 6, 5, 1, 2, 9, 3, 0}));
    hash = 0xCBF29CE484222325ULL;
    for (const std::uint32_t i : packkit::seeded_permutation(100'000, 42)) {
        hash = (hash ^ i) * 0x100000001B3ULL;
    }
    BOOST_TEST(hash == 0x28a3a1e5c3118f53ULL);
}

// Values of an implementation in Python. The first is also SplitMix64's first output from
// state 0.
BOOST_AUTO_TEST_CASE(hash64_has_known_answers) {
    BOOST_TEST(packkit::hash64("") == 0xe220a8397b1dcdafULL);
    BOOST_TEST(packkit::hash64("a") == 0x121842d00719760bULL);
    BOOST_TEST(packkit::hash64("foobar") == 0x1dbc34cd758edc80ULL);
    BOOST_TEST(packkit::hash64("12345678") == 0x3e8ec462dc9a15b3ULL);
    BOOST_TEST(packkit::hash64("model.layers.3.mlp.up") == 0xfeb40fb5a80d50c3ULL);
    BOOST_TEST(packkit::hash64("\xc3\xa9") == 0xcda3a2e85cdb6720ULL);
    BOOST_TEST(packkit::random_key(42, "model.layers.1.mlp") == 0xb2888b40f72365ecULL);
}

BOOST_AUTO_TEST_CASE(texts_that_differ_a_little_have_other_hashes) {
    std::set<std::uint64_t> seen;
    std::size_t texts = 0;
    const auto take = [&](const std::string& text) {
        seen.insert(packkit::hash64(text));
        ++texts;
    };
    // Zeros at the end are part of a text, at the border of a word too.
    for (std::size_t zeros = 0; zeros <= 24; ++zeros)
        take(std::string(zeros, '\0'));
    const std::string text = "model.layers.17.self_attn.q_proj.weight";
    take(text);
    for (std::size_t at = 0; at < text.size(); ++at) {
        for (int bit = 0; bit < 8; ++bit) {
            std::string other = text;
            other[at] = static_cast<char>(other[at] ^ 1 << bit);
            take(other);
            // About half of all bits change.
            const int changed =
                std::popcount(packkit::hash64(text) ^ packkit::hash64(other));
            BOOST_TEST((changed >= 12 && changed <= 52), changed << " bits");
        }
    }
    BOOST_TEST(seen.size() == texts);
}

BOOST_AUTO_TEST_CASE(random_keys_differ_by_seed_and_name) {
    std::set<std::uint64_t> keys;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        for (const char* name : {"", "a", "b", "ab", "layers.1", "layers.11"})
            keys.insert(packkit::random_key(seed, name));
    }
    BOOST_TEST(keys.size() == 600U);
}

BOOST_AUTO_TEST_CASE(permutations_hold_every_index_once) {
    for (const std::size_t n : {0U, 1U, 2U, 3U, 10U, 1000U}) {
        auto order = packkit::seeded_permutation(n, 7);
        BOOST_TEST((order == packkit::seeded_permutation(n, 7)));
        std::sort(order.begin(), order.end());
        std::vector<std::uint32_t> wanted(n);
        std::iota(wanted.begin(), wanted.end(), 0U);
        BOOST_TEST((order == wanted));
    }
    BOOST_TEST(
        (packkit::seeded_permutation(100, 7) != packkit::seeded_permutation(100, 8)));
    BOOST_TEST((packkit::seeded_permutation(100, 7, 0) !=
                packkit::seeded_permutation(100, 7, 1)));
}

BOOST_AUTO_TEST_CASE(every_permutation_is_as_likely) {
    std::map<std::vector<std::uint8_t>, int> seen;
    constexpr int rounds = 24'000;
    for (std::uint64_t seed = 0; seed < rounds; ++seed) {
        ++seen[packkit::seeded_permutation<std::uint8_t>(4, seed)];
    }
    BOOST_TEST(seen.size() == 24u);
    double chi_squared = 0;
    for (const auto& [order, count] : seen) {
        chi_squared += std::pow(count - rounds / 24.0, 2) / (rounds / 24.0);
    }
    BOOST_TEST(chi_squared < 49.7);  // 99.9 % quantile for 23 degrees of freedom
}

BOOST_AUTO_TEST_CASE(random_below_stays_below_and_reaches_all) {
    std::array<int, 7> count{};
    for (std::uint64_t i = 0; i < 7000; ++i) {
        const std::uint64_t value = packkit::random_below(7, 3, i);
        BOOST_REQUIRE(value < 7);
        ++count[value];
    }
    BOOST_TEST(*std::min_element(count.begin(), count.end()) > 850);
    // A quarter of all values is drawn again for this bound; without that, the lowest
    // third of results would get half of them.
    constexpr std::uint64_t third = 1ULL << 62;
    int lowest = 0;
    for (std::uint64_t i = 0; i < 3000; ++i) {
        const std::uint64_t value = packkit::random_below(3 * third, 3, i);
        BOOST_REQUIRE(value < 3 * third);
        lowest += value < third ? 1 : 0;
    }
    BOOST_TEST((lowest > 870 && lowest < 1130));
}

BOOST_AUTO_TEST_CASE(an_index_type_that_is_too_small_is_refused) {
    BOOST_TEST(packkit::seeded_permutation<std::uint8_t>(256, 1).size() == 256u);
    expect::message_of<packkit::invalid_argument>(
        [] { (void)packkit::seeded_permutation<std::uint8_t>(257, 1); }, "257", "255");
}

BOOST_AUTO_TEST_SUITE_END()
