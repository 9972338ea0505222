// SPDX-License-Identifier: Apache-2.0
#include <packkit/estimate/flops.hpp>
#include <packkit/lengths/length_counts.hpp>
#include <packkit/lengths/samples_by_length.hpp>
#include <packkit/model/presets.hpp>
#include <packkit/packing/pack.hpp>
#include <packkit/sampling/distributed_plan.hpp>
#include <packkit/sampling/plan_reader.hpp>
#include <packkit/utility/random.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "distributed_plan_cases.hpp"
#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(distributed_plan_test)

using namespace distributed_plan_cases;
using packkit::distributed_plan;
using packkit::epoch_order;
using packkit::invalid_argument;
using packkit::make_distributed_plan;
using packkit::slot_of_rank;

namespace {

/// Lognormal, median 300, sigma 1, cut at the capacity of 4096.
std::vector<std::int32_t> lognormal_lengths(std::size_t n) {
    std::vector<std::int32_t> lengths(n, 0);
    for (std::size_t i = 0; i < n; ++i) {
        const double length = std::round(300 * std::exp(packkit::normal(1, i)));
        lengths[i] = static_cast<std::int32_t>(std::clamp(length, 1.0, 4096.0));
    }
    return lengths;
}

}  // namespace

// --- dealing
// --------------------------------------------------------------------------------
static_assert(slot_of_rank(8, 8, 0, 3) == 3);
static_assert(slot_of_rank(8, 8, 0, 3, 2) == 1);
static_assert(slot_of_rank(8, 4, 1, 0) == 7);  // and back
static_assert(!slot_of_rank(8, 3, 2, 2));

