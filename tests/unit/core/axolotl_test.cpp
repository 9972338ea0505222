// SPDX-License-Identifier: Apache-2.0
#include <packkit/packing/axolotl.hpp>
#include <packkit/packing/pack.hpp>
#include <packkit/utility/random.hpp>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <numeric>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"
#include "textbook.hpp"

BOOST_AUTO_TEST_SUITE(axolotl_test)

namespace {

using packkit::axolotl_options;
using packkit::pack_axolotl;
using textbook::bins;
using textbook::nested;

// --- the cases of axolotl/axolotl.txt; make_axolotl.py says what is in it -------------

struct golden_case {
    std::uint64_t seed, count;
    int shape, shuffled;
    std::int64_t capacity;
    axolotl_options options;
    std::size_t batch_size;
    bool drop_last;
    std::size_t bins, batches;
    std::uint64_t bins_hash, batches_hash;
    std::string full;  // all bins, for small cases
};

std::vector<golden_case> golden_cases() {
    std::ifstream file(PACKKIT_AXOLOTL_GOLDEN);
    BOOST_REQUIRE(file);
    std::vector<golden_case> cases;
    std::string line;
    std::getline(file, line);  // where it comes from
    while (std::getline(file, line)) {
        if (line.starts_with("bins ")) {
            cases.back().full = line.substr(5);
            continue;
        }
        golden_case one{};
        std::string word;
        std::istringstream text(line);
        text >> word >> one.seed >> one.count >> one.shape >> one.shuffled >>
            one.capacity >> one.options.group_size >> one.options.bin_size >>
            one.options.sequential >> one.batch_size >> one.drop_last >> one.bins >>
            std::hex >> one.bins_hash >> std::dec >> one.batches >> std::hex >>
            one.batches_hash;
        BOOST_REQUIRE_MESSAGE(text && word == "case", line);
        cases.push_back(one);
    }
    return cases;
}

std::vector<std::int64_t> golden_lengths(const golden_case& one) {
    const auto cap = static_cast<std::uint64_t>(one.capacity);
    std::vector<std::int64_t> lengths;
    for (std::uint64_t i = 0; i < one.count; ++i) {
        const std::uint64_t r = packkit::random_bits(one.seed, i, 0)[0];
        const std::uint64_t u = packkit::random_bits(one.seed, i, 1)[0];
        std::uint64_t made = 0;
        if (one.shape == 0) made = 1 + r % cap;
        if (one.shape == 1) made = 1 + (r % cap) * (u % cap) / cap;
        if (one.shape == 2) made = std::min(cap, 1 + cap / 5 * (r % 5));
        if (one.shape == 3) made = 1 + r % (cap + cap / 4);
        if (one.shape == 4) made = u % 3 == 0 ? 0 : r % (cap / 4 + 1);
        lengths.push_back(static_cast<std::int64_t>(made));
    }
    return lengths;
}

std::vector<std::uint32_t> golden_order(const golden_case& one) {
    std::vector<std::uint32_t> order(one.count);
    std::iota(order.begin(), order.end(), 0U);
    if (one.shuffled != 0) {
        std::vector<std::uint64_t> key;
        for (std::uint64_t i = 0; i < one.count; ++i) {
            key.push_back(packkit::random_bits(one.seed, i, 2)[0]);
        }
        std::stable_sort(
            order.begin(), order.end(),
            [&key](std::uint32_t a, std::uint32_t b) { return key[a] < key[b]; });
    }
    return order;
}

class fnv {
public:
    void add(std::uint64_t word) {
        for (int byte = 0; byte < 8; ++byte) {
            value_ ^= word >> (8 * byte) & 0xFF;
            value_ *= 0x100000001B3ULL;
        }
    }
    void add_bin(std::span<const std::uint32_t> bin) {
        add(bin.size());
        for (const std::uint32_t item : bin)
            add(item);
    }
    [[nodiscard]] std::uint64_t value() const { return value_; }

private:
    std::uint64_t value_ = 0xCBF29CE484222325ULL;
};

std::string written(const packkit::bin_list<>& list) {
    std::string text;
    for (const auto bin : list) {
        if (!text.empty()) text += ' ';
        for (std::size_t k = 0; k < bin.size(); ++k) {
            text += (k == 0 ? "" : ",") + std::to_string(bin[k]);
        }
    }
    return text;
}

// --- Axolotl's rules, item by item against every bin ----------------------------------

bins first_fit_of_a_group(const std::vector<std::int64_t>& lengths, std::size_t first,
                          std::size_t last, std::int64_t capacity, std::size_t bin_size) {
    bins out;
    std::vector<std::int64_t> room;
    for (std::size_t i = first; i < last; ++i) {
        std::size_t b = 0;
        while (b < out.size() && (room[b] < lengths[i] || out[b].size() >= bin_size))
            ++b;
        if (b == out.size()) {
            out.emplace_back();
            room.push_back(capacity);
        }
        out[b].push_back(static_cast<std::uint32_t>(i));
        room[b] -= lengths[i];
    }
    return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(equals_axolotls_own_bins) {
    const auto cases = golden_cases();
    BOOST_TEST(cases.size() >= 180u);
    std::size_t sequential = 0, in_full = 0;
    for (const golden_case& one : cases) {
        const auto lengths = golden_lengths(one);
        const auto packed = packkit::pack_axolotl_in_order(lengths, golden_order(one),
                                                           one.capacity, one.options);
        fnv all;
        for (const auto bin : packed.bins)
            all.add_bin(bin);
        const auto dealt =
            packkit::batch_axolotl(packed.bins, one.batch_size, one.drop_last);
        fnv batches;
        for (std::size_t b = 0; b < dealt.size(); ++b) {
            const std::size_t first = b * one.batch_size;
            const std::size_t last = std::min(first + one.batch_size, dealt.bins.size());
            batches.add(last - first);
            for (std::size_t k = first; k < last; ++k)
                batches.add_bin(dealt.bins[k]);
        }
        BOOST_TEST_CONTEXT("seed " << one.seed) {
            BOOST_TEST(packed.bins.size() == one.bins);
            BOOST_TEST(all.value() == one.bins_hash);
            BOOST_TEST(dealt.size() == one.batches);
            BOOST_TEST(batches.value() == one.batches_hash);
            BOOST_TEST(dealt.bins.size() + dealt.dropped.size() == one.bins);
            if (one.count <= 40) BOOST_TEST(written(packed.bins) == one.full);
        }
        sequential += one.options.sequential ? 1 : 0;
        in_full += one.full.empty() ? 0 : 1;
    }
    BOOST_TEST(sequential >= 60u);
    BOOST_TEST(in_full >= 30u);
}

BOOST_AUTO_TEST_CASE(equals_the_obvious_scan_of_all_bins) {
    std::mt19937_64 random(5);
    for (int round = 0; round < 2000; ++round) {
        const std::int64_t capacity = 1 + static_cast<std::int64_t>(random() % 30);
        std::vector<std::int64_t> lengths(random() % 60);
        for (auto& length : lengths) {
            length = static_cast<std::int64_t>(random() %
                                               static_cast<std::uint64_t>(capacity + 4));
        }
        const axolotl_options options{.group_size = 1 + random() % 25,
                                      .bin_size = random() % 5};
        const std::size_t bin_size =
            options.bin_size == 0 ? static_cast<std::size_t>(capacity) : options.bin_size;
        bins wanted;
        for (std::size_t first = 0; first < lengths.size(); first += options.group_size) {
            const auto last = std::min(first + options.group_size, lengths.size());
            for (const auto& bin :
                 first_fit_of_a_group(lengths, first, last, capacity, bin_size)) {
                wanted.push_back(bin);
            }
        }
        const auto packed = pack_axolotl(lengths, capacity, options);
        BOOST_REQUIRE(nested(packed.bins) == wanted);
        std::vector<std::uint32_t> overlong;
        for (std::uint32_t i = 0; i < lengths.size(); ++i) {
            if (lengths[i] > capacity) overlong.push_back(i);
        }
        BOOST_REQUIRE(packed.overlong == overlong);
    }
}

BOOST_AUTO_TEST_CASE(is_first_fit_or_next_fit_of_pack_for_lengths_that_fit) {
    std::mt19937_64 random(6);
    std::vector<int> lengths(3000);
    for (auto& length : lengths)
        length = 1 + static_cast<int>(random() % 700);
    BOOST_TEST((pack_axolotl(lengths, 1000, {.group_size = 450, .bin_size = 2}).bins ==
                packkit::pack(lengths, 1000, packkit::first_fit{},
                              {.group_size = 450, .bin_size = 2})));
    BOOST_TEST((pack_axolotl(lengths, 1000).bins ==
                packkit::pack(lengths, 1000, packkit::first_fit{},
                              {.group_size = 100'000, .bin_size = 200})));
    BOOST_TEST((pack_axolotl(lengths, 1000,
                             {.group_size = 450, .bin_size = 2, .sequential = true})
                    .bins == packkit::pack(lengths, 1000, packkit::next_fit{})));
}

BOOST_AUTO_TEST_CASE(overlong_samples_are_alone_and_listed) {
    const std::vector<int> lengths = {4, 25, 3, 11, 0, 3};
    const auto packed = pack_axolotl(lengths, 10);
    BOOST_TEST((nested(packed.bins) == bins{{0, 2, 4, 5}, {1}, {3}}));
    BOOST_TEST((packed.overlong == std::vector<std::uint32_t>{1, 3}));
    // Next fit does not come back, and an overfull bin takes not even a length of 0.
    const auto in_order = pack_axolotl(lengths, 10, {.sequential = true});
    BOOST_TEST((nested(in_order.bins) == bins{{0}, {1}, {2}, {3}, {4, 5}}));
    BOOST_TEST((in_order.overlong == std::vector<std::uint32_t>{1, 3}));
}

BOOST_AUTO_TEST_CASE(bin_size_0_is_the_capacity) {
    const std::vector<int> lengths(7, 0);
    BOOST_TEST((nested(pack_axolotl(lengths, 3, {.bin_size = 0}).bins) ==
                bins{{0, 1, 2}, {3, 4, 5}, {6}}));
}

BOOST_AUTO_TEST_CASE(the_order_is_the_samplers) {
    const std::vector<int> lengths = {5, 6, 12, 4};
    const std::vector<std::uint32_t> order = {3, 2, 0};
    const auto packed = packkit::pack_axolotl_in_order(lengths, order, 10);
    BOOST_TEST((nested(packed.bins) == bins{{3, 0}, {2}}));
    BOOST_TEST((packed.overlong == std::vector<std::uint32_t>{2}));
}

BOOST_AUTO_TEST_CASE(batches_drop_the_last_one_visibly) {
    const auto packed = pack_axolotl(std::vector{9, 9, 9, 9, 9}, 10);
    const auto dropping = packkit::batch_axolotl(packed.bins, 2);
    BOOST_TEST(dropping.size() == 2u);
    BOOST_TEST((nested(dropping.bins) == bins{{0}, {1}, {2}, {3}}));
    BOOST_TEST((nested(dropping.dropped) == bins{{4}}));
    const auto keeping = packkit::batch_axolotl(packed.bins, 2, false);
    BOOST_TEST(keeping.size() == 3u);
    BOOST_TEST((keeping.bins == packed.bins));
    BOOST_TEST(keeping.dropped.empty());
    BOOST_TEST(packkit::batch_axolotl({}, 4).size() == 0u);
}

BOOST_AUTO_TEST_CASE(refuses_what_axolotl_cannot_pack) {
    using packkit::invalid_argument;
    const std::vector<int> lengths = {3, -1};
    expect::message_of<invalid_argument>([&] { (void)pack_axolotl(lengths, 10); },
                                         "item 1 has length -1");
    expect::message_of<invalid_argument>([&] { (void)pack_axolotl(lengths, 0); },
                                         "capacity is 0");
    expect::message_of<invalid_argument>(
        [&] { (void)pack_axolotl(std::vector{1}, 10, {.group_size = 0}); },
        "sample_packing_group_size is 0");
    BOOST_TEST(pack_axolotl(std::vector{1}, 10, {.group_size = 0, .sequential = true})
                   .bins.size() == 1u);
    const std::vector<std::uint32_t> order = {0, 2};
    expect::message_of<invalid_argument>(
        [&] { (void)packkit::pack_axolotl_in_order(lengths, order, 10); },
        "item 2 at position 1", "2 lengths");
    expect::message_of<invalid_argument>([] { (void)packkit::batch_axolotl({}, 0); },
                                         "batch of 0 bins");
}

BOOST_AUTO_TEST_SUITE_END()
