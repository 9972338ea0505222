// SPDX-License-Identifier: Apache-2.0
#include <packkit/lengths/padded_length.hpp>
#include <packkit/packing/axolotl.hpp>
#include <packkit/packing/grouped.hpp>
#include <packkit/packing/next_k_fit.hpp>
#include <packkit/packing/pack.hpp>
#include <packkit/packing/two_resource.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include <rapidcheck/boost_test.h>

BOOST_AUTO_TEST_SUITE(constraints_properties)

namespace {

using lengths_t = std::vector<std::int64_t>;

struct instance {
    std::int64_t capacity;
    lengths_t lengths;
    std::size_t bin_size;
};

instance any_instance() {
    instance made;
    made.capacity = *rc::gen::inRange<std::int64_t>(1, 200);
    made.lengths = *rc::gen::container<lengths_t>(
        rc::gen::inRange<std::int64_t>(1, made.capacity + 1));
    made.bin_size = *rc::gen::inRange<std::size_t>(0, 6);
    return made;
}

void require_each_once(const packkit::bin_list<>& bins, std::size_t samples) {
    std::vector<std::uint32_t> items(bins.items().begin(), bins.items().end());
    std::sort(items.begin(), items.end());
    RC_ASSERT(items.size() == samples);
    for (std::uint32_t i = 0; i < items.size(); ++i)
        RC_ASSERT(items[i] == i);
    for (const auto bin : bins)
        RC_ASSERT(!bin.empty());
}

std::int64_t load_of(std::span<const std::uint32_t> bin, const lengths_t& lengths) {
    std::int64_t load = 0;
    for (const std::uint32_t item : bin)
        load += lengths[item];
    return load;
}

}  // namespace

RC_BOOST_PROP(a_window_moves_samples_no_further_than_it_says, ()) {
    const instance given = any_instance();
    const auto k = *rc::gen::inRange<std::size_t>(1, 12);
    const auto bins = packkit::pack(given.lengths, given.capacity, packkit::window_fit{k},
                                    {.bin_size = given.bin_size});
    require_each_once(bins, given.lengths.size());
    std::vector<std::size_t> bin_of(given.lengths.size());
    for (std::size_t b = 0; b < bins.size(); ++b) {
        RC_ASSERT(load_of(bins[b], given.lengths) <= given.capacity);
        RC_ASSERT(given.bin_size == 0u || bins[b].size() <= given.bin_size);
        RC_ASSERT(std::is_sorted(bins[b].begin(), bins[b].end()));
        // Bins come in the order in which their first samples did.
        if (b > 0) RC_ASSERT(bins[b - 1].front() < bins[b].front());
        for (const std::uint32_t item : bins[b])
            bin_of[item] = b;
    }
    const std::int64_t most = static_cast<std::int64_t>(k - 1) * given.capacity;
    for (std::size_t i = 0; i < bin_of.size(); ++i) {
        std::int64_t overtaken = 0, overtaken_by = 0;
        for (std::size_t j = 0; j < bin_of.size(); ++j) {
            const bool swapped = (j < i) != (bin_of[j] < bin_of[i]);
            if (bin_of[j] == bin_of[i] || !swapped) continue;
            const std::size_t apart =
                bin_of[j] < bin_of[i] ? bin_of[i] - bin_of[j] : bin_of[j] - bin_of[i];
            RC_ASSERT(apart <= k - 1);
            (j < i ? overtaken : overtaken_by) += given.lengths[j];
        }
        RC_ASSERT(overtaken <= most);
        RC_ASSERT(overtaken_by <= most);
    }
}

