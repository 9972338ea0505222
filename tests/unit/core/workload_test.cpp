// SPDX-License-Identifier: Apache-2.0
#include <packkit/estimate/workload.hpp>
#include <packkit/lengths/excess_length.hpp>
#include <packkit/packing/pack.hpp>
#include <packkit/sampling/distributed_plan.hpp>
#include <packkit/utility/random.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(workload_test)

namespace data = boost::unit_test::data;
using packkit::attention_cost;
using packkit::excess_length_strategy;
using packkit::invalid_argument;
using packkit::length_counts;
using packkit::workload;

namespace {

/// Lognormal, median 500, sigma 1.1, up to `longest`.
std::vector<std::int64_t> lognormal_lengths(std::size_t n, double longest) {
    std::vector<std::int64_t> lengths(n, 0);
    for (std::size_t i = 0; i < n; ++i) {
        const double length = std::round(500 * std::exp(1.1 * packkit::normal(3, i)));
        lengths[i] = static_cast<std::int64_t>(std::clamp(length, 1.0, longest));
    }
    return lengths;
}

length_counts counts_of(const std::vector<std::int64_t>& lengths) {
    return packkit::count_lengths(std::span<const std::int64_t>(lengths),
                                  *std::max_element(lengths.begin(), lengths.end()));
}

double sum_of_squares(const std::vector<std::int64_t>& lengths) {
    double sum = 0;
    for (const std::int64_t l : lengths)
        sum += static_cast<double>(l * l);
    return sum;
}

/// Costs of all rows, from the bins themselves.
std::vector<double> costs_of_bins(const std::vector<std::int64_t>& lengths,
                                  std::int64_t capacity, attention_cost cost) {
    std::vector<double> costs;
    for (const auto bin :
         packkit::pack(lengths, capacity, packkit::first_fit_decreasing{})) {
        std::int64_t padding = capacity;
        std::int64_t sum = 0;
        for (const auto item : bin) {
            sum += cost(lengths[item]);
            padding -= lengths[item];
        }
        costs.push_back(static_cast<double>(sum + cost(padding)));
    }
    return costs;
}

constexpr attention_cost some_cost = {4000, 1};

}  // namespace

BOOST_AUTO_TEST_CASE(full_rows_hold_one_document) {
    const workload rows = packkit::full_rows(8192);
    BOOST_TEST(rows.tokens_per_row == 8192.0);
    BOOST_TEST(rows.squared_per_row == 8192.0 * 8192.0);
    BOOST_TEST(rows.attention_length() == 8192.0);
    BOOST_TEST(rows.computed_attention_length() == 8192.0);
    BOOST_TEST(rows.efficiency == 1.0);
    BOOST_TEST(rows.rows_per_epoch == 0.0);
    expect::message_of<invalid_argument>([] { (void)packkit::full_rows(0); },
                                         "sequence_len is 0");
}

// Rows of 10: 6 + 4, 5 + 5, 3.
BOOST_AUTO_TEST_CASE(packed_rows_by_hand) {
    const workload rows = packkit::packed_rows(counts_of({3, 4, 5, 5, 6}), 10);
    BOOST_TEST(rows.samples == 5);
    BOOST_TEST(rows.tokens == 23);
    BOOST_TEST(rows.rows_per_epoch == 3.0);
    BOOST_TEST(rows.tokens_per_row == 23.0 / 3);
    BOOST_TEST(rows.squared_per_row == 111.0 / 3);
    BOOST_TEST(rows.attention_length() == 111.0 / 23,
               boost::test_tools::tolerance(1e-15));
    BOOST_TEST(rows.computed_tokens_per_row == 10.0);
    // 7 tokens of padding: 49.
    BOOST_TEST(rows.computed_squared_per_row == 160.0 / 3,
               boost::test_tools::tolerance(1e-15));
    BOOST_TEST(rows.efficiency == 23.0 / 30, boost::test_tools::tolerance(1e-15));
    BOOST_TEST(rows.steps_per_epoch(1) == 3);
    BOOST_TEST(rows.steps_per_epoch(2) == 2);
    const std::vector<std::vector<std::int32_t>> sampled = {
        {0, 6, 10}, {0, 5, 10}, {0, 3, 10}};
    BOOST_TEST((rows.sampled_rows == sampled));

    const workload unpadded =
        packkit::packed_rows(counts_of({3, 4, 5, 5, 6}), 10, {.pad_to_capacity = false});
    BOOST_TEST(unpadded.computed_tokens_per_row == 23.0 / 3);
    BOOST_TEST(unpadded.computed_squared_per_row == 111.0 / 3);
    BOOST_TEST(unpadded.efficiency == 1.0);
}

