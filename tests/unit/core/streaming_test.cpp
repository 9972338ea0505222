// SPDX-License-Identifier: Apache-2.0
#include <packkit/packing/bound/lower_bound.hpp>
#include <packkit/packing/pack.hpp>
#include <packkit/packing/streaming.hpp>
#include <packkit/utility/random.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <limits>
#include <list>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"
#include "textbook.hpp"

BOOST_AUTO_TEST_SUITE(streaming_test)

namespace {

using packkit::streamed_sample;
using packkit::streaming_options;
using packkit::streaming_packer;
using words_t = std::vector<std::uint64_t>;
using stream_bins = std::vector<std::vector<streamed_sample>>;

const auto ignore = [](std::span<const streamed_sample>) {};

// Collects bins; may be handed over again and again.
struct collector {
    stream_bins* bins;
    void operator()(std::span<const streamed_sample> bin) const {
        bins->emplace_back(bin.begin(), bin.end());
    }
};

std::vector<streamed_sample> random_samples(std::size_t count, std::int64_t capacity,
                                            std::uint64_t seed) {
    std::vector<streamed_sample> samples;
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto bits = packkit::random_bits(seed, i);
        samples.push_back(
            {bits[1], 1 + static_cast<std::int64_t>(
                              bits[0] % static_cast<std::uint64_t>(capacity))});
    }
    return samples;
}

stream_bins packed(const std::vector<streamed_sample>& samples,
                   streaming_options options) {
    stream_bins out;
    streaming_packer packer(options);
    for (const streamed_sample& sample : samples)
        packer.add(sample, collector{&out});
    packer.flush(collector{&out});
    BOOST_REQUIRE(packer.bins() == out.size());
    BOOST_REQUIRE(packer.held() == 0);
    return out;
}

words_t saved(const streaming_packer& packer) {
    words_t words;
    packer.save(std::back_inserter(words));
    return words;
}

// The checksum as the format has it, so that a test can forge one.
void sign(words_t& words) {
    std::uint64_t hash = 0;
    for (std::size_t k = 0; k + 1 < words.size(); ++k) {
        hash = (hash ^ words[k]) + 0x9E3779B97F4A7C15ULL;
        hash = (hash ^ hash >> 30) * 0xBF58476D1CE4E5B9ULL;
        hash = (hash ^ hash >> 27) * 0x94D049BB133111EBULL;
        hash ^= hash >> 31;
    }
    words.back() = hash;
}

// The buffered mode as its documentation has it, without any cleverness.
stream_bins obvious_buffer(const std::vector<streamed_sample>& samples,
                           const streaming_options& options) {
    struct waiting {
        streamed_sample sample;
        int stays;
    };
    stream_bins out;
    std::vector<waiting> buffer;
    const auto pack_all = [&](std::size_t may_stay) {
        std::vector<std::int64_t> lengths;
        for (const auto& one : buffer)
            lengths.push_back(one.sample.length);
        const auto bins = textbook::pack(lengths, options.capacity, textbook::rule::first,
                                         true, options.bin_size);
        std::multimap<std::int64_t, std::size_t> by_load;
        for (std::size_t b = 0; b < bins.size(); ++b) {
            std::int64_t load = 0;
            for (const auto item : bins[b])
                load += lengths[item];
            by_load.emplace(load, b);
        }
        std::vector<bool> bin_stays(bins.size()), stays(buffer.size());
        for (const auto& [load, b] : by_load) {
            if (load == options.capacity || bins[b].size() > may_stay) break;
            if (std::any_of(bins[b].begin(), bins[b].end(),
                            [&](auto item) { return buffer[item].stays == 4; })) {
                continue;
            }
            bin_stays[b] = true;
            may_stay -= bins[b].size();
            for (const auto item : bins[b])
                stays[item] = true;
        }
        for (std::size_t b = 0; b < bins.size(); ++b) {
            if (bin_stays[b]) continue;
            out.emplace_back();
            for (const auto item : bins[b])
                out.back().push_back(buffer[item].sample);
        }
        std::vector<waiting> rest;
        for (std::size_t i = 0; i < buffer.size(); ++i) {
            if (stays[i]) rest.push_back({buffer[i].sample, buffer[i].stays + 1});
        }
        buffer = rest;
    };
    for (const auto& sample : samples) {
        buffer.push_back({sample, 0});
        if (buffer.size() == options.buffer_size) pack_all(options.buffer_size / 4);
    }
    pack_all(0);
    return out;
}

