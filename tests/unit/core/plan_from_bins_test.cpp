// SPDX-License-Identifier: Apache-2.0
// Distributed plans of bins that any policy packed: orders, balance, the last step,
// padding, and the idle share of ranks.
#include <packkit/estimate/flops.hpp>
#include <packkit/model/presets.hpp>
#include <packkit/packing/pack.hpp>
#include <packkit/packing/plan_from_bins.hpp>
#include <packkit/sampling/distributed_plan.hpp>
#include <packkit/sampling/plan_reader.hpp>
#include <packkit/utility/random.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"
#include "textbook.hpp"

BOOST_AUTO_TEST_SUITE(plan_from_bins_test)

using packkit::attention_cost;
using packkit::bin_list;
using packkit::distributed_plan;
using packkit::distributed_plan_options;
using packkit::epoch_order;
using packkit::invalid_argument;
using packkit::last_step;
using packkit::make_distributed_plan;
using packkit::plan_balance;
using packkit::plan_reader;
using packkit::row_assignment;
using rows = textbook::bins;

namespace {

constexpr attention_cost some_cost = {100, 1};

std::vector<std::int64_t> some_lengths(std::size_t n, std::uint64_t most,
                                       std::uint64_t seed) {
    std::vector<std::int64_t> lengths(n, 0);
    for (std::size_t i = 0; i < n; ++i)
        lengths[i] = static_cast<std::int64_t>(packkit::random_below(most, seed, i)) + 1;
    return lengths;
}

bin_list<> list_of(const rows& wanted) {
    bin_list<> list;
    for (const auto& bin : wanted)
        list.append(bin);
    return list;
}

/// The samples of all bins in an epoch.
rows bins_of(const distributed_plan<>& plan, std::uint64_t epoch) {
    rows all;
    for (std::size_t bin = 0; bin < plan.size(); ++bin)
        all.push_back(plan.samples_of(bin, epoch));
    return all;
}

/// The numbers of an epoch's bins, step by step.
std::vector<std::uint32_t> order_of(const distributed_plan<>& plan, std::uint64_t epoch) {
    std::vector<std::uint32_t> order;
    plan_reader reader(plan, 1);
    for (std::size_t step = 0; step < plan.steps_per_epoch(); ++step) {
        const auto bins = reader.bins_of_step({epoch, step});
        order.insert(order.end(), bins.begin(), bins.end());
    }
    return order;
}

bool holds_each_once(std::vector<std::uint32_t> order, std::size_t n) {
    std::sort(order.begin(), order.end());
    std::vector<std::uint32_t> all(n, 0);
    std::iota(all.begin(), all.end(), 0U);
    return order == all;
}

/// Idle share from what a reader reads, by adding up every rank's rows.
double idle_as_read(const distributed_plan<>& plan, std::size_t ranks,
                    std::size_t rows_a_step, const std::vector<std::int64_t>& lengths) {
    plan_reader reader(plan, ranks);
    double busy = 0, taken = 0;
    for (std::size_t step = 0; step < plan.steps_per_epoch(); ++step) {
        for (std::size_t m = 0; m < reader.micro_steps(); m += rows_a_step) {
            double most = 0;
            for (std::size_t rank = 0; rank < ranks; ++rank) {
                double cost = 0;
                for (std::size_t k = m;
                     k < std::min(m + rows_a_step, reader.micro_steps()); ++k) {
                    for (const auto sample : reader.row({0, step}, k, rank))
                        cost += static_cast<double>(some_cost(lengths[sample]));
                }
                busy += cost;
                most = std::max(most, cost);
            }
            taken += most * static_cast<double>(ranks);
        }
    }
    return 1 - busy / taken;
}

}  // namespace