BOOST_AUTO_TEST_CASE(no_samples_are_no_rows) {
    for (const workload& rows :
         {packkit::packed_rows({}, 10), packkit::padded_rows({}, 10)}) {
        BOOST_TEST(rows.rows_per_epoch == 0.0);
        BOOST_TEST(rows.attention_length() == 0.0);
        BOOST_TEST(rows.steps_per_epoch(8) == 0);
    }
}

/// The same bins as `pack`: their number, and what each costs.
BOOST_DATA_TEST_CASE(packed_rows_are_the_bins_of_pack, data::make({600, 2048, 8192}),
                     capacity) {
    const auto lengths = lognormal_lengths(20000, capacity);
    const auto costs = costs_of_bins(lengths, capacity, some_cost);
    const workload rows =
        packkit::packed_rows(counts_of(lengths), capacity, {.cost = some_cost});
    const auto bins = static_cast<double>(costs.size());
    BOOST_TEST(rows.rows_per_epoch == bins);
    BOOST_TEST(rows.squared_per_row == sum_of_squares(lengths) / bins,
               boost::test_tools::tolerance(1e-14));
    double sum = 0;
    for (const double cost : costs)
        sum += cost;
    BOOST_TEST(rows.rows.mean() == sum / bins, boost::test_tools::tolerance(1e-12));
    // Costs closer than a thousandth are held as one.
    BOOST_TEST(
        rows.rows.entries().back().cost == *std::max_element(costs.begin(), costs.end()),
        boost::test_tools::tolerance(1e-3));
    double share = 0;
    double mean = 0;
    for (const auto& entry : rows.rows.entries()) {
        share += entry.share;
        mean += entry.share * entry.cost;
    }
    BOOST_TEST(share == 1.0, boost::test_tools::tolerance(1e-12));
    BOOST_TEST(mean == rows.rows.mean(), boost::test_tools::tolerance(1e-12));
}

BOOST_DATA_TEST_CASE(counts_fit_as_lengths_do, data::make({"drop", "truncate", "split"}),
                     name) {
    const auto strategy = packkit::parse_excess_length_strategy(name);
    const auto lengths = lognormal_lengths(5000, 20000);
    const auto expected = packkit::apply_excess_length(lengths, 1000, strategy);
    const auto fitted = packkit::fit_counts(counts_of(lengths), 1000, strategy);
    const auto counts =
        packkit::count_lengths(std::span<const std::int64_t>(expected.lengths), 1000);
    BOOST_TEST((fitted.counts.count == counts.count));
    BOOST_TEST(fitted.counts.samples == counts.samples);
    BOOST_TEST(fitted.dropped_samples ==
               static_cast<std::int64_t>(expected.dropped.size()));
    BOOST_TEST(fitted.dropped_tokens == expected.dropped_tokens);
    BOOST_TEST(fitted.cut_tokens == expected.cut_tokens);
    const workload rows =
        packkit::packed_rows(counts_of(lengths), 1000, {.excess = strategy});
    std::int64_t tokens = 0;
    for (const std::int64_t l : lengths)
        tokens += l;
    BOOST_TEST(rows.tokens + rows.dropped_tokens + rows.cut_tokens == tokens);
}