const std::array<streaming_options, 9> all_options = {{
    {.capacity = 50, .open_bins = 1},
    {.capacity = 50, .open_bins = 5},
    {.capacity = 50, .bin_size = 2, .open_bins = 8},
    {.capacity = 50, .open_bins = 1000},
    {.capacity = 50, .buffer_size = 1},
    {.capacity = 50, .buffer_size = 3},
    {.capacity = 50, .buffer_size = 16},
    {.capacity = 50, .bin_size = 3, .buffer_size = 40},
    {.capacity = 50, .buffer_size = 1000},
}};

static_assert([] {
    streaming_packer packer({.capacity = 10, .open_bins = 2});
    std::size_t bins = 0;
    const auto count = [&bins](std::span<const streamed_sample>) { ++bins; };
    for (std::uint64_t i = 0; i < 5; ++i)
        packer.add({i, 6}, count);
    packer.flush(count);
    return bins == 5 && packer.samples() == 5 && packer.bins() == 5;
}());
static_assert([] {
    streaming_packer packer({.capacity = 10, .buffer_size = 4});
    std::array<std::uint64_t, 40> state{};
    packer.add({7, 6}, [](auto) {});
    const auto end = packer.save(state.begin());
    return streaming_packer::restore(std::span(state.begin(), end)).held() == 1;
}());

}  // namespace