// --- bins as a plan
// ---------------------------------------------------------------------------
BOOST_AUTO_TEST_CASE(bins_by_hand_become_runs) {
    // Samples of length 5: 0, 2, 4, 6; of length 3: 1, 3, 5.
    const std::vector<int> lengths = {5, 3, 5, 3, 5, 3, 5};
    const auto plan = packkit::plan_from_bins(
        list_of({{0, 1}, {2, 3}, {}, {}, {4, 6}, {5}}), std::span<const int>(lengths));
    BOOST_TEST(plan.size() == 6u);
    BOOST_REQUIRE(plan.runs().size() == 4u);  // 5 + 3 twice, two empty, 5 + 5, 3
    BOOST_TEST(plan.runs()[0].bins == 2u);
    BOOST_TEST(plan.runs()[0].items == 2u);
    BOOST_TEST(plan.runs()[1].bins == 2u);
    BOOST_TEST(plan.runs()[1].items == 0u);
    const auto pair = plan.placements_of(plan.runs()[2]);
    BOOST_REQUIRE(pair.size() == 1u);
    BOOST_TEST(pair[0].per_bin == 2u);
    BOOST_TEST(pair[0].start == 2u);
    // Longer and shorter than the samples of one length in index order.
    const auto crossed = packkit::plan_from_bins(list_of({{6, 4}, {1}, {0, 2, 3, 5}}),
                                                 std::span<const int>(lengths));
    BOOST_TEST(crossed.runs().size() == 3u);
    BOOST_TEST(crossed.placements_of(crossed.runs()[0]).size() == 2u);
}

template <class Policy>
void check_bins_stay(Policy policy, packkit::pack_limits limits) {
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        const auto lengths = some_lengths(seed * 9, 40, seed);
        const auto packed = packkit::pack(lengths, 40, policy, limits);
        const auto plan = make_distributed_plan(
            lengths, packed, {.global_batch = 1, .order = epoch_order::as_packed},
            some_cost);
        BOOST_TEST((bins_of(plan, seed) == textbook::nested(packed)),
                   Policy::name << ", seed " << seed);
        std::vector<std::uint32_t> in_order(packed.size(), 0);
        std::iota(in_order.begin(), in_order.end(), 0U);
        BOOST_TEST((order_of(plan, seed) == in_order));
    }
}

BOOST_AUTO_TEST_CASE(bins_of_every_policy_stay_as_packed) {
    check_bins_stay(packkit::first_fit{}, {});
    check_bins_stay(packkit::best_fit{}, {.bin_size = 3});
    check_bins_stay(packkit::next_fit{}, {});
    check_bins_stay(packkit::next_fit{}, {.bin_size = 1});  // a sample a bin
    check_bins_stay(packkit::worst_fit_decreasing{}, {});
    check_bins_stay(packkit::first_fit_decreasing{}, {.group_size = 50});
    check_bins_stay(packkit::best_fit_decreasing{}, {.group_size = 50, .bin_size = 2});
}

BOOST_AUTO_TEST_CASE(bins_of_lengths_are_the_plan_of_lengths) {
    const auto lengths = some_lengths(20000, 500, 3);
    const auto packed = packkit::pack(lengths, 2000);
    const distributed_plan_options options = {.global_batch = 7, .seed = 5};
    const auto by_lengths = make_distributed_plan(lengths, 2000, options, some_cost);
    const auto by_bins = make_distributed_plan(lengths, packed, options, some_cost);
    BOOST_TEST(by_lengths.hash() == by_bins.hash());
    BOOST_TEST((bins_of(by_lengths, 4) == bins_of(by_bins, 4)));
    // Runs, not bins, are what is stored.
    const auto plan = packkit::plan_from_bins(packed, std::span(lengths));
    BOOST_TEST(plan.size() > 2000u);
    BOOST_TEST(plan.runs().size() < plan.size());
}