RC_BOOST_PROP(axolotl_takes_every_sample_and_lists_the_overfull_bins, ()) {
    instance given = any_instance();
    for (auto& length : given.lengths)
        length = *rc::gen::inRange<std::int64_t>(0, given.capacity + 5);
    const packkit::axolotl_options options{
        .group_size = *rc::gen::inRange<std::size_t>(1, 40),
        .bin_size = given.bin_size,
        .sequential = *rc::gen::arbitrary<bool>()};
    const auto packed = packkit::pack_axolotl(given.lengths, given.capacity, options);
    require_each_once(packed.bins, given.lengths.size());
    std::vector<std::uint32_t> overfull;
    for (const auto bin : packed.bins) {
        if (load_of(bin, given.lengths) > given.capacity) {
            RC_ASSERT(bin.size() == 1u);
            overfull.push_back(bin[0]);
        }
        if (!options.sequential) {
            RC_ASSERT(bin.front() / options.group_size ==
                      bin.back() / options.group_size);
            RC_ASSERT(options.bin_size == 0u || bin.size() <= options.bin_size);
        }
    }
    std::sort(overfull.begin(), overfull.end());
    RC_ASSERT(overfull == packed.overlong);
    const auto batch = *rc::gen::inRange<std::size_t>(1, 7);
    const auto dealt = packkit::batch_axolotl(packed.bins, batch);
    RC_ASSERT(dealt.bins.size() == dealt.size() * batch);
    RC_ASSERT(dealt.dropped.size() < batch);
    auto both = dealt.bins;
    both.append_bins(dealt.dropped);
    RC_ASSERT(both == packed.bins);
}

RC_BOOST_PROP(padded_samples_fit_padded, ()) {
    const instance given = any_instance();
    const auto multiple = *rc::gen::inRange<std::int64_t>(1, 40);
    const std::int64_t capacity = given.capacity + multiple;
    const auto bins =
        packkit::pack(given.lengths, capacity, packkit::best_fit_decreasing{},
                      {.bin_size = given.bin_size}, packkit::padded_to{multiple});
    require_each_once(bins, given.lengths.size());
    std::int64_t total = 0;
    for (const auto bin : bins) {
        std::int64_t padded = 0;
        for (const std::uint32_t item : bin)
            padded += (given.lengths[item] + multiple - 1) / multiple * multiple;
        RC_ASSERT(padded <= capacity);
        total += padded;
    }
    RC_ASSERT(packkit::padded_total(given.lengths, multiple) == total);
}

RC_BOOST_PROP(groups_never_mix, ()) {
    const instance given = any_instance();
    const auto groups = *rc::gen::container<std::vector<short>>(
        given.lengths.size(), rc::gen::inRange<short>(-3, 4));
    const auto check = [&](auto policy) {
        const auto packed = packkit::pack_grouped(given.lengths, groups, given.capacity,
                                                  policy, {.bin_size = given.bin_size});
        require_each_once(packed.bins, given.lengths.size());
        for (std::size_t b = 0; b < packed.bins.size(); ++b) {
            RC_ASSERT(load_of(packed.bins[b], given.lengths) <= given.capacity);
            RC_ASSERT(given.bin_size == 0u || packed.bins[b].size() <= given.bin_size);
            for (const std::uint32_t item : packed.bins[b])
                RC_ASSERT(groups[item] == packed.group_of(b));
        }
        RC_ASSERT(std::is_sorted(packed.groups.begin(), packed.groups.end()));
    };
    check(packkit::first_fit_decreasing{});
    check(packkit::best_fit{});
    check(packkit::window_fit{3});
}

RC_BOOST_PROP(neither_resource_is_exceeded, ()) {
    const instance given = any_instance();
    const auto second_capacity = *rc::gen::inRange<std::int64_t>(1, 100);
    const auto second = *rc::gen::container<lengths_t>(
        given.lengths.size(), rc::gen::inRange<std::int64_t>(0, second_capacity + 1));
    const packkit::two_resource_limits limits{given.capacity, second_capacity,
                                              given.bin_size};
    const auto bins = packkit::pack_two_resources(given.lengths, second, limits);
    require_each_once(bins, given.lengths.size());
    for (const auto bin : bins) {
        RC_ASSERT(load_of(bin, given.lengths) <= given.capacity);
        RC_ASSERT(load_of(bin, second) <= second_capacity);
        RC_ASSERT(given.bin_size == 0u || bin.size() <= given.bin_size);
    }
    RC_ASSERT(packkit::two_resource_lower_bound(given.lengths, second, limits) <=
              bins.size());
}

BOOST_AUTO_TEST_SUITE_END()