BOOST_AUTO_TEST_CASE(a_window_gives_the_bins_of_window_fit) {
    for (const std::size_t k : {1U, 2U, 7U, 64U}) {
        for (const std::size_t bin_size : {0U, 1U, 3U}) {
            const auto samples = random_samples(700, 50, k);
            std::vector<std::int64_t> lengths;
            for (const auto& sample : samples)
                lengths.push_back(sample.length);
            stream_bins wanted;
            for (const auto bin : packkit::pack(lengths, 50, packkit::window_fit{k},
                                                {.bin_size = bin_size})) {
                wanted.emplace_back();
                for (const auto item : bin)
                    wanted.back().push_back(samples[item]);
            }
            BOOST_TEST((
                packed(samples, {.capacity = 50, .bin_size = bin_size, .open_bins = k}) ==
                wanted));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_buffer_gives_the_bins_of_the_obvious_version) {
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        const auto samples = random_samples(400, 50, seed);
        for (const std::size_t size : {1U, 2U, 4U, 5U, 31U, 64U, 200U, 500U}) {
            const streaming_options options{
                .capacity = 50, .bin_size = seed % 4, .buffer_size = size};
            BOOST_REQUIRE(packed(samples, options) == obvious_buffer(samples, options));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_buffer_of_everything_is_first_fit_decreasing) {
    const auto samples = random_samples(900, 4096, 9);
    std::vector<std::int64_t> lengths;
    for (const auto& sample : samples)
        lengths.push_back(sample.length);
    stream_bins wanted;
    for (const auto bin : packkit::pack(lengths, 4096)) {
        wanted.emplace_back();
        for (const auto item : bin)
            wanted.back().push_back(samples[item]);
    }
    BOOST_TEST((packed(samples, {.capacity = 4096, .buffer_size = 901}) == wanted));
}

BOOST_AUTO_TEST_CASE(staying_in_the_buffer_saves_bins) {
    const auto samples = random_samples(50'000, 4096, 10);
    std::vector<std::int64_t> lengths;
    for (const auto& sample : samples)
        lengths.push_back(sample.length);
    const auto buffered = packed(samples, {.capacity = 4096, .buffer_size = 1000}).size();
    const auto alone = packkit::pack(lengths, 4096, packkit::first_fit_decreasing{},
                                     {.group_size = 1000})
                           .size();
    const auto bound = packkit::best_lower_bound(lengths, 4096);
    BOOST_TEST_MESSAGE("bound " << bound << ", buffered " << buffered << ", thousands "
                                << alone);
    BOOST_TEST(bound <= buffered);
    // Less than half of what packing a thousand at a time loses.
    BOOST_TEST(2 * (buffered - bound) < alone - bound);
}

BOOST_AUTO_TEST_CASE(saved_at_every_sample_it_continues_the_same) {
    const auto samples = random_samples(300, 50, 4);
    for (const auto& options : all_options) {
        const stream_bins wanted = packed(samples, options);
        // One stream through a new packer at every sample, and what it would save next.
        stream_bins out;
        streaming_packer whole(options);
        streaming_packer cut(options);
        for (const auto& sample : samples) {
            whole.add(sample, ignore);
            cut = streaming_packer::restore(saved(cut));
            cut.add(sample, collector{&out});
            BOOST_REQUIRE(saved(cut) == saved(whole));
            BOOST_REQUIRE(cut.samples() == whole.samples());
            BOOST_REQUIRE(cut.bins() == whole.bins());
            BOOST_REQUIRE(cut.held() == whole.held());
            BOOST_REQUIRE(cut.options() == options);
        }
        cut = streaming_packer::restore(saved(cut));
        cut.flush(collector{&out});
        BOOST_TEST((out == wanted));
    }
}

BOOST_AUTO_TEST_CASE(cut_once_anywhere_it_continues_the_same) {
    const auto samples = random_samples(150, 50, 5);
    for (const auto& options : all_options) {
        const stream_bins wanted = packed(samples, options);
        for (std::size_t at = 0; at <= samples.size(); ++at) {
            stream_bins out;
            streaming_packer first(options);
            for (std::size_t i = 0; i < at; ++i)
                first.add(samples[i], collector{&out});
            // Through another container and another integer type of the same width.
            const words_t words = saved(first);
            const std::list<unsigned long long> stored(words.begin(), words.end());
            streaming_packer second = streaming_packer::restore(stored);
            for (std::size_t i = at; i < samples.size(); ++i)
                second.add(samples[i], collector{&out});
            second.flush(collector{&out});
            BOOST_REQUIRE(out == wanted);
        }
    }
}

BOOST_AUTO_TEST_CASE(flushed_it_starts_anew) {
    const auto samples = random_samples(120, 50, 6);
    for (const auto& options : all_options) {
        const stream_bins once = packed(samples, options);
        stream_bins out;
        streaming_packer packer(options);
        packer.flush(collector{&out});
        for (int round = 0; round < 2; ++round) {
            for (const auto& sample : samples)
                packer.add(sample, collector{&out});
            packer.flush(collector{&out});
            packer = streaming_packer::restore(saved(packer));
        }
        stream_bins twice = once;
        twice.insert(twice.end(), once.begin(), once.end());
        BOOST_TEST((out == twice));
        BOOST_TEST(packer.samples() == 240u);
        BOOST_TEST(packer.bins() == twice.size());
    }
}

BOOST_AUTO_TEST_CASE(memory_and_state_are_bounded) {
    const auto samples = random_samples(5000, 50, 8);
    for (const auto& options : all_options) {
        streaming_packer packer(options);
        for (const auto& sample : samples) {
            packer.add(sample, ignore);
            if (options.buffer_size != 0) {
                BOOST_REQUIRE(packer.held() < options.buffer_size);
            } else {
                BOOST_REQUIRE(packer.held() <= options.open_bins * 50);
            }
            BOOST_REQUIRE(packer.held() <= packer.samples());
        }
        BOOST_TEST(saved(packer).size() <= 10 + options.open_bins + 3 * packer.held());
    }
}

BOOST_AUTO_TEST_CASE(any_damage_to_a_state_is_found) {
    using packkit::invalid_argument;
    for (const auto& options : all_options) {
        streaming_packer packer(options);
        for (const auto& sample : random_samples(21, 50, 7))
            packer.add(sample, ignore);
        const words_t good = saved(packer);
        for (std::size_t k = 0; k < good.size(); ++k) {
            for (int bit = 0; bit < 64; ++bit) {
                words_t bad = good;
                bad[k] ^= std::uint64_t{1} << bit;
                BOOST_REQUIRE_THROW((void)streaming_packer::restore(bad),
                                    invalid_argument);
            }
            words_t cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(k));
            BOOST_REQUIRE_THROW((void)streaming_packer::restore(cut), invalid_argument);
        }
        words_t longer = good;
        longer.push_back(0);
        BOOST_REQUIRE_THROW((void)streaming_packer::restore(longer), invalid_argument);
    }
}

BOOST_AUTO_TEST_CASE(a_forged_state_must_still_make_sense) {
    // Words: version, capacity, bin size, open bins, buffer, samples, bins, ...
    const auto state_of = [](streaming_options options, int samples) {
        streaming_packer packer(options);
        for (int i = 0; i < samples; ++i)
            packer.add({static_cast<std::uint64_t>(i), 4}, ignore);
        return saved(packer);
    };
    const auto refused = [](words_t words, std::size_t at, std::uint64_t value,
                            std::string part) {
        words.at(at) = value;
        sign(words);
        expect::message_of<packkit::invalid_argument>(
            [&] { (void)streaming_packer::restore(words); }, part);
    };
    // ... number of samples held, then id, length, stays of each
    const words_t buffer = state_of({.capacity = 10, .buffer_size = 4}, 3);
    BOOST_TEST(buffer.size() == 8u + 3 * 3 + 1);
    refused(buffer, 0, 1, "version 1, expected 2");
    refused(buffer, 1, 0, "capacity is 0");
    refused(buffer, 1, 3, "sample of length 4, capacity is 3");
    refused(buffer, 3, 2, "open_bins 2 and buffer_size 4");
    refused(buffer, 4, 0, "open_bins 0 and buffer_size 0");
    refused(buffer, 4, 3, "holds 3 samples, its buffer packs 3");
    refused(buffer, 5, 2, "holds 3 of 2 samples");
    refused(buffer, 7, 4, "ends before the samples do");
    refused(buffer, 7, std::numeric_limits<std::uint64_t>::max(), "ends before");
    refused(buffer, 7, 2, "3 numbers more");
    refused(buffer, 9, 0, "length 0");
    refused(buffer, 9, ~std::uint64_t{0}, "length -1");
    refused(buffer, 10, 5, "packed 5 times, at most 4");
    // ... number of open bins, then number of samples and (id, length) of each
    const words_t window = state_of({.capacity = 10, .bin_size = 2, .open_bins = 3}, 3);
    BOOST_TEST(window.size() == 8u + 1 + 2 * 2 + 1 + 2 + 1);
    refused(window, 3, 1, "2 open bins in a window of 1");
    refused(window, 2, 1, "2 items");
    refused(window, 10, 7, "open bin 0 holds 11 tokens");
    refused(window, 8, 3, "");
    words_t empty = window;
    empty.erase(empty.begin() + 9, empty.begin() + 13);
    refused(empty, 8, 0, "open bin 0 holds 0 tokens");
    BOOST_CHECK_THROW((void)streaming_packer::restore(words_t{}),
                      packkit::invalid_argument);
}

BOOST_AUTO_TEST_CASE(is_unchanged_by_what_it_refuses) {
    using packkit::invalid_argument;
    for (const auto& options : all_options) {
        streaming_packer packer(options);
        packer.add({3, 20}, ignore);
        const words_t before = saved(packer);
        expect::message_of<invalid_argument>([&] { packer.add({8, 51}, ignore); },
                                             "sample 1 (id 8) has length 51",
                                             "capacity of 50");
        expect::message_of<invalid_argument>([&] { packer.add({8, 0}, ignore); },
                                             "has length 0");
        BOOST_TEST((saved(packer) == before));
    }
    const auto making = [](streaming_options options) {
        return [options] { (void)streaming_packer(options); };
    };
    expect::message_of<invalid_argument>(making({.capacity = 0, .open_bins = 1}),
                                         "capacity is 0");
    expect::message_of<invalid_argument>(making({.capacity = 1}),
                                         "open_bins 0 and buffer_size 0");
    expect::message_of<invalid_argument>(
        making({.capacity = 1, .open_bins = 2, .buffer_size = 3}),
        "open_bins 2 and buffer_size 3");
    expect::message_of<invalid_argument>(
        making({.capacity = 1, .buffer_size = std::size_t{1} << 32}),
        "buffer of 4294967296");
}

BOOST_AUTO_TEST_CASE(a_consumer_that_throws_does_not_undo_the_sample) {
    for (const auto& options : all_options) {
        if (options.buffer_size == 1000 || options.open_bins == 1000) continue;
        streaming_packer packer(options);
        bool thrown = false;
        std::uint64_t taken = 0;
        for (const auto& sample : random_samples(100, 50, 3)) {
            ++taken;
            try {
                packer.add(sample, [](auto) { throw 1; });
            } catch (int) {
                thrown = true;
                break;
            }
        }
        BOOST_TEST(thrown);
        BOOST_TEST(packer.samples() == taken);
        BOOST_TEST((saved(streaming_packer::restore(saved(packer))) == saved(packer)));
    }
}

BOOST_AUTO_TEST_SUITE_END()