// --- orders
// -----------------------------------------------------------------------------------
BOOST_AUTO_TEST_CASE(an_order_says_what_an_epoch_changes) {
    const auto lengths = some_lengths(3000, 60, 1);
    const auto packed = packkit::pack(lengths, 200, packkit::next_fit{});
    const auto plan = [&](epoch_order order) {
        return make_distributed_plan(
            lengths, packed,
            {.global_batch = 4, .seed = 9, .order = order, .last = last_step::keep},
            some_cost);
    };
    const auto shuffled = plan(epoch_order::shuffled_bins);
    const auto fresh = plan(epoch_order::fresh_bins);
    const auto still = plan(epoch_order::as_packed);
    for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
        BOOST_TEST((bins_of(shuffled, epoch) == bins_of(still, 0)));
        BOOST_TEST((bins_of(fresh, epoch) != bins_of(still, 0)));
        BOOST_TEST((order_of(shuffled, epoch) != order_of(shuffled, epoch + 1)));
        BOOST_TEST((order_of(shuffled, epoch) == order_of(fresh, epoch)));
        BOOST_TEST(holds_each_once(order_of(shuffled, epoch), shuffled.size()));
        BOOST_TEST((bins_of(fresh, epoch) != bins_of(fresh, epoch + 1)));
        // Fresh bins have the lengths of the packed ones, item by item.
        const auto now = bins_of(fresh, epoch), before = bins_of(still, 0);
        for (std::size_t bin = 0; bin < now.size(); ++bin) {
            BOOST_TEST(std::equal(
                now[bin].begin(), now[bin].end(), before[bin].begin(), before[bin].end(),
                [&](auto a, auto b) { return lengths[a] == lengths[b]; }));
        }
    }
    // In the file's order, sample after sample, whatever the balance.
    std::uint32_t next = 0;
    plan_reader reader(still, 1, row_assignment::in_order);
    for (std::size_t step = 0; step < still.steps_per_epoch(); ++step) {
        for (std::size_t micro = 0; micro < reader.micro_steps(); ++micro) {
            for (const auto sample : reader.row({5, step}, micro, 0))
                BOOST_REQUIRE(sample == next++);
        }
    }
    BOOST_TEST(next == lengths.size());
}

// --- the last step
// ----------------------------------------------------------------------------
BOOST_AUTO_TEST_CASE(the_last_step_is_split_kept_or_dropped) {
    const auto lengths = some_lengths(1001, 30, 2);
    const auto packed = packkit::pack(lengths, 30, packkit::next_fit{}, {.bin_size = 1});
    BOOST_REQUIRE(packed.size() == 1001u);
    for (const auto order :
         {epoch_order::as_packed, epoch_order::fresh_bins, epoch_order::shuffled_bins}) {
        const auto plan = [&](last_step last) {
            return make_distributed_plan(
                lengths, packed,
                {.global_batch = 8, .window = 5, .order = order, .last = last},
                some_cost);
        };
        const auto keep = plan(last_step::keep);
        BOOST_TEST(keep.bins() == 1001u);
        BOOST_TEST(keep.size() == 1008u);
        BOOST_TEST(keep.steps_per_epoch() == 126u);
        BOOST_TEST(keep.left_out() == 0u);
        for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
            const auto bins = order_of(keep, epoch);
            BOOST_TEST(holds_each_once(bins, 1008));
            std::set<std::size_t> partial;
            for (std::size_t i = 0; i < bins.size(); ++i) {
                if (bins[i] < 1001) continue;
                partial.insert(i / 8);
                BOOST_TEST(keep.samples_of(bins[i], epoch).empty());
                BOOST_TEST(keep.cost_of(bins[i], epoch) == 0);
            }
            BOOST_TEST(partial.size() == 1u);
            BOOST_TEST(*partial.begin() >= 121u);  // in the last window
            if (order == epoch_order::as_packed) BOOST_TEST(*partial.begin() == 125u);
        }
        const auto drop = plan(last_step::drop);
        BOOST_TEST(drop.size() == 1001u);
        BOOST_TEST(drop.steps_per_epoch() == 125u);
        BOOST_TEST(drop.left_out() == 1u);
        std::set<std::uint32_t> left_out;
        for (std::uint64_t epoch = 0; epoch < 6; ++epoch) {
            std::vector<bool> seen(1001, false);
            for (const auto bin : order_of(drop, epoch)) {
                BOOST_REQUIRE(!seen[bin]);
                seen[bin] = true;
            }
            BOOST_TEST(std::count(seen.begin(), seen.end(), false) == 1);
            left_out.insert(static_cast<std::uint32_t>(
                std::find(seen.begin(), seen.end(), false) - seen.begin()));
        }
        // Others in each epoch, or always the last.
        if (order == epoch_order::as_packed) {
            BOOST_TEST((left_out == std::set<std::uint32_t>{1000}));
        } else {
            BOOST_TEST(left_out.size() > 3u);
        }
    }
    const auto few = make_distributed_plan(
        lengths, packed, {.global_batch = 1002, .last = last_step::drop}, some_cost);
    BOOST_TEST(few.steps_per_epoch() == 0u);
    BOOST_TEST(few.left_out() == 1001u);
    BOOST_TEST(rank_idle(few, 0, 4) == 0.0);
    expect::message_of<invalid_argument>([&] { (void)few.window_at({0, 0}); },
                                         "step is 0, an epoch has 0");
}

