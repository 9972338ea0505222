// SPDX-License-Identifier: Apache-2.0
// Figures from counted lengths against the same from the lengths themselves.
#include <algorithms.hpp>
#include <common/lengths/sample_histogram.hpp>
#include <packed_rows.hpp>

#include <packkit/lengths/summary.hpp>
#include <packkit/packing/bound/lower_bound.hpp>

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <limits>
#include <random>
#include <vector>

BOOST_AUTO_TEST_SUITE(sample_histogram_test)

namespace app = packkit::app;

namespace {

app::sample_table table_of(const std::vector<std::int64_t>& lengths) {
    app::sample_table table;
    for (const std::int64_t length : lengths)
        table.append(length);
    return table;
}

std::vector<std::int64_t> random_lengths(std::mt19937& random, std::int64_t longest) {
    std::vector<std::int64_t> lengths(random() % 60 + 1);
    for (auto& length : lengths)
        length = static_cast<std::int64_t>(random()) % longest + 1;
    return lengths;
}

}  // namespace

BOOST_AUTO_TEST_CASE(fitting_and_counting_agree_with_the_core) {
    std::mt19937 random(1);
    for (int round = 0; round < 2000; ++round) {
        auto lengths = random_lengths(random, 50);
        if (round % 3 == 0) lengths.push_back(5'000'000'000);
        const app::sample_table table = table_of(lengths);
        const auto histogram = app::count_samples(table);
        // With the huge one, few pieces: they would be 10^8.
        const std::int64_t capacity =
            round % 3 == 0 ? 2'000'000'000 : static_cast<std::int64_t>(random() % 60 + 1);
        for (const auto strategy : {packkit::excess_length_strategy::drop,
                                    packkit::excess_length_strategy::truncate,
                                    packkit::excess_length_strategy::split}) {
            const auto expected =
                packkit::apply_excess_length(lengths, capacity, strategy);
            const auto fitted = app::fit_samples(table, histogram, capacity, strategy);
            BOOST_REQUIRE(
                std::vector<std::int64_t>(fitted.lengths.begin(), fitted.lengths.end()) ==
                expected.lengths);
            for (std::uint32_t i = 0; i < fitted.lengths.size(); ++i)
                BOOST_REQUIRE(fitted.sample_of(i) == expected.sample[i]);
            BOOST_REQUIRE(fitted.dropped_tokens == expected.dropped_tokens);
            BOOST_REQUIRE(fitted.cut_tokens == expected.cut_tokens);
            const auto counts = app::fitted_counts(histogram, capacity, strategy);
            if (counts.count.empty() || expected.lengths.empty()) continue;
            BOOST_REQUIRE(packkit::best_lower_bound(counts, capacity) ==
                          packkit::best_lower_bound(expected.lengths, capacity));
            auto summary = packkit::summarize(counts);
            const auto direct = packkit::summarize(expected.lengths);
            BOOST_REQUIRE(std::abs(summary.std - direct.std) < 1e-9);
            summary.std = direct.std;
            BOOST_REQUIRE((summary == direct));
            BOOST_REQUIRE((packkit::length_histogram(counts, 7) ==
                           packkit::length_histogram(expected.lengths, 7)));
        }
    }
}

BOOST_AUTO_TEST_CASE(rows_of_a_plan_are_rows_of_its_bins) {
    std::mt19937 random(2);
    for (int round = 0; round < 300; ++round) {
        const auto lengths = random_lengths(random, 40);
        const app::sample_table table = table_of(lengths);
        const auto counts = app::count_samples(table).counts;
        for (const app::algorithm& one : app::all_algorithms()) {
            if (one.plan == nullptr) continue;
            std::vector<app::drawn_row> drawn;
            std::vector<app::drawn_row> drawn_by_plan;
            const auto bins = one.run(table.lengths, 40, {});
            const auto rows = app::rows_of(bins, table.lengths, drawn);
            const auto planned = app::rows_of(one.plan(counts, 40, 0), drawn_by_plan);
            BOOST_REQUIRE(rows.size() == planned.size());
            for (std::size_t i = 0; i < rows.size(); ++i) {
                BOOST_REQUIRE(rows[i].tokens == planned[i].tokens);
                BOOST_REQUIRE(rows[i].attention == planned[i].attention);
            }
            BOOST_REQUIRE(drawn.size() == drawn_by_plan.size());
            for (std::size_t k = 0; k < drawn.size(); ++k)
                BOOST_REQUIRE(drawn[k].lengths == drawn_by_plan[k].lengths);
        }
    }
}

BOOST_AUTO_TEST_CASE(indices_count_the_empty_samples_and_follow_the_shuffle) {
    app::sample_table table;
    const std::vector<int> kinds = {0, 1, 1, 0, 0, 1, 1, 1, 0};  // 0: empty
    std::vector<std::uint32_t> expected;
    for (std::uint32_t i = 0; i < kinds.size(); ++i) {
        if (kinds[i] == 0) {
            table.empty.push_back(i);
        } else {
            table.append(i == 5 ? std::int64_t{1} << 40 : 100 + i);
            expected.push_back(i);
        }
    }
    for (std::uint32_t i = 0; i < expected.size(); ++i)
        BOOST_TEST(table.index_of(i) == expected[i]);
    table.shuffle(3);
    std::vector<bool> seen(kinds.size());
    for (std::uint32_t i = 0; i < expected.size(); ++i) {
        const std::uint32_t index = table.index_of(i);
        seen[index] = true;
        BOOST_TEST(table.length_at(i) ==
                   (index == 5 ? std::int64_t{1} << 40 : 100 + std::int64_t{index}));
    }
    for (std::size_t i = 0; i < kinds.size(); ++i)
        BOOST_TEST(seen[i] == (kinds[i] == 1));
}

BOOST_AUTO_TEST_SUITE_END()