BOOST_AUTO_TEST_CASE(long_samples_are_refused_if_asked_for) {
    expect::message_of<invalid_argument>(
        [] {
            (void)packkit::packed_rows(counts_of({5, 12}), 10,
                                       {.excess = excess_length_strategy::raise});
        },
        "1 sample has length 12, capacity is 10");
    expect::message_of<invalid_argument>(
        [] { (void)packkit::packed_rows(counts_of({5}), 0); }, "capacity is 0");
}

// Two samples in rows of 10: 2 and 6; padding 8 and 4.
BOOST_AUTO_TEST_CASE(rows_padded_to_the_capacity_by_hand) {
    const workload rows = packkit::padded_rows(counts_of({2, 6}), 10,
                                               {.cost = {.linear = 0, .quadratic = 1}});
    BOOST_TEST(rows.rows_per_epoch == 2.0);
    BOOST_TEST(rows.tokens_per_row == 4.0);
    BOOST_TEST(rows.squared_per_row == 20.0);
    BOOST_TEST(rows.computed_tokens_per_row == 10.0);
    BOOST_TEST(rows.computed_squared_per_row == (4.0 + 64 + 36 + 16) / 2);
    BOOST_TEST(rows.efficiency == 0.4);
    BOOST_TEST(rows.rows.mean() == 60.0);
}

/// Against all micro-batches that can be drawn.
BOOST_DATA_TEST_CASE(rows_padded_to_the_longest, data::make({1, 2, 3, 4}), micro) {
    const std::vector<std::int64_t> lengths = {1, 2, 2, 5, 9};
    double tokens = 0;
    double squared = 0;
    double draws = 0;
    std::vector<std::size_t> picked(static_cast<std::size_t>(micro), 0);
    for (bool more = true; more;) {
        std::int64_t longest = 0;
        for (const std::size_t i : picked)
            longest = std::max(longest, lengths[i]);
        for (const std::size_t i : picked) {
            const std::int64_t padding = longest - lengths[i];
            tokens += static_cast<double>(longest);
            squared += static_cast<double>(lengths[i] * lengths[i] + padding * padding);
            ++draws;
        }
        more = false;
        for (std::size_t& i : picked) {
            if (++i < lengths.size()) {
                more = true;
                break;
            }
            i = 0;
        }
    }
    const workload rows = packkit::padded_rows(
        counts_of(lengths), 10,
        {.padding = packkit::row_padding::to_longest, .micro_batch_size = micro});
    BOOST_TEST(rows.computed_tokens_per_row == tokens / draws,
               boost::test_tools::tolerance(1e-13));
    BOOST_TEST(rows.computed_squared_per_row == squared / draws,
               boost::test_tools::tolerance(1e-13));
    BOOST_TEST(rows.efficiency == 3.8 / (tokens / draws),
               boost::test_tools::tolerance(1e-13));
}

// ---- How unequal rows are

// Cost 1 or 3, equally likely: the largest of n is 3 unless all are 1.
BOOST_AUTO_TEST_CASE(the_most_expensive_of_single_rows_by_hand) {
    const packkit::row_costs costs({{3.0, 50.0}, {1.0, 50.0}});
    BOOST_TEST(costs.mean() == 2.0);
    BOOST_TEST(costs.shuffled_imbalance(1) == 1.0);
    BOOST_TEST(costs.shuffled_imbalance(2) == 1.25);           // (3/4 3 + 1/4 1) / 2
    BOOST_TEST(costs.shuffled_imbalance(4) == 46.0 / 16 / 2);  // (15/16 3 + 1/16) / 2
    BOOST_TEST(costs.shuffled_imbalance(1 << 20) == 1.5);
}