// --- balance
// ----------------------------------------------------------------------------------
BOOST_AUTO_TEST_CASE(steps_are_balanced_by_what_is_asked_for) {
    const auto lengths = some_lengths(4000, 90, 7);
    const auto packed = packkit::pack(lengths, 100, packkit::first_fit{});
    const auto plan = [&](plan_balance balance) {
        return make_distributed_plan(
            lengths, packed,
            {.global_batch = 8, .seed = 4, .window = 32, .balance = balance}, some_cost);
    };
    // How far apart the rows of a step are in the mean, by a measure of rows.
    const auto spread = [&](const distributed_plan<>& of, auto measure) {
        const auto order = order_of(of, 1);
        double sum = 0;
        for (std::size_t first = 0; first < order.size(); first += 8) {
            double least = 1e300, most = 0;
            for (std::size_t i = first; i < first + 8; ++i) {
                double value = 0;
                for (const auto sample : of.samples_of(order[i], 1))
                    value += measure(static_cast<double>(lengths[sample]));
                least = std::min(least, value);
                most = std::max(most, value);
            }
            sum += most - least;
        }
        return sum;
    };
    const auto tokens = [](double l) { return l; };
    const auto cost = [](double l) { return 100 * l + l * l; };
    const auto by_cost = plan(plan_balance::cost);
    const auto by_tokens = plan(plan_balance::tokens);
    const auto by_none = plan(plan_balance::none);
    BOOST_TEST(spread(by_cost, cost) < 0.2 * spread(by_none, cost));
    BOOST_TEST(spread(by_tokens, tokens) < 0.2 * spread(by_none, tokens));
    BOOST_TEST(spread(by_cost, cost) < spread(by_tokens, cost));
    BOOST_TEST(spread(by_tokens, tokens) < spread(by_cost, tokens));
    std::set<std::uint64_t> hashes;
    for (const auto* of : {&by_cost, &by_tokens, &by_none}) {
        BOOST_TEST(holds_each_once(order_of(*of, 1), of->size()));
        hashes.insert(of->hash());
    }
    BOOST_TEST(hashes.size() == 3u);
    // Without balance the windows hold the bins that balance sorts.
    for (std::size_t step = 0; step < by_cost.steps_per_epoch(); ++step) {
        auto sorted = by_cost.window_at({1, step}).bins;
        auto loose = by_none.window_at({1, step}).bins;
        BOOST_TEST((by_cost.window_at({1, step}, plan_balance::none).bins == loose));
        std::sort(sorted.begin(), sorted.end());
        std::sort(loose.begin(), loose.end());
        BOOST_TEST((sorted == loose));
    }
}

