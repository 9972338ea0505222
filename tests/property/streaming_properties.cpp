// SPDX-License-Identifier: Apache-2.0
#include <packkit/packing/streaming.hpp>

#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include <rapidcheck/boost_test.h>

BOOST_AUTO_TEST_SUITE(streaming_properties)

namespace {

using packkit::streamed_sample;
using packkit::streaming_options;
using packkit::streaming_packer;

streaming_options any_options() {
    streaming_options made{.capacity = *rc::gen::inRange<std::int64_t>(1, 100),
                           .bin_size = *rc::gen::inRange<std::size_t>(0, 5)};
    (*rc::gen::arbitrary<bool>() ? made.open_bins : made.buffer_size) =
        *rc::gen::inRange<std::size_t>(1, 40);
    return made;
}

std::vector<std::int64_t> any_lengths(const streaming_options& options) {
    return *rc::gen::container<std::vector<std::int64_t>>(
        rc::gen::inRange<std::int64_t>(1, options.capacity + 1));
}

}  // namespace

RC_BOOST_PROP(every_sample_goes_out_once_and_in_time, ()) {
    const auto options = any_options();
    const auto lengths = any_lengths(options);
    std::vector<int> seen(lengths.size(), 0);
    std::uint64_t taken = 0, bins = 0;
    const auto check = [&](std::span<const streamed_sample> bin) {
        RC_ASSERT(!bin.empty());
        RC_ASSERT(options.bin_size == 0u || bin.size() <= options.bin_size);
        std::int64_t load = 0;
        for (const streamed_sample& sample : bin) {
            RC_ASSERT(sample.id < taken);
            RC_ASSERT(sample.length == lengths[sample.id]);
            ++seen[sample.id];
            load += sample.length;
            if (options.buffer_size != 0) {
                RC_ASSERT(taken - 1 - sample.id < 5 * options.buffer_size);
            }
        }
        RC_ASSERT(load <= options.capacity);
        ++bins;
    };
    streaming_packer packer(options);
    while (taken < lengths.size()) {
        const streamed_sample next{taken, lengths[taken]};
        ++taken;
        packer.add(next, check);
    }
    packer.flush(check);
    for (const int times : seen)
        RC_ASSERT(times == 1);
    RC_ASSERT(packer.bins() == bins);
    RC_ASSERT(packer.samples() == lengths.size());
}

RC_BOOST_PROP(a_restored_packer_is_the_one_saved, ()) {
    const auto options = any_options();
    const auto lengths = any_lengths(options);
    const auto cut = *rc::gen::inRange<std::size_t>(0, lengths.size() + 1);
    std::vector<std::uint64_t> kept, restored;
    const auto into = [](std::vector<std::uint64_t>& log) {
        return [&log](std::span<const streamed_sample> bin) {
            for (const streamed_sample& sample : bin)
                log.push_back(sample.id);
            log.push_back(~std::uint64_t{0});
        };
    };
    streaming_packer one(options);
    for (std::size_t i = 0; i < cut; ++i)
        one.add({i, lengths[i]}, [](auto) {});
    std::vector<std::uint64_t> state;
    one.save(std::back_inserter(state));
    streaming_packer other = streaming_packer::restore(state);
    for (std::size_t i = cut; i < lengths.size(); ++i) {
        one.add({i, lengths[i]}, into(kept));
        other.add({i, lengths[i]}, into(restored));
    }
    one.flush(into(kept));
    other.flush(into(restored));
    RC_ASSERT(kept == restored);
}

BOOST_AUTO_TEST_SUITE_END()
