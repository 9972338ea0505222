// SPDX-License-Identifier: Apache-2.0
#include <packkit/lengths/excess_length.hpp>
#include <packkit/packing/bound/lower_bound.hpp>
#include <packkit/packing/efficiency.hpp>
#include <packkit/packing/pack.hpp>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include <rapidcheck/boost_test.h>

#include "textbook.hpp"

BOOST_AUTO_TEST_SUITE(packing_properties)

namespace {

using lengths_t = std::vector<std::int64_t>;

struct instance {
    std::int64_t capacity;
    lengths_t lengths;
    packkit::pack_limits limits;
};

// Instances shrink towards small capacities and few, short items.
instance any_instance() {
    instance made;
    made.capacity = *rc::gen::inRange<std::int64_t>(1, 200);
    made.lengths = *rc::gen::container<lengths_t>(
        rc::gen::inRange<std::int64_t>(1, made.capacity + 1));
    made.limits.group_size = *rc::gen::inRange<std::size_t>(0, 30);
    made.limits.bin_size = *rc::gen::inRange<std::size_t>(0, 6);
    return made;
}

std::int64_t sum(const lengths_t& lengths) {
    return std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
}

// Calls `check(policy)` for each policy.
template <class Check>
void for_each_policy(Check check) {
    check(packkit::first_fit{});
    check(packkit::first_fit_decreasing{});
    check(packkit::best_fit{});
    check(packkit::best_fit_decreasing{});
    check(packkit::next_fit{});
    check(packkit::worst_fit_decreasing{});
}

// The smallest instances whose optimum is found by exhaustive search.
instance small_instance() {
    instance made;
    made.capacity = *rc::gen::inRange<std::int64_t>(1, 40);
    const auto count = *rc::gen::inRange<std::size_t>(0, 11);
    made.lengths = *rc::gen::container<lengths_t>(
        count, rc::gen::inRange<std::int64_t>(1, made.capacity + 1));
    return made;
}

}  // namespace

RC_BOOST_PROP(every_item_is_in_exactly_one_bin, ()) {
    const instance given = any_instance();
    for_each_policy([&](auto policy) {
        const auto bins =
            packkit::pack(given.lengths, given.capacity, policy, given.limits);
        std::vector<int> seen(given.lengths.size(), 0);
        for (const auto bin : bins) {
            RC_ASSERT(!bin.empty());
            for (const std::uint32_t item : bin) {
                RC_ASSERT(item < seen.size());
                ++seen[item];
            }
        }
        RC_ASSERT(std::all_of(seen.begin(), seen.end(), [](int n) { return n == 1; }));
    });
}

RC_BOOST_PROP(no_bin_exceeds_its_limits, ()) {
    const instance given = any_instance();
    for_each_policy([&](auto policy) {
        for (const auto bin :
             packkit::pack(given.lengths, given.capacity, policy, given.limits)) {
            std::int64_t load = 0;
            for (const std::uint32_t item : bin)
                load += given.lengths[item];
            RC_ASSERT(load <= given.capacity);
            RC_ASSERT(given.limits.bin_size == 0u || bin.size() <= given.limits.bin_size);
            if (given.limits.group_size != 0) {
                const auto [first, last] = std::minmax_element(bin.begin(), bin.end());
                RC_ASSERT(*first / given.limits.group_size ==
                          *last / given.limits.group_size);
            }
        }
    });
}

RC_BOOST_PROP(same_input_same_result, ()) {
    const instance given = any_instance();
    for_each_policy([&](auto policy) {
        const auto once =
            packkit::pack(given.lengths, given.capacity, policy, given.limits);
        const lengths_t copy = given.lengths;
        RC_ASSERT(once == packkit::pack(copy, given.capacity, policy, given.limits));
    });
}

RC_BOOST_PROP(next_fit_keeps_the_order, ()) {
    const instance given = any_instance();
    const auto bins =
        packkit::pack(given.lengths, given.capacity, packkit::next_fit{}, given.limits);
    RC_ASSERT(std::is_sorted(bins.items().begin(), bins.items().end()));
}

// Dósa 2007: FFD <= 11/9 OPT + 6/9, and it is tight. BFD has the same bound.
RC_BOOST_PROP(decreasing_policies_keep_their_bound, ()) {
    const instance given = small_instance();
    const std::size_t optimum = textbook::optimum(given.lengths, given.capacity);
    const std::size_t ffd = packkit::pack(given.lengths, given.capacity).size();
    const std::size_t bfd =
        packkit::pack(given.lengths, given.capacity, packkit::best_fit_decreasing{})
            .size();
    RC_ASSERT(9 * ffd <= 11 * optimum + 6);
    RC_ASSERT(9 * bfd <= 11 * optimum + 6);
}