BOOST_AUTO_TEST_CASE(every_slot_goes_to_one_rank) {
    for (std::size_t batch = 1; batch <= 20; ++batch) {
        for (std::size_t ranks = 1; ranks <= 24; ++ranks) {
            for (const std::uint64_t turn : {0ULL, 1ULL, 7ULL, ~0ULL}) {
                std::vector<int> seen(batch, 0);
                std::size_t fewest = batch, most = 0;
                for (std::size_t rank = 0; rank < ranks; ++rank) {
                    std::size_t held = 0;
                    for (std::size_t m = 0; m < packkit::micro_steps_of(batch, ranks);
                         ++m) {
                        const auto slot = slot_of_rank(batch, ranks, m, rank, turn);
                        if (!slot) continue;
                        BOOST_REQUIRE(*slot < batch);
                        BOOST_TEST(*slot / ranks == m);  // a micro-step: neighbours
                        ++seen[*slot];
                        ++held;
                    }
                    fewest = std::min(fewest, held);
                    most = std::max(most, held);
                }
                BOOST_TEST((seen == std::vector<int>(batch, 1)));
                BOOST_TEST(most - fewest <= 1u);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(eight_bins_on_three_ranks_take_three_micro_steps) {
    BOOST_TEST(packkit::micro_steps_of(8, 3) == 3u);
    BOOST_TEST(packkit::micro_steps_of(8, 16) == 1u);
    expect::message_of<invalid_argument>([] { (void)slot_of_rank(8, 3, 3, 0); },
                                         "micro-step 3", "3 of 3 ranks");
    expect::message_of<invalid_argument>([] { (void)slot_of_rank(8, 3, 0, 3); },
                                         "rank 3");
    expect::message_of<invalid_argument>([] { (void)slot_of_rank(8, 0, 0, 0); },
                                         "ranks is 0");
}

// --- bins cut to a multiple
// -----------------------------------------------------------------
BOOST_AUTO_TEST_CASE(unshuffled_bins_are_those_of_equalize_bins) {
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        const auto lengths = skewed_lengths(seed * 3, 50, seed);
        for (const std::size_t batch : {1U, 2U, 7U, 8U, 64U, 300U}) {
            const auto wanted =
                packkit::equalize_bins(packkit::pack(lengths, 50), lengths, batch);
            const auto plan = make_distributed_plan(
                lengths, 50,
                {.global_batch = batch, .window = 1, .order = epoch_order::as_packed},
                some_cost);
            BOOST_REQUIRE(plan.size() == wanted.size());
            for (std::size_t bin = 0; bin < plan.size(); ++bin) {
                const auto samples = plan.samples_of(bin, 3);
                BOOST_TEST(std::equal(samples.begin(), samples.end(), wanted[bin].begin(),
                                      wanted[bin].end()),
                           "seed " << seed << ", batch " << batch << ", bin " << bin);
            }
        }
    }
}

// --- an epoch, on any number of ranks
// -------------------------------------------------------
BOOST_AUTO_TEST_CASE(resuming_on_other_ranks_reads_every_sample_once) {
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
        const auto lengths = skewed_lengths(700 + 41 * seed, 64, seed);
        const auto plan = make_distributed_plan(
            lengths, 64, {.global_batch = 8, .seed = seed, .window = 5}, some_cost);
        const std::uint64_t epoch = seed;
        const std::size_t steps = plan.steps_per_epoch();
        BOOST_REQUIRE(steps > 10u);
        BOOST_TEST(plan.size() % 8 == 0u);

        // Each step by a fresh reader: nothing is carried over from the step before.
        const std::vector<std::size_t> worlds = {1, 2, 3, 8, 11};
        std::vector<std::vector<rows>> batches(worlds.size());
        for (std::size_t w = 0; w < worlds.size(); ++w) {
            for (std::size_t step = 0; step < steps; ++step) {
                plan_reader reader(plan, worlds[w]);
                batches[w].push_back(rows_of_step(reader, {epoch, step}));
                BOOST_TEST((batches[w][step] == batches[0][step]));
            }
        }
        // A run may stop after any step and go on with another number of ranks.
        for (std::size_t w = 0; w + 1 < worlds.size(); ++w) {
            for (std::size_t stop = 0; stop <= steps; ++stop) {
                std::vector<std::uint32_t> read;
                for (std::size_t step = 0; step < steps; ++step) {
                    for (const auto& row : batches[step < stop ? w : w + 1][step])
                        read.insert(read.end(), row.begin(), row.end());
                }
                std::sort(read.begin(), read.end());
                BOOST_TEST((read == all_samples(lengths.size())));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(no_row_exceeds_the_capacity) {
    const auto lengths = skewed_lengths(3000, 100, 5);
    const auto plan =
        make_distributed_plan(lengths, 100, {.global_batch = 6}, some_cost, 4);
    for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
        for (std::size_t bin = 0; bin < plan.size(); ++bin) {
            std::int64_t tokens = 0;
            const auto samples = plan.samples_of(bin, epoch);
            for (const auto sample : samples)
                tokens += lengths[sample];
            BOOST_TEST(tokens <= 100);
            BOOST_TEST(samples.size() <= 4u);
        }
    }
}

BOOST_AUTO_TEST_CASE(the_order_of_questions_does_not_matter) {
    const auto lengths = skewed_lengths(900, 64, 9);
    const auto plan = make_distributed_plan(
        lengths, 64, {.global_batch = 4, .seed = 3, .window = 6}, some_cost);
    const auto steps = plan.steps_per_epoch();
    plan_reader forward(plan, 2);
    std::vector<std::uint64_t> wanted;
    for (std::uint64_t epoch = 0; epoch < 2; ++epoch) {
        for (std::size_t step = 0; step < steps; ++step)
            wanted.push_back(forward.step_hash({epoch, step}));
    }
    // In an odd order by one reader, and by four threads on one plan.
    plan_reader odd(plan, 4);
    const auto order = packkit::seeded_permutation(wanted.size(), 1);
    for (const std::uint32_t at : order)
        BOOST_TEST(odd.step_hash({at / steps, at % steps}) == wanted[at]);
    std::vector<std::uint64_t> found(wanted.size(), 0);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            plan_reader reader(plan, t + 1);
            for (std::size_t i = t; i < order.size(); i += 4)
                found[order[i]] = reader.step_hash({order[i] / steps, order[i] % steps});
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    BOOST_TEST((found == wanted));
    // All steps differ.
    BOOST_TEST((std::set(wanted.begin(), wanted.end()).size()) == wanted.size());
}

// What stays together: samples of lengths so rare that there is nothing to exchange.
BOOST_AUTO_TEST_CASE(epochs_pack_other_samples_together) {
    const auto lengths = lognormal_lengths(1000000);
    const auto plan =
        make_distributed_plan(lengths, 4096, {.global_batch = 8}, some_cost);
    std::vector<std::size_t> bin_before(lengths.size(), 0);
    for (std::size_t bin = 0; bin < plan.size(); ++bin) {
        for (const auto sample : plan.samples_of(bin, 0))
            bin_before[sample] = bin;
    }
    const auto kept_in = [&](std::uint64_t epoch) {
        std::size_t kept = 0, pairs = 0;
        for (std::size_t bin = 0; bin < plan.size(); ++bin) {
            const auto samples = plan.samples_of(bin, epoch);
            for (std::size_t a = 0; a < samples.size(); ++a) {
                for (std::size_t b = 0; b < a; ++b) {
                    ++pairs;
                    kept += bin_before[samples[a]] == bin_before[samples[b]] ? 1 : 0;
                }
            }
        }
        return static_cast<double>(kept) / static_cast<double>(pairs);
    };
    BOOST_TEST(kept_in(0) == 1.0);
    const double again = kept_in(1);
    BOOST_TEST_MESSAGE("pairs packed together again: " << 100 * again << " %");
    BOOST_TEST(again < 0.04);
}

// --- balance
// --------------------------------------------------------------------------------
BOOST_AUTO_TEST_CASE(a_window_sorts_its_bins_into_steps) {
    const auto lengths = skewed_lengths(4000, 128, 2);
    const auto options =
        packkit::distributed_plan_options{.global_batch = 5, .seed = 8, .window = 16};
    const auto plan = make_distributed_plan(lengths, 128, options, some_cost);
    auto loose_options = options;
    loose_options.window = 1;
    const auto loose = make_distributed_plan(lengths, 128, loose_options, some_cost);
    const auto steps = plan.steps_per_epoch();
    std::size_t next = 0;
    bool any_shuffled = false;
    while (next < steps) {
        const auto window = plan.window_at({2, next});
        BOOST_REQUIRE(window.first_step == next);
        BOOST_TEST(window.steps <= 16u);
        BOOST_TEST(window.steps + 1 >= steps / ((steps - 1) / 16 + 1));
        // The bins of the same steps without exchange between them, one sorted list.
        std::vector<std::uint32_t> unsorted;
        for (std::size_t step = next; step < next + window.steps; ++step) {
            const auto one = loose.window_at({2, step});
            BOOST_TEST(one.steps == 1u);
            unsorted.insert(unsorted.end(), one.bins.begin(), one.bins.end());
        }
        auto sorted = window.bins;
        std::sort(sorted.begin(), sorted.end());
        std::sort(unsorted.begin(), unsorted.end());
        BOOST_TEST((sorted == unsorted));
        // A step's costs fall, and no other step's cost lies among them.
        std::vector<std::pair<std::int64_t, std::int64_t>> ranges;
        for (std::size_t step = 0; step < window.steps; ++step) {
            std::vector<std::int64_t> costs;
            for (std::size_t i = 0; i < 5; ++i)
                costs.push_back(plan.cost_of(window.bins[step * 5 + i], 2));
            BOOST_TEST((std::is_sorted(costs.rbegin(), costs.rend())));
            ranges.emplace_back(costs.back(), costs.front());
        }
        any_shuffled = any_shuffled || !std::is_sorted(ranges.rbegin(), ranges.rend());
        std::sort(ranges.begin(), ranges.end());
        for (std::size_t r = 1; r < ranges.size(); ++r)
            BOOST_TEST(ranges[r - 1].second <= ranges[r].first);
        next += window.steps;
    }
    BOOST_TEST(any_shuffled);
}

BOOST_AUTO_TEST_CASE(costs_are_sums_over_documents) {
    const auto lengths = skewed_lengths(500, 64, 4);
    std::vector<std::int64_t> valid(lengths.size(), 0);
    for (std::size_t i = 0; i < valid.size(); ++i)
        valid[i] = static_cast<std::int64_t>(
            packkit::random_below(static_cast<std::uint64_t>(lengths[i]), 5, i));
    const packkit::distributed_plan_options options = {.global_batch = 16, .seed = 1};
    const auto by_length = make_distributed_plan(lengths, 64, options, some_cost);
    const auto by_targets = make_distributed_plan(lengths, 64, options,
                                                  packkit::supervised_token_cost{valid});
    for (std::uint64_t epoch = 0; epoch < 2; ++epoch) {
        for (std::size_t bin = 0; bin < by_length.size(); ++bin) {
            std::int64_t cost = 0, targets = 0;
            for (const auto sample : by_length.samples_of(bin, epoch)) {
                cost += 100 * lengths[sample] + lengths[sample] * lengths[sample];
                targets += valid[sample];
            }
            BOOST_TEST(by_length.cost_of(bin, epoch) == cost);
            BOOST_TEST(by_targets.cost_of(bin, epoch) == targets);
        }
    }
    // What is balanced is what was asked for.
    BOOST_TEST(
        rank_idle(by_targets, 0, 16) <
        0.5 * rank_idle(make_distributed_plan(
                            lengths, 64, {.global_batch = 16, .seed = 1, .window = 1},
                            packkit::supervised_token_cost{valid}),
                        0, 16));
}

// Idle share of a 7B model, causal and with the full attention matrix, 1e6 samples.
BOOST_AUTO_TEST_CASE(ranks_hardly_wait_with_balanced_steps) {
    const auto lengths = lognormal_lengths(1000000);
    for (const auto extent :
         {packkit::attention_extent::causal, packkit::attention_extent::full}) {
        const auto cost = packkit::training_flops(packkit::llama_2_7b, extent);
        for (const std::size_t ranks : {8U, 64U}) {
            const auto idle = [&](std::size_t window) {
                return 100 *
                       rank_idle(make_distributed_plan(
                                     lengths, 4096,
                                     {.global_batch = ranks, .seed = 1, .window = window},
                                     cost),
                                 0, ranks);
            };
            const double balanced = idle(64), unbalanced = idle(1);
            BOOST_TEST_MESSAGE(
                ranks << " ranks, "
                      << (extent == packkit::attention_extent::full ? "full" : "causal")
                      << ": idle " << balanced << " %, unbalanced " << unbalanced
                      << " %");
            BOOST_TEST(balanced <= 0.3);
            BOOST_TEST(unbalanced > 10 * balanced);
        }
    }
}

// --- hashes
// ---------------------------------------------------------------------------------
BOOST_AUTO_TEST_CASE(a_hash_tells_plans_apart) {
    auto lengths = skewed_lengths(400, 64, 1);
    using options = packkit::distributed_plan_options;
    const auto hash = [&](options with, attention_cost cost = some_cost,
                          std::int64_t capacity = 64) {
        return make_distributed_plan(lengths, capacity, with, cost).hash();
    };
    const options base = {.global_batch = 8, .seed = 1, .window = 16};
    std::set<std::uint64_t> seen = {hash(base)};
    BOOST_TEST(hash(base) == *seen.begin());
    seen.insert(hash({.global_batch = 4, .seed = 1, .window = 16}));
    seen.insert(hash({.global_batch = 8, .seed = 2, .window = 16}));
    seen.insert(hash({.global_batch = 8, .seed = 1, .window = 8}));
    seen.insert(hash(
        {.global_batch = 8, .seed = 1, .window = 16, .order = epoch_order::as_packed}));
    seen.insert(hash(base, {100, 2}));
    seen.insert(hash(base, some_cost, 65));
    const auto other = std::find_if(lengths.begin(), lengths.end(),
                                    [&](auto l) { return l != lengths[0]; });
    std::iter_swap(lengths.begin(), other);  // the same histogram
    seen.insert(hash(base));
    BOOST_TEST(seen.size() == 8u);
}

BOOST_AUTO_TEST_CASE(a_hash_depends_on_the_bins_not_on_their_records) {
    const std::vector<std::int32_t> lengths = {5, 5, 5, 5, 3, 3, 3, 3};
    const auto counts = packkit::count_lengths(std::span<const std::int32_t>(lengths), 8);
    const auto hash = [&](std::vector<packkit::bin_run> runs,
                          std::vector<packkit::placement> placements) {
        return distributed_plan<>(counts, {std::move(runs), std::move(placements)},
                                  packkit::samples_by_length(
                                      std::span<const std::int32_t>(lengths), counts),
                                  {}, some_cost)
            .hash();
    };
    // Four bins of 5 + 3: one run, or two.
    const auto whole = hash({{0, 4, 1, 2}}, {{5, 1, 0, 0, 0}, {3, 1, 0, 0, 0}});
    const auto halves =
        hash({{0, 2, 1, 2}, {2, 2, 3, 2}},
             {{5, 1, 0, 0, 0}, {3, 1, 0, 0, 0}, {5, 1, 2, 2, 2}, {3, 1, 2, 2, 2}});
    const auto crossed =
        hash({{0, 2, 1, 2}, {2, 2, 3, 2}},
             {{5, 1, 0, 0, 0}, {3, 1, 0, 2, 0}, {5, 1, 2, 2, 2}, {3, 1, 2, 0, 2}});
    BOOST_TEST(whole == halves);
    BOOST_TEST(whole != crossed);
    BOOST_TEST(whole == make_distributed_plan(lengths, 8, {}, some_cost).hash());
}

// Values of one run on x86-64, g++ 12 and clang++ 19: they must not change.
BOOST_AUTO_TEST_CASE(plans_are_the_same_everywhere) {
    const auto lengths = skewed_lengths(20000, 4096, 77);
    const auto plan =
        make_distributed_plan(lengths, 4096, {.global_batch = 24, .seed = 42},
                              packkit::training_flops(packkit::llama_2_7b));
    plan_reader reader(plan, 3);
    BOOST_TEST(plan.size() == 5064U);
    BOOST_TEST(plan.hash() == 4758518816598676850U);
    BOOST_TEST(reader.step_hash({0, 0}) == 7177376703803258049U);
    BOOST_TEST(reader.step_hash({1, 100}) == 59422166916559902U);
    std::uint64_t epoch = 0;
    for (std::size_t step = 0; step < plan.steps_per_epoch(); ++step)
        epoch = packkit::detail::mix64(epoch ^ reader.step_hash({7, step}));
    BOOST_TEST(epoch == 757283793091387229U);
    const auto row = reader.row({2, 5}, 1, 2);
    BOOST_REQUIRE(!row.empty());
    BOOST_TEST(row.front() == 3700U);
}

BOOST_AUTO_TEST_SUITE_END()