BOOST_AUTO_TEST_CASE(padding_costs_as_a_document) {
    const auto lengths = some_lengths(500, 64, 4);
    const auto packed = packkit::pack(lengths, 64, packkit::next_fit{});
    const auto plan = make_distributed_plan(
        lengths, packed, {.global_batch = 128, .padded_row = 64}, some_cost);
    bool any_split = false;
    for (std::size_t bin = 0; bin < plan.size(); ++bin) {
        std::int64_t cost = 0, tokens = 0;
        const auto samples = plan.samples_of(bin, 2);
        for (const auto sample : samples) {
            cost += some_cost(lengths[sample]);
            tokens += lengths[sample];
        }
        any_split = any_split || bin >= packed.size();
        if (!samples.empty()) cost += some_cost(64 - tokens);
        BOOST_TEST(plan.cost_of(bin, 2) == cost);
        BOOST_TEST(plan.tokens_of(bin) == tokens);
    }
    BOOST_TEST(any_split);
    const auto unpadded =
        make_distributed_plan(lengths, packed, {.global_batch = 128}, some_cost);
    BOOST_TEST(plan.hash() != unpadded.hash());
}

BOOST_AUTO_TEST_CASE(in_order_a_step_is_one_list_for_any_ranks) {
    const auto lengths = some_lengths(900, 50, 8);
    const auto plan =
        make_distributed_plan(lengths, 100, {.global_batch = 24}, some_cost);
    for (std::size_t step = 0; step < plan.steps_per_epoch(); ++step) {
        for (const std::size_t ranks : {1U, 2U, 3U, 8U, 24U}) {
            plan_reader reader(plan, ranks, row_assignment::in_order);
            const auto wanted = reader.bins_of_step({3, step});
            std::size_t slot = 0;
            for (std::size_t micro = 0; micro < reader.micro_steps(); ++micro) {
                for (std::size_t rank = 0; rank < ranks; ++rank)
                    BOOST_TEST(*reader.bin({3, step}, micro, rank) == wanted[slot++]);
            }
            BOOST_TEST(slot == 24u);
        }
    }
}

// --- idle ranks
// -------------------------------------------------------------------------------
BOOST_AUTO_TEST_CASE(the_idle_share_is_what_ranks_read) {
    const auto lengths = some_lengths(3000, 80, 6);
    for (const auto balance :
         {plan_balance::cost, plan_balance::tokens, plan_balance::none}) {
        const auto plan = make_distributed_plan(lengths, 100,
                                                {.global_batch = 24,
                                                 .seed = 2,
                                                 .window = 8,
                                                 .balance = balance,
                                                 .last = last_step::keep},
                                                some_cost);
        for (const std::size_t ranks : {1U, 3U, 5U, 12U}) {
            for (const std::size_t rows_a_step : {1U, 2U, 4U}) {
                const double wanted = idle_as_read(plan, ranks, rows_a_step, lengths);
                const packkit::rank_idle_options options = {.balance = balance,
                                                            .rows = rows_a_step};
                BOOST_TEST(rank_idle(plan, 0, ranks, options) == wanted,
                           boost::test_tools::tolerance(1e-12));
                // Balanced otherwise: the figure of a plan that is.
                const auto loose = make_distributed_plan(lengths, 100,
                                                         {.global_batch = 24,
                                                          .seed = 2,
                                                          .window = 8,
                                                          .balance = plan_balance::none,
                                                          .last = last_step::keep},
                                                         some_cost);
                BOOST_TEST(
                    rank_idle(plan, 0, ranks,
                              {.balance = plan_balance::none, .rows = rows_a_step}) ==
                        idle_as_read(loose, ranks, rows_a_step, lengths),
                    boost::test_tools::tolerance(1e-12));
            }
        }
        // Few of the windows stand for all.
        const double all = rank_idle(plan, 0, 12, {.balance = plan_balance::none});
        const double some =
            rank_idle(plan, 0, 12, {.balance = plan_balance::none, .most_steps = 20});
        BOOST_TEST(some != all);
        BOOST_TEST(std::abs(some - all) < 0.25 * all);
    }
    const auto plan = make_distributed_plan(lengths, 100, {}, some_cost);
    BOOST_CHECK_THROW((void)rank_idle(plan, 0, 0), invalid_argument);
    BOOST_CHECK_THROW((void)rank_idle(plan, 0, 2, {.rows = 0}), invalid_argument);
}

