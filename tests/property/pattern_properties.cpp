// SPDX-License-Identifier: Apache-2.0
#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/bound/linear_bound.hpp>
#include <packkit/packing/certificate.hpp>
#include <packkit/packing/pack.hpp>
#include <packkit/packing/pattern_fit.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

#include <rapidcheck/boost_test.h>

#include "textbook.hpp"

BOOST_AUTO_TEST_SUITE(pattern_properties)

namespace {

using lengths_t = std::vector<std::int64_t>;

struct instance {
    std::int64_t capacity;
    lengths_t lengths;
    std::size_t bin_size;
};

// Up to a few hundred items between two lengths, so that all sorts of classes occur.
instance any_instance() {
    instance made;
    made.capacity = *rc::gen::inRange<std::int64_t>(1, 400);
    const auto least = *rc::gen::inRange<std::int64_t>(1, made.capacity + 1);
    const auto most = *rc::gen::inRange<std::int64_t>(least, made.capacity + 1);
    const auto count = *rc::gen::inRange<std::size_t>(0, 300);
    made.lengths = *rc::gen::container<lengths_t>(
        count, rc::gen::inRange<std::int64_t>(least, most + 1));
    made.bin_size = *rc::gen::element<std::size_t>(0, 0, 1, 2, 3, 5);
    return made;
}

packkit::length_counts counted(const instance& given) {
    return packkit::count_lengths(std::span<const std::int64_t>(given.lengths),
                                  given.capacity);
}

}  // namespace

RC_BOOST_PROP(pattern_fit_packs_every_item_within_limits, ()) {
    const instance given = any_instance();
    const auto bins = packkit::pack(given.lengths, given.capacity, packkit::pattern_fit{},
                                    {.bin_size = given.bin_size});
    std::vector<int> seen(given.lengths.size(), 0);
    for (const auto bin : bins) {
        RC_ASSERT(!bin.empty());
        RC_ASSERT(given.bin_size == 0u || bin.size() <= given.bin_size);
        std::int64_t load = 0;
        for (const std::uint32_t item : bin) {
            load += given.lengths[item];
            ++seen[item];
        }
        RC_ASSERT(load <= given.capacity);
    }
    RC_ASSERT(std::all_of(seen.begin(), seen.end(), [](int n) { return n == 1; }));
}

RC_BOOST_PROP(pattern_fit_is_never_worse_than_ffd_and_bfd, ()) {
    const instance given = any_instance();
    const auto bins_of = [&](auto policy) {
        return packkit::pack(given.lengths, given.capacity, policy,
                             {.bin_size = given.bin_size})
            .size();
    };
    const std::size_t bins = bins_of(packkit::pattern_fit{});
    RC_ASSERT(bins <= bins_of(packkit::first_fit_decreasing{}));
    RC_ASSERT(bins <= bins_of(packkit::best_fit_decreasing{}));
    const auto certificate =
        packkit::certify(counted(given), bins, given.capacity, given.bin_size);
    RC_ASSERT(certificate.lower_bound <= bins);
    RC_ASSERT(certificate.optimal == (certificate.lower_bound == bins));
}

RC_BOOST_PROP(bounds_are_in_order, ()) {
    const instance given = any_instance();
    const auto counts = counted(given);
    const std::size_t l1 = packkit::lower_bound_l1(counts, given.capacity);
    const std::size_t l2 = packkit::lower_bound_l2(counts, given.capacity);
    const std::size_t best =
        packkit::best_lower_bound(counts, given.capacity, given.bin_size);
    RC_ASSERT(l1 <= l2);
    RC_ASSERT(l2 <= best);
    RC_ASSERT(packkit::lower_bound_dual_feasible(counts, given.capacity) <= best);
    const packkit::linear_bound_limits limits{.iterations = 200};
    const auto linear =
        packkit::linear_bound(counts, given.capacity, given.bin_size, limits);
    RC_ASSERT(best <= linear.bins);
    RC_ASSERT(linear.bins <= packkit::plan_pattern_fit(
                                 counts, static_cast<std::uint32_t>(given.capacity),
                                 static_cast<std::uint32_t>(given.bin_size))
                                 .size());
}

BOOST_AUTO_TEST_SUITE_END()
