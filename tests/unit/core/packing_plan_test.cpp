// SPDX-License-Identifier: Apache-2.0
#include "expect.hpp"
#include "textbook.hpp"

#include <packkit/lengths/length_counts.hpp>
#include <packkit/lengths/samples_by_length.hpp>
#include <packkit/packing/assign_samples.hpp>
#include <packkit/packing/best_fit_decreasing.hpp>
#include <packkit/packing/first_fit_decreasing.hpp>
#include <packkit/packing/lazy_bin_list.hpp>
#include <packkit/packing/pack.hpp>
#include <packkit/packing/packing_plan.hpp>
#include <packkit/utility/random.hpp>

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

BOOST_AUTO_TEST_SUITE(packing_plan_test)

using namespace packkit;

namespace {

using plan_maker = packing_plan (*)(const length_counts&, std::uint32_t, std::uint32_t);

template <class Length>
bin_list<> bins_of(plan_maker make, const std::vector<Length>& lengths,
                   std::uint32_t capacity, std::uint32_t bin_size) {
    const std::span<const Length> all(lengths);
    const auto counts = count_lengths(all, capacity);
    return expand(make(counts, capacity, bin_size), samples_by_length(all, counts),
                  lengths.size());
}

/// Item by item, by length descending: the bins that the plans must give.
template <class Assign>
bin_list<> item_by_item(Assign assign, const std::vector<std::int64_t>& lengths,
                        std::int64_t capacity, std::size_t bin_size) {
    bin_list<> bins;
    detail::pack_decreasing(assign, std::span<const std::int64_t>(lengths),
                            {capacity, bin_size}, 0, bins);
    return bins;
}

void check_plans(const std::vector<std::int64_t>& lengths, std::int64_t capacity,
                 std::size_t bin_size) {
    const auto narrow = static_cast<std::uint32_t>(capacity);
    const auto items = static_cast<std::uint32_t>(bin_size);
    BOOST_TEST_REQUIRE((bins_of(plan_first_fit_decreasing<>, lengths, narrow, items) ==
                        item_by_item(assign_first_fit<>, lengths, capacity, bin_size)));
    BOOST_TEST_REQUIRE((bins_of(plan_best_fit_decreasing<>, lengths, narrow, items) ==
                        item_by_item(assign_best_fit<>, lengths, capacity, bin_size)));
}

std::vector<std::int64_t> lengths_of_shape(int shape, std::size_t count,
                                           std::int64_t capacity) {
    std::vector<std::int64_t> lengths(count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto key = static_cast<std::uint64_t>(shape);
        double length = 0;
        switch (shape) {
            case 0:
                length = 300 * std::exp(normal(key, i));
                break;  // log-normal
            case 1:
                length = 40 * std::pow(1 - uniform01(key, i), -1.0);
                break;  // heavy tail
            case 2:
                length = 1 + uniform01(key, i) * double(capacity);
                break;  // uniform
            case 3:
                length = double(capacity) * (0.25 + uniform01(key, i) / 4);
                break;  // triplets
            default:
                length = i % 3 == 0 ? 1000 : 1500;
                break;  // two lengths
        }
        lengths[i] =
            std::clamp<std::int64_t>(static_cast<std::int64_t>(length), 1, capacity);
    }
    return lengths;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_textbooks_bins_on_random_cases) {
    for (std::uint64_t trial = 0; trial < 10'000; ++trial) {
        const auto capacity = static_cast<std::int64_t>(1 + random_below(60, 1, trial));
        std::vector<std::int64_t> lengths(random_below(70, 2, trial));
        for (std::size_t i = 0; i < lengths.size(); ++i) {
            const auto bound = static_cast<std::uint64_t>(capacity);
            lengths[i] =
                1 + static_cast<std::int64_t>(random_below(bound, 3, 100 * trial + i));
        }
        check_plans(lengths, capacity, random_below(5, 4, trial));
    }
}

BOOST_AUTO_TEST_CASE(the_textbooks_bins_on_large_sets) {
    for (int shape = 0; shape < 5; ++shape) {
        check_plans(lengths_of_shape(shape, 1'000'000, 4096), 4096, 0);
        check_plans(lengths_of_shape(shape, 50'000, 4096), 4096, 7);
        check_plans(lengths_of_shape(shape, 20'000, 131'072), 131'072, 0);
    }
}

BOOST_AUTO_TEST_CASE(pack_takes_any_integer_type) {
    const auto lengths = lengths_of_shape(0, 5000, 4096);
    const auto expected = item_by_item(assign_first_fit<>, lengths, 4096, 0);
    BOOST_TEST((pack(lengths, 4096) == expected));
    BOOST_TEST((pack(std::vector<std::int32_t>(lengths.begin(), lengths.end()), 4096) ==
                expected));
    BOOST_TEST((pack(std::vector<std::uint16_t>(lengths.begin(), lengths.end()), 4096) ==
                expected));
    BOOST_TEST((pack(std::vector<std::uint64_t>(lengths.begin(), lengths.end()), 4096) ==
                expected));
}

BOOST_AUTO_TEST_CASE(a_bin_is_found_by_its_number) {
    const std::vector<std::int32_t> lengths{7, 5, 5, 3, 2, 8, 4};
    const auto counts = count_lengths(std::span<const std::int32_t>(lengths), 10);
    const auto plan = plan_first_fit_decreasing(counts, 10);
    const auto bins = pack(lengths, 10);
    BOOST_TEST_REQUIRE(plan.size() == bins.size());
    for (std::size_t b = 0; b < plan.size(); ++b) {
        std::multiset<std::uint32_t> planned, packed;
        for (const auto& p : plan.placements_of(plan.run_of(b))) {
            for (std::uint32_t k = 0; k < p.per_bin; ++k)
                planned.insert(p.length);
        }
        for (const auto sample : bins[b]) {
            packed.insert(static_cast<std::uint32_t>(lengths[sample]));
        }
        BOOST_TEST((planned == packed));
    }
    BOOST_CHECK_THROW((void)plan.run_of(plan.size()), invalid_argument);
}

BOOST_AUTO_TEST_CASE(a_plan_does_not_grow_with_the_samples) {
    const auto runs = [](std::size_t count) {
        const auto lengths = lengths_of_shape(0, count, 4096);
        const auto counts = count_lengths(std::span<const std::int64_t>(lengths), 4096);
        return plan_first_fit_decreasing(counts, 4096).runs().size();
    };
    BOOST_TEST(runs(1'000'000) < 2 * runs(100'000));
}

BOOST_AUTO_TEST_CASE(lengths_outside_are_named) {
    const auto count = [](const std::vector<std::int32_t>& lengths) {
        return count_lengths(std::span<const std::int32_t>(lengths), 10);
    };
    BOOST_TEST(count({}).samples == 0);
    for (const std::int32_t bad : {0, -1, 11}) {
        expect::message_of<invalid_argument>(
            [&] { (void)count({3, bad}); }, "item 1 has length " + std::to_string(bad),
            bad < 1 ? "must be positive" : "capacity is 10");
    }
}

BOOST_AUTO_TEST_CASE(nothing_packs_into_nothing) {
    const std::vector<std::int64_t> none;
    BOOST_TEST(bins_of(plan_first_fit_decreasing<>, none, 8, 0).empty());
    BOOST_TEST(bins_of(plan_best_fit_decreasing<>, none, 8, 0).empty());
}

BOOST_AUTO_TEST_CASE(bins_can_be_made_one_by_one) {
    for (int shape = 0; shape < 5; ++shape) {
        const auto lengths = lengths_of_shape(shape, 20'000, 4096);
        const auto bins = pack(lengths, 4096, best_fit_decreasing{}, {.bin_size = 9});
        const auto lazy = pack_lazily(lengths, 4096, best_fit_decreasing{}, 9);
        BOOST_TEST_REQUIRE(lazy.size() == bins.size());
        for (std::size_t b = bins.size(); b-- > 0;) {
            BOOST_TEST_REQUIRE(
                lazy[b] == std::vector<std::uint32_t>(bins[b].begin(), bins[b].end()),
                boost::test_tools::per_element());
        }
        BOOST_CHECK_THROW((void)lazy[bins.size()], invalid_argument);
        bin_list<> copied;
        struct appender {
            using difference_type = std::ptrdiff_t;
            bin_list<>* to;
            appender& operator*() { return *this; }
            appender& operator++() { return *this; }
            appender operator++(int) { return *this; }
            appender& operator=(std::span<const std::uint32_t> bin) {
                to->append(bin);
                return *this;
            }
        };
        lazy.copy_all(appender{&copied});
        BOOST_TEST((copied == bins));
    }
    BOOST_TEST(pack_lazily(std::vector<int>{}, 10).size() == 0U);
    BOOST_CHECK_THROW((void)pack_lazily(std::vector<int>{11}, 10), invalid_argument);
}

BOOST_AUTO_TEST_CASE(memory_is_used_again) {
    bin_list<> bins;
    pack_workspace workspace;
    // Long, short, long: what an earlier packing left behind must not show.
    for (const std::size_t count : {300'000U, 1000U, 70'000U, 300'000U, 3U}) {
        for (int shape = 0; shape < 5; ++shape) {
            const auto lengths = lengths_of_shape(shape, count, 4096);
            pack_into(bins, workspace, lengths, 4096);
            BOOST_TEST((bins == pack(lengths, 4096)));
            pack_into(bins, workspace, lengths, 4096, first_fit_decreasing{},
                      {.group_size = 40'000, .bin_size = 7});
            BOOST_TEST((bins == pack(lengths, 4096, first_fit_decreasing{},
                                     {.group_size = 40'000, .bin_size = 7})));
        }
    }
    pack_into(bins, workspace, std::vector<int>{3, 4}, 7, next_fit{});
    BOOST_TEST((bins == pack(std::vector<int>{3, 4}, 7, next_fit{})));
}

BOOST_AUTO_TEST_CASE(a_wrong_length_is_named_wherever_it_stands) {
    for (const std::size_t at : {0U, 1U, 2U, 3U, 4U, 4999U, 5000U}) {
        for (const std::int32_t wrong : {0, -1, 4097, std::numeric_limits<int>::min(),
                                         std::numeric_limits<int>::max()}) {
            std::vector<std::int32_t> lengths(5001, 7);
            lengths[at] = wrong;
            const auto place =
                "item " + std::to_string(at) + " has length " + std::to_string(wrong);
            expect::message_of<invalid_argument>([&] { (void)pack(lengths, 4096); },
                                                 place);
            expect::message_of<invalid_argument>(
                [&] {
                    (void)pack(lengths, 4096, first_fit_decreasing{},
                               {.group_size = 3000});
                },
                place);
            expect::message_of<invalid_argument>(
                [&] { (void)pack(lengths, 4096, first_fit{}, {.group_size = 3}); },
                place);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