// Ten shares of a tenth do not add up to one in float64; of very many ranks one has the
// most expensive row all the same.
BOOST_AUTO_TEST_CASE(rounded_shares_leave_no_rank_without_a_row) {
    std::vector<std::pair<double, double>> rows;
    double mean = 0;
    for (const int cost : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}) {
        rows.emplace_back(cost, 1.0);
        mean += cost / 10.0;
    }
    const packkit::row_costs costs(rows);
    for (const int bits : {12, 30, 50, 60}) {
        const std::int64_t ranks = std::int64_t{1} << bits;
        BOOST_TEST(costs.shuffled_imbalance(ranks) == 10 / mean,
                   boost::test_tools::tolerance(1e-14));
        BOOST_TEST(costs.shuffled_imbalance(ranks) <= 10 / mean * (1 + 1e-14));
    }
    BOOST_TEST(costs.shuffled_imbalance(std::int64_t{1} << 60, 2) == 10 / mean,
               boost::test_tools::tolerance(1e-14));
}

/// Two costs lie on the grid, so sums of rows are exact: binomial.
BOOST_DATA_TEST_CASE(the_most_expensive_of_sums_of_rows, data::make({2, 3, 5, 8}), rows) {
    const packkit::row_costs costs({{1.0, 30.0}, {4.0, 70.0}});
    for (const std::int64_t ranks : {1, 2, 7, 64}) {
        std::vector<double> binomial = {1.0};
        for (int row = 0; row < rows; ++row) {
            std::vector<double> next(binomial.size() + 1, 0.0);
            for (std::size_t i = 0; i < binomial.size(); ++i) {
                next[i] += 0.3 * binomial[i];
                next[i + 1] += 0.7 * binomial[i];
            }
            binomial = next;
        }
        double expected = 0;
        double below = 0;
        for (std::size_t dear = 0; dear < binomial.size(); ++dear) {
            const double up_to = below + binomial[dear];
            const double all = static_cast<double>(ranks);
            expected += (std::pow(up_to, all) - std::pow(below, all)) *
                        (rows + 3.0 * static_cast<double>(dear));
            below = up_to;
        }
        BOOST_TEST(costs.shuffled_imbalance(ranks, rows) == expected / (3.1 * rows),
                   boost::test_tools::tolerance(1e-9));
    }
}

/// Rows at random, as without balance: within a hundredth of the estimate.
BOOST_DATA_TEST_CASE(the_imbalance_of_shuffled_rows,
                     data::make({8, 64}) * data::make({1, 2, 4, 16}), ranks, rows) {
    constexpr std::int64_t capacity = 8192;
    const auto lengths = lognormal_lengths(200000, capacity);
    const auto costs = costs_of_bins(lengths, capacity, some_cost);
    const auto order = packkit::seeded_permutation(costs.size(), 5);
    const auto batch = static_cast<std::size_t>(ranks * rows);
    double slowest = 0;
    double mean = 0;
    for (std::size_t first = 0; first + batch <= order.size(); first += batch) {
        double most = 0;
        for (std::size_t rank = 0; rank < static_cast<std::size_t>(ranks); ++rank) {
            double sum = 0;
            for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row)
                sum += costs[order[first + row * static_cast<std::size_t>(ranks) + rank]];
            most = std::max(most, sum);
            mean += sum / ranks;
        }
        slowest += most;
    }
    const workload work =
        packkit::packed_rows(counts_of(lengths), capacity, {.cost = some_cost});
    const double estimated = work.rows.shuffled_imbalance(ranks, rows);
    BOOST_TEST_MESSAGE("ranks " << ranks << ", rows " << rows << ": dealt "
                                << slowest / mean << ", estimated " << estimated);
    BOOST_TEST(estimated == slowest / mean, boost::test_tools::tolerance(0.01));
    BOOST_TEST(slowest / mean > 1.005);  // there is something to estimate

    // FSDP waits after each micro-batch, DDP once a step.
    packkit::training_setup setup;
    setup.mesh = {.dp_replicate = 2, .dp_shard = ranks / 2, .cp = 1, .tp = 1};
    setup.gradient_accumulation_steps = rows;
    BOOST_TEST(packkit::dp_imbalance_of(work, setup) ==
               work.rows.shuffled_imbalance(ranks, 1));
    setup.sharding = packkit::sharding_kind::ddp;
    BOOST_TEST(packkit::dp_imbalance_of(work, setup) == estimated);
}