RC_BOOST_PROP(bounds_and_optimum_are_in_order, ()) {
    const instance given = small_instance();
    const std::size_t optimum = textbook::optimum(given.lengths, given.capacity);
    const std::size_t l1 = packkit::lower_bound_l1(given.lengths, given.capacity);
    const std::size_t l2 = packkit::lower_bound_l2(given.lengths, given.capacity);
    RC_ASSERT(l1 <= l2);
    RC_ASSERT(l2 <= optimum);
    const std::size_t best = packkit::best_lower_bound(given.lengths, given.capacity);
    RC_ASSERT(l2 <= best);
    RC_ASSERT(best <= optimum);
    for_each_policy([&](auto policy) {
        RC_ASSERT(optimum <= packkit::pack(given.lengths, given.capacity, policy).size());
    });
    // First fit: at most 1.7 OPT (Dósa and Sgall 2013); next fit: fewer than 2 OPT.
    const auto bins_of = [&](auto policy) {
        return packkit::pack(given.lengths, given.capacity, policy).size();
    };
    RC_ASSERT(10 * bins_of(packkit::first_fit{}) <= 17 * optimum);
    RC_ASSERT(given.lengths.empty() || bins_of(packkit::next_fit{}) < 2 * optimum);
}

RC_BOOST_PROP(decreasing_policies_ignore_the_order_of_samples, ()) {
    const instance given = any_instance();
    lengths_t sorted = given.lengths;
    std::sort(sorted.begin(), sorted.end());
    // Without groups the loads of the bins are the same, whatever the order.
    const auto loads = [&](const lengths_t& lengths, auto policy) {
        lengths_t out;
        for (const auto bin : packkit::pack(lengths, given.capacity, policy,
                                            {.bin_size = given.limits.bin_size})) {
            out.push_back(0);
            for (const std::uint32_t item : bin)
                out.back() += lengths[item];
        }
        return out;
    };
    for_each_policy([&](auto policy) {
        if (std::string(policy.name).find("decreasing") == std::string::npos) return;
        RC_ASSERT(loads(given.lengths, policy) == loads(sorted, policy));
    });
}

RC_BOOST_PROP(excess_length_accounts_for_every_token, ()) {
    using packkit::excess_length_strategy;
    const auto capacity = *rc::gen::inRange<std::int64_t>(1, 50);
    const auto lengths =
        *rc::gen::container<lengths_t>(rc::gen::inRange<std::int64_t>(0, 300));
    for (const auto strategy :
         {excess_length_strategy::drop, excess_length_strategy::truncate,
          excess_length_strategy::split}) {
        const auto fitted = packkit::apply_excess_length(lengths, capacity, strategy);
        RC_ASSERT(sum(lengths) ==
                  sum(fitted.lengths) + fitted.dropped_tokens + fitted.cut_tokens);
        RC_ASSERT(fitted.lengths.size() == fitted.sample.size());
        RC_ASSERT(fitted.lengths.size() == fitted.offset.size());
        std::vector<int> seen(lengths.size(), 0);
        std::vector<std::int64_t> reached(lengths.size(), 0);
        for (std::size_t p = 0; p < fitted.lengths.size(); ++p) {
            RC_ASSERT(fitted.lengths[p] >= 1);
            RC_ASSERT(fitted.lengths[p] <= capacity);
            RC_ASSERT(fitted.offset[p] ==
                      reached[fitted.sample[p]]);  // no gap, no overlap
            reached[fitted.sample[p]] += fitted.lengths[p];
            seen[fitted.sample[p]] = 1;
        }
        for (const std::uint32_t sample : fitted.dropped) {
            RC_ASSERT(lengths[sample] > capacity);
            ++seen[sample];
        }
        for (const std::uint32_t sample : fitted.empty) {
            RC_ASSERT(lengths[sample] == 0);
            ++seen[sample];
        }
        RC_ASSERT(std::all_of(seen.begin(), seen.end(), [](int n) { return n == 1; }));
        for (std::size_t s = 0; s < lengths.size(); ++s) {
            if (strategy == excess_length_strategy::split)
                RC_ASSERT(reached[s] == lengths[s]);
            if (strategy == excess_length_strategy::truncate) {
                RC_ASSERT(reached[s] == std::min(lengths[s], capacity));
            }
        }
        RC_ASSERT(packkit::pack(fitted.lengths, capacity).items().size() ==
                  fitted.lengths.size());
    }
}

RC_BOOST_PROP(efficiency_is_one_minus_padding, ()) {
    const instance given = any_instance();
    const auto bins = packkit::pack(given.lengths, given.capacity);
    const std::int64_t tokens = sum(given.lengths);
    const double efficiency =
        packkit::packing_efficiency(tokens, bins.size(), given.capacity);
    RC_ASSERT(efficiency >= 0.0);
    RC_ASSERT(efficiency <= 1.0);
    const auto slots = static_cast<std::int64_t>(bins.size()) * given.capacity;
    RC_ASSERT(packkit::padding_tokens(tokens, bins.size(), given.capacity) ==
              slots - tokens);
    if (!given.lengths.empty()) {
        RC_ASSERT(efficiency >=
                  packkit::padded_to_capacity_efficiency(given.lengths, given.capacity));
    }
}

BOOST_AUTO_TEST_SUITE_END()
