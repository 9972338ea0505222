// SPDX-License-Identifier: Apache-2.0
#include <packkit/packing/pack.hpp>
#include <packkit/sampling/distributed_plan.hpp>
#include <packkit/sampling/plan_reader.hpp>
#include <packkit/utility/permutation.hpp>

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include <rapidcheck/boost_test.h>

BOOST_AUTO_TEST_SUITE(distributed_plan_properties)

namespace {

using packkit::epoch_order;
using packkit::last_step;
using packkit::plan_balance;

struct any_plan {
    std::int64_t capacity = *rc::gen::inRange<std::int64_t>(1, 80);
    std::vector<std::int64_t> lengths = *rc::gen::container<std::vector<std::int64_t>>(
        rc::gen::inRange<std::int64_t>(1, capacity + 1));
    packkit::distributed_plan_options options = {
        .global_batch = *rc::gen::inRange<std::size_t>(1, 20),
        .seed = *rc::gen::arbitrary<std::uint64_t>(),
        .window = *rc::gen::inRange<std::size_t>(1, 9),
        .order = *rc::gen::element(epoch_order::as_packed, epoch_order::fresh_bins,
                                   epoch_order::shuffled_bins),
        .balance = *rc::gen::element(plan_balance::cost, plan_balance::tokens,
                                     plan_balance::none),
        .last = *rc::gen::element(last_step::split, last_step::keep, last_step::drop)};
    /// 0: by lengths; otherwise bins of a policy.
    int policy = *rc::gen::inRange(0, 5);

    [[nodiscard]] packkit::distributed_plan<> make() const {
        const packkit::attention_cost cost{3, 1};
        const auto of = [&](auto with, std::size_t bin_size) {
            return packkit::make_distributed_plan(
                lengths, packkit::pack(lengths, capacity, with, {.bin_size = bin_size}),
                options, cost);
        };
        switch (policy) {
            case 0:
                return packkit::make_distributed_plan(lengths, capacity, options, cost);
            case 1:
                return of(packkit::next_fit{}, 0);
            case 2:
                return of(packkit::next_fit{}, 1);  // a sample a bin
            case 3:
                return of(packkit::best_fit{}, 3);
            default:
                return of(packkit::worst_fit_decreasing{}, 0);
        }
    }
};

}  // namespace

RC_BOOST_PROP(an_epoch_reads_each_sample_once_on_any_ranks, ()) {
    const any_plan given;
    const auto plan = given.make();
    const auto epoch = *rc::gen::arbitrary<std::uint64_t>();
    const auto ranks = *rc::gen::inRange<std::size_t>(1, 25);
    packkit::plan_reader reader(plan, ranks,
                                *rc::gen::element(packkit::row_assignment::in_turn,
                                                  packkit::row_assignment::in_order));
    std::vector<int> seen(given.lengths.size(), 0);
    std::size_t bins = 0;
    for (std::size_t step = 0; step < plan.steps_per_epoch(); ++step) {
        std::multiset<std::uint32_t> of_ranks;
        for (std::size_t micro = 0; micro < reader.micro_steps(); ++micro) {
            for (std::size_t rank = 0; rank < ranks; ++rank) {
                bins += reader.bin({epoch, step}, micro, rank) ? 1 : 0;
                std::int64_t tokens = 0;
                for (const auto sample : reader.row({epoch, step}, micro, rank)) {
                    ++seen[sample];
                    tokens += given.lengths[sample];
                    of_ranks.insert(sample);
                }
                RC_ASSERT(tokens <= given.capacity);
            }
        }
        // The global batch, read by another world of another instance of the plan.
        const auto other = given.make();
        packkit::plan_reader whole(other, 1);
        const auto batch = whole.samples_of_step({epoch, step});
        RC_ASSERT(std::multiset<std::uint32_t>(batch.begin(), batch.end()) == of_ranks);
        RC_ASSERT(whole.step_hash({epoch, step}) == reader.step_hash({epoch, step}));
    }
    const std::size_t batch = given.options.global_batch;
    RC_ASSERT(bins == plan.steps_per_epoch() * batch);
    RC_ASSERT(bins + plan.left_out() == plan.size());
    RC_ASSERT(plan.size() < plan.bins() + batch);
    if (given.options.last != last_step::drop) {
        RC_ASSERT(plan.left_out() == 0u);
        for (const int times : seen)
            RC_ASSERT(times == 1);
    } else {
        RC_ASSERT(plan.left_out() < batch);
        for (const int times : seen)
            RC_ASSERT(times <= 1);
        if (plan.left_out() == 0) RC_ASSERT(!std::count(seen.begin(), seen.end(), 0));
    }
}

RC_BOOST_PROP(an_epoch_changes_samples_and_not_lengths, ()) {
    const any_plan given;
    const auto plan = given.make();
    auto still = given;
    still.options.order = epoch_order::as_packed;
    const auto base = still.make();
    const auto epoch = *rc::gen::arbitrary<std::uint64_t>();
    for (std::size_t bin = 0; bin < plan.size(); ++bin) {
        const auto lengths_of = [&](const std::vector<std::uint32_t>& samples) {
            std::vector<std::int64_t> lengths;
            for (const auto sample : samples)
                lengths.push_back(given.lengths[sample]);
            return lengths;
        };
        const auto lengths = lengths_of(plan.samples_of(bin, epoch));
        RC_ASSERT(lengths == lengths_of(base.samples_of(bin, 0)));
        std::int64_t cost = 0;
        for (const std::int64_t length : lengths)
            cost += 3 * length + length * length;
        RC_ASSERT(plan.cost_of(bin, epoch) == cost);
    }
    RC_ASSERT(plan.hash() == given.make().hash());
}

RC_BOOST_PROP(a_lazy_permutation_is_a_bijection, ()) {
    const auto n = *rc::gen::inRange<std::uint64_t>(1, 3000);
    const packkit::lazy_permutation order(n, *rc::gen::arbitrary<std::uint64_t>(),
                                          *rc::gen::arbitrary<std::uint64_t>(),
                                          *rc::gen::arbitrary<std::uint64_t>());
    std::vector<bool> seen(n, false);
    for (std::uint64_t i = 0; i < n; ++i) {
        const auto value = order(i);
        RC_ASSERT(value < n);
        RC_ASSERT(!seen[value]);
        seen[value] = true;
        RC_ASSERT(order.inverse(value) == i);
    }
}

BOOST_AUTO_TEST_SUITE_END()