/// Rows in balanced windows, as the distributed plan deals them.
BOOST_AUTO_TEST_CASE(the_imbalance_of_balanced_rows) {
    constexpr std::int64_t capacity = 8192;
    const auto lengths = lognormal_lengths(400000, capacity);
    const auto plan = packkit::make_distributed_plan(
        lengths, capacity, {.global_batch = 64, .seed = 3}, some_cost);
    double largest = 0;
    double mean = 0;
    for (std::size_t first = 0; first < plan.steps_per_epoch();) {
        const auto window = plan.window_at({0, first});
        for (std::size_t step = 0; step < window.steps; ++step) {
            std::int64_t most = 0;
            for (std::size_t i = 0; i < 64; ++i) {
                const std::size_t bin = window.bins[step * 64 + i];
                const auto cost = plan.cost_of(bin, 0);
                most = std::max(most, cost);
                mean += static_cast<double>(cost) / 64;
            }
            largest += static_cast<double>(most);
        }
        first += window.steps;
    }
    const workload work = packkit::packed_rows(
        counts_of(lengths), capacity, {.pad_to_capacity = false, .cost = some_cost});
    BOOST_TEST_MESSAGE("dealt " << largest / mean << ", estimated "
                                << work.rows.balanced_imbalance());
    BOOST_TEST(work.rows.balanced_imbalance() == largest / mean,
               boost::test_tools::tolerance(0.002));
    BOOST_TEST(work.rows.balanced_imbalance() < 1.01);
    BOOST_TEST(work.rows.balanced_imbalance() < work.rows.shuffled_imbalance(64));
}

BOOST_AUTO_TEST_CASE(equal_rows_are_balanced) {
    const packkit::row_costs same({{7.0, 3.0}});
    BOOST_TEST(same.shuffled_imbalance(64, 4) == 1.0);
    BOOST_TEST(same.balanced_imbalance() == 1.0);
    BOOST_TEST(packkit::row_costs().shuffled_imbalance(64) == 1.0);
    expect::message_of<invalid_argument>([&] { (void)same.shuffled_imbalance(0); },
                                         "0 ranks");
    expect::message_of<invalid_argument>([] { packkit::row_costs({{-1.0, 1.0}}); }, "-1");
}

// One document of 8 over 2 ranks, pairs alone: contiguous 10 and 26 of 36.
BOOST_AUTO_TEST_CASE(context_parallel_ranks_by_hand) {
    workload work = packkit::full_rows(8);
    work.cost = {.linear = 0, .quadratic = 1};
    BOOST_TEST(packkit::cp_imbalance_of(work, 1) == 1.0);
    BOOST_TEST(packkit::cp_imbalance_of(work, 2, packkit::contiguous_split{}) ==
               26.0 / 18);
    BOOST_TEST(packkit::cp_imbalance_of(work, 2) == 1.0);
    work.cost = {.linear = 1, .quadratic = 0};
    BOOST_TEST(packkit::cp_imbalance_of(work, 2, packkit::contiguous_split{}) == 1.0);
}

BOOST_AUTO_TEST_CASE(balanced_slices_beat_contiguous_ones_on_full_rows) {
    workload work = packkit::full_rows(65536);
    work.cost = some_cost;
    for (const std::int64_t cp : {2, 4, 8, 64}) {
        const double balanced = packkit::cp_imbalance_of(work, cp);
        BOOST_TEST(balanced < 1.001);
        BOOST_TEST(packkit::cp_imbalance_of(work, cp, packkit::contiguous_split{}) > 1.3);
    }
    packkit::training_setup setup;
    setup.mesh = {.dp_replicate = 1, .dp_shard = 4, .cp = 8, .tp = 1};
    BOOST_TEST(packkit::on_mesh(work, setup).cp_imbalance ==
               packkit::cp_imbalance_of(work, 8));
    BOOST_TEST(packkit::on_mesh(work, setup).dp_imbalance == 1.0);
}

BOOST_AUTO_TEST_SUITE_END()
