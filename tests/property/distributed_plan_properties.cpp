// SPDX-License-Identifier: Apache-2.0
#include <packkit/distributed_plan.hpp>
#include <packkit/permutation.hpp>
#include <packkit/plan_reader.hpp>

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include <rapidcheck/boost_test.h>

namespace {

struct any_plan {
    std::int64_t capacity = *rc::gen::inRange<std::int64_t>(1, 80);
    std::vector<std::int64_t> lengths = *rc::gen::container<std::vector<std::int64_t>>(
        rc::gen::inRange<std::int64_t>(1, capacity + 1));
    packkit::distributed_plan_options options = {
        .global_batch = *rc::gen::inRange<std::size_t>(1, 20),
        .seed = *rc::gen::arbitrary<std::uint64_t>(),
        .window = *rc::gen::inRange<std::size_t>(1, 9),
        .shuffle = *rc::gen::arbitrary<bool>()};

    [[nodiscard]] packkit::distributed_plan<> make() const {
        return packkit::make_distributed_plan(lengths, capacity, options,
                                              packkit::attention_cost{3, 1});
    }
};

}  // namespace

RC_BOOST_PROP(an_epoch_reads_each_sample_once_on_any_ranks, ()) {
    const any_plan given;
    const auto plan = given.make();
    const auto epoch = *rc::gen::arbitrary<std::uint64_t>();
    const auto ranks = *rc::gen::inRange<std::size_t>(1, 25);
    packkit::plan_reader reader(plan, ranks);
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
    RC_ASSERT(bins == plan.size());
    RC_ASSERT(plan.size() % given.options.global_batch == 0u);
    for (const int times : seen)
        RC_ASSERT(times == 1);
}

RC_BOOST_PROP(an_epoch_changes_samples_and_not_lengths, ()) {
    const any_plan given;
    const auto plan = given.make();
    auto still = given;
    still.options.shuffle = false;
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