// A million log-normal lengths of median 300 in rows of 4096, at the cost of Llama 3 8B,
// a row a rank and step: at most 0.3 % idle, padded as packkit-train pads or not.
BOOST_AUTO_TEST_CASE(balanced_ranks_of_an_8b_model_are_hardly_idle) {
    std::vector<std::int64_t> lengths(1000000, 0);
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        const double length = std::round(300 * std::exp(packkit::normal(1, i)));
        lengths[i] = static_cast<std::int64_t>(std::clamp(length, 1.0, 4096.0));
    }
    const auto cost = packkit::training_flops(packkit::find_model("llama-3-8b")->shape);
    const auto packed = packkit::pack(lengths, 4096, packkit::first_fit_decreasing{},
                                      {.group_size = 100000, .bin_size = 200});
    for (const std::size_t ranks : {8U, 64U}) {
        for (const std::uint32_t padded_row : {0U, 4096U}) {
            const auto plan = make_distributed_plan(lengths, packed,
                                                    {.global_batch = ranks,
                                                     .seed = 42,
                                                     .window = 64,
                                                     .padded_row = padded_row},
                                                    cost);
            const double balanced = 100 * packkit::rank_idle(plan, 0, ranks);
            const double by_tokens =
                100 *
                packkit::rank_idle(plan, 0, ranks, {.balance = plan_balance::tokens});
            const double unbalanced =
                100 * packkit::rank_idle(plan, 0, ranks, {.balance = plan_balance::none});
            BOOST_TEST_MESSAGE(
                ranks << " ranks, rows " << (padded_row > 0 ? "padded" : "as packed")
                      << ": idle " << balanced << " % (by tokens " << by_tokens
                      << " %, unbalanced " << unbalanced << " %)");
            BOOST_TEST(balanced <= 0.3);
            BOOST_TEST(unbalanced > 10 * balanced);
        }
    }
}

// --- errors
// -----------------------------------------------------------------------------------
BOOST_AUTO_TEST_CASE(bins_must_hold_every_sample_once) {
    const std::vector<int> lengths = {4, 9, 4};
    const auto plan = [&](const rows& bins) {
        return make_distributed_plan(lengths, list_of(bins), {}, some_cost);
    };
    BOOST_TEST(plan({{0, 2}, {1}}).size() == 2u);
    expect::message_of<invalid_argument>([&] { (void)plan({{0, 1}}); },
                                         "no bin holds sample 2");
    expect::message_of<invalid_argument>([&] { (void)plan({{0, 1}, {2, 0}}); },
                                         "hold sample 0 twice");
    expect::message_of<invalid_argument>([&] { (void)plan({{0, 1}, {3}}); },
                                         "bin 1 holds item 3, but there are 3 lengths");
    expect::message_of<invalid_argument>(
        [] {
            (void)make_distributed_plan(std::vector<int>{4, -1}, list_of({{0, 1}}), {},
                                        some_cost);
        },
        "item 1 has length -1");
    expect::message_of<invalid_argument>(
        [] {
            (void)make_distributed_plan(std::vector<int>{4, 0}, list_of({{0, 1}}), {},
                                        some_cost);
        },
        "item 1 has length 0");
    const auto none = make_distributed_plan(std::vector<int>{}, bin_list<>{},
                                            {.global_batch = 3}, some_cost);
    BOOST_TEST(none.steps_per_epoch() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
