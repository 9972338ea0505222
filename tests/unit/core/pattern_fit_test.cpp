// SPDX-License-Identifier: Apache-2.0
#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/certificate.hpp>
#include <packkit/packing/pack.hpp>
#include <packkit/packing/pattern_fit.hpp>
#include <packkit/utility/random.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "textbook.hpp"

BOOST_AUTO_TEST_SUITE(pattern_fit_test)

using namespace packkit;

static_assert(packing_policy<pattern_fit>);
static_assert(pattern_fit::name == "pattern_fit");

namespace {

using lengths_t = std::vector<std::int64_t>;

/// Every sample once, no bin over its limits.
void check_bins(const bin_list<>& bins, const lengths_t& lengths, std::int64_t capacity,
                std::size_t bin_size) {
    std::vector<char> seen(lengths.size(), 0);
    for (const auto bin : bins) {
        BOOST_REQUIRE(!bin.empty());
        std::int64_t load = 0;
        for (std::size_t k = 0; k < bin.size(); ++k) {
            BOOST_REQUIRE_LT(bin[k], seen.size());
            BOOST_REQUIRE_EQUAL(seen[bin[k]], 0);
            seen[bin[k]] = 1;
            load += lengths[bin[k]];
            if (k == 0) continue;
            BOOST_REQUIRE_GE(lengths[bin[k - 1]], lengths[bin[k]]);  // longest first
            if (lengths[bin[k - 1]] == lengths[bin[k]])
                BOOST_REQUIRE_LT(bin[k - 1], bin[k]);
        }
        BOOST_REQUIRE_LE(load, capacity);
        if (bin_size != 0) BOOST_REQUIRE_LE(bin.size(), bin_size);
    }
    BOOST_REQUIRE_EQUAL(bins.items().size(), lengths.size());
}

std::size_t bins_of(const lengths_t& lengths, std::int64_t capacity,
                    std::size_t bin_size = 0) {
    const pack_limits limits{.bin_size = bin_size};
    const auto bins = pack(lengths, capacity, pattern_fit{}, limits);
    check_bins(bins, lengths, capacity, bin_size);
    BOOST_REQUIRE_LE(bins.size(),
                     pack(lengths, capacity, first_fit_decreasing{}, limits).size());
    BOOST_REQUIRE_LE(bins.size(),
                     pack(lengths, capacity, best_fit_decreasing{}, limits).size());
    const auto counts = count_lengths(std::span<const std::int64_t>(lengths), capacity);
    BOOST_REQUIRE_EQUAL(bins.size(),
                        plan_pattern_fit(counts, static_cast<std::uint32_t>(capacity),
                                         static_cast<std::uint32_t>(bin_size))
                            .size());
    (void)certify(counts, bins.size(), capacity, bin_size);  // throws below the bound
    return bins.size();
}

/// Falkenauer's triplets: every three items fill a bin.
lengths_t triplets(std::size_t bins, std::int64_t capacity, std::uint64_t seed) {
    const auto below = [&](std::int64_t bound, std::uint64_t index) {
        return static_cast<std::int64_t>(
            random_below(static_cast<std::uint64_t>(bound), seed, index));
    };
    lengths_t lengths;
    for (std::size_t i = 0; i < bins; ++i) {
        const std::int64_t least = capacity * 38 / 100;
        const std::int64_t a = least + below(capacity * 49 / 100 - least + 1, 2 * i);
        const std::int64_t b =
            capacity / 4 + below((capacity - a) / 2 - capacity / 4, 2 * i + 1);
        lengths.insert(lengths.end(), {a, b, capacity - a - b});
    }
    return lengths;
}

/// Johnson's family on which FFD takes 11/9 of the optimum: 9 m bins are enough.
lengths_t eleven_ninths(std::size_t m, std::int64_t capacity, std::int64_t e) {
    lengths_t lengths;
    for (std::size_t i = 0; i < 6 * m; ++i) {
        lengths.insert(lengths.end(),
                       {capacity / 2 + e, capacity / 4 + 2 * e, capacity / 4 + e,
                        capacity / 4 - 2 * e, capacity / 4 - 2 * e});
    }
    return lengths;
}

template <class Draw>
lengths_t drawn(std::size_t count, std::int64_t capacity, Draw draw) {
    lengths_t lengths(count);
    for (std::size_t i = 0; i < count; ++i) {
        lengths[i] =
            std::clamp<std::int64_t>(static_cast<std::int64_t>(draw(i)), 1, capacity);
    }
    return lengths;
}

/// At most `permyriad` hundredths of a percent above `fewest`.
void check_gap(std::size_t bins, std::size_t fewest, double permyriad) {
    BOOST_TEST_MESSAGE(bins << " bins, at least " << fewest);
    BOOST_TEST(static_cast<double>(bins) <=
               static_cast<double>(fewest) * (1 + permyriad / 10'000));
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_optimum_of_small_instances) {
    std::size_t ffd_above = 0;
    for (std::uint64_t trial = 0; trial < 6000; ++trial) {
        const auto capacity = static_cast<std::int64_t>(1 + random_below(100, 1, trial));
        lengths_t lengths(random_below(13, 2, trial));
        // Items of a fifth to half of the capacity are the hard ones.
        const bool hard = trial % 2 == 0;
        for (std::size_t i = 0; i < lengths.size(); ++i) {
            const auto whole = static_cast<std::uint64_t>(capacity);
            const std::uint64_t least = hard ? whole / 5 : 0;
            const std::uint64_t most = hard ? (whole + 1) / 2 : whole;
            lengths[i] =
                1 + static_cast<std::int64_t>(
                        least + random_below(std::max(most - least, std::uint64_t{1}), 3,
                                             100 * trial + i));
            lengths[i] = std::min(lengths[i], capacity);
        }
        const std::size_t optimum = textbook::optimum(lengths, capacity);
        BOOST_TEST_CONTEXT("trial " << trial) {
            BOOST_REQUIRE_EQUAL(bins_of(lengths, capacity), optimum);
            BOOST_REQUIRE_LE(best_lower_bound(lengths, capacity), optimum);
        }
        ffd_above += pack(lengths, capacity).size() > optimum ? 1 : 0;
    }
    BOOST_TEST(ffd_above > 100u);  // else FFD would have done
}

BOOST_AUTO_TEST_CASE(the_eleven_ninths_family) {
    for (const auto& [capacity, e] :
         {std::pair{1000, 10}, {4096, 3}, {4096, 40}, {10'000, 100}}) {
        const auto lengths = eleven_ninths(3333, capacity, e);
        BOOST_TEST(pack(lengths, capacity).size() > 36'000u);
        BOOST_TEST(bins_of(lengths, capacity) == 9u * 3333);
        BOOST_TEST(bins_of(lengths, capacity, 4) == 9u * 3333);
    }
}

BOOST_AUTO_TEST_CASE(triplets_at_several_capacities) {
    for (const std::int64_t capacity : {1000, 1001, 4096, 10'000}) {
        for (std::uint64_t seed = 1; seed <= 3; ++seed) {
            const auto lengths = triplets(33'333, capacity, seed);
            BOOST_TEST(pack(lengths, capacity).size() > 38'000u);
            BOOST_TEST_CONTEXT("capacity " << capacity << " seed " << seed) {
                check_gap(bins_of(lengths, capacity), 33'333, 5);
            }
        }
    }
    check_gap(bins_of(triplets(33'333, 1000, 4), 1000, 3), 33'333, 5);
}

BOOST_AUTO_TEST_CASE(few_triplets) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        BOOST_TEST(bins_of(triplets(8, 1000, seed), 1000) == 8u);
        // 60 and 249 items, as in the OR library's smallest and larger sets.
        BOOST_TEST(bins_of(triplets(20, 1000, seed), 1000) <= 21u);
        BOOST_TEST(bins_of(triplets(83, 1000, seed), 1000) <= 84u);
    }
}

BOOST_AUTO_TEST_CASE(lengths_as_data_has_them) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        const auto bound = [](const lengths_t& lengths) {
            return best_lower_bound(lengths, 4096);
        };
        const auto lognormal = drawn(200'000, 4096, [&](std::size_t i) {
            return 300 * std::exp(normal(seed, i));
        });
        BOOST_TEST(bins_of(lognormal, 4096) == bound(lognormal));
        const auto heavy = drawn(
            200'000, 4096, [&](std::size_t i) { return 40 / (1 - uniform01(seed, i)); });
        BOOST_TEST(bins_of(heavy, 4096) == bound(heavy));
        const auto uniform = drawn(1'000'000, 4096, [&](std::size_t i) {
            return 1 + uniform01(seed, i) * 4096;
        });
        check_gap(bins_of(uniform, 4096), bound(uniform), 1);
    }
}

BOOST_AUTO_TEST_CASE(odd_instances) {
    BOOST_TEST(bins_of({}, 10) == 0u);
    BOOST_TEST(bins_of({10}, 10) == 1u);
    BOOST_TEST(bins_of(lengths_t(1000, 1), 1) == 1000u);
    BOOST_TEST(bins_of(lengths_t(1000, 3), 7) == 500u);
    BOOST_TEST(bins_of(lengths_t(1000, 1), 100, 7) == 143u);
    // No bin can be full: even lengths, odd capacity.
    lengths_t even(5000);
    for (std::size_t i = 0; i < even.size(); ++i)
        even[i] = 2 * static_cast<std::int64_t>(20 + random_below(180, 9, i));
    check_gap(bins_of(even, 1001), best_lower_bound(even, 1000), 10);
    // Few items under a capacity that no table could count.
    constexpr std::int64_t huge = std::int64_t{1} << 50;
    const lengths_t long_ones = {huge / 2, huge / 3, huge / 6,
                                 huge / 2, huge / 3, huge / 6};
    BOOST_TEST(pack(long_ones, huge, pattern_fit{}).size() == 2u);
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    BOOST_TEST(pack(lengths_t{most, most, most}, most, pattern_fit{}).size() == 3u);
    const lengths_t many(100, huge / 7);
    BOOST_TEST(pack(many, huge, pattern_fit{}).size() == 15u);
}

BOOST_AUTO_TEST_CASE(limits_of_items_and_groups) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        lengths_t lengths(300);
        for (std::size_t i = 0; i < lengths.size(); ++i)
            lengths[i] = 1 + static_cast<std::int64_t>(random_below(200, seed, i));
        for (const std::size_t bin_size : {1u, 2u, 3u, 4u, 5u, 9u})
            (void)bins_of(lengths, 400, bin_size);
        const auto bins = pack(lengths, 400, pattern_fit{}, {.group_size = 100});
        for (const auto bin : bins) {
            const auto [low, high] = std::minmax_element(bin.begin(), bin.end());
            BOOST_REQUIRE_EQUAL(*low / 100, *high / 100);
        }
        check_bins(bins, lengths, 400, 0);
    }
}

BOOST_AUTO_TEST_CASE(the_plan_does_not_depend_on_the_order) {
    auto lengths = triplets(2000, 1000, 3);
    const auto bins = pack(lengths, 1000, pattern_fit{});
    BOOST_TEST((bins == pack(lengths, 1000, pattern_fit{})));
    const auto narrow = std::vector<std::int32_t>(lengths.begin(), lengths.end());
    BOOST_TEST((bins == pack(narrow, 1000, pattern_fit{})));
    std::reverse(lengths.begin(), lengths.end());
    BOOST_TEST(bins.size() == pack(lengths, 1000, pattern_fit{}).size());
}

BOOST_AUTO_TEST_SUITE_END()
