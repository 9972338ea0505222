// SPDX-License-Identifier: Apache-2.0
#include <packkit/lengths/padded_length.hpp>
#include <packkit/packing/bound/lower_bound.hpp>
#include <packkit/packing/pack.hpp>

#include <array>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"
#include "textbook.hpp"

BOOST_AUTO_TEST_SUITE(padded_length_test)

namespace {

using packkit::pack;
using packkit::padded_length;
using packkit::padded_to;
using packkit::padded_total;
using textbook::nested;

constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();

static_assert(padded_length(1, 8) == 8 && padded_length(8, 8) == 8);
static_assert(padded_length(9, 8) == 16 && padded_length(0, 8) == 0);
static_assert(padded_total(std::array{1, 8, 9, 0}, 8) == 32);
static_assert(
    pack(std::array{1, 9, 1}, 24, packkit::next_fit{}, {}, padded_to{8}).size() == 2);

struct sample {
    int id;
    std::uint64_t tokens;
};

}  // namespace

BOOST_AUTO_TEST_CASE(packing_padded_is_packing_padded_lengths) {
    std::mt19937_64 random(3);
    for (const std::int64_t multiple : {1, 2, 7, 8, 16, 64}) {
        std::vector<sample> samples(500);
        std::vector<std::int64_t> lengths, padded;
        for (auto& one : samples) {
            one.tokens = 1 + random() % 448;
            const auto length = static_cast<std::int64_t>(one.tokens);
            lengths.push_back(length);
            std::int64_t whole = 0;  // the obvious way up
            while (whole < length)
                whole += multiple;
            padded.push_back(whole);
        }
        using policy = packkit::first_fit_decreasing;
        const auto wanted = textbook::pack(padded, 448, textbook::rule::first, true);
        BOOST_TEST(
            (nested(pack(lengths, 448, policy{}, {}, padded_to{multiple})) == wanted));
        BOOST_TEST((nested(pack(samples, 448, policy{}, {},
                                padded_to{multiple, &sample::tokens})) == wanted));
        std::int64_t total = 0;
        for (const std::int64_t length : padded)
            total += length;
        BOOST_TEST(padded_total(lengths, multiple) == total);
        BOOST_TEST(padded_total(samples, multiple, &sample::tokens) == total);
        BOOST_TEST(packkit::lower_bound_l1(lengths, 448, padded_to{multiple}) ==
                   static_cast<std::size_t>((total + 447) / 448));
    }
}

BOOST_AUTO_TEST_CASE(refuses_what_cannot_be_padded) {
    using packkit::invalid_argument;
    for (const std::int64_t multiple : {0, -8}) {
        BOOST_CHECK_THROW((void)padded_to{multiple}, invalid_argument);
        BOOST_CHECK_THROW((void)padded_total(std::vector<int>{}, multiple),
                          invalid_argument);
    }
    expect::message_of<invalid_argument>([] { (void)padded_length(3, 0); },
                                         "multiple of 0");
    BOOST_TEST(padded_length(most - 7, 8) == most - 7);  // 2^63 - 8 is a multiple
    expect::message_of<invalid_argument>([] { (void)padded_length(most, 8); },
                                         "length 9223372036854775807 padded", "64 bits");
    expect::message_of<invalid_argument>(
        [] { (void)padded_to{8}(std::uint64_t{most} + 1); },
        "length 9223372036854775808 does not fit");
    expect::message_of<invalid_argument>(
        [] { (void)padded_total(std::vector<std::int64_t>{most - 7, 1}, 8); },
        "sum of padded lengths exceeds 64 bits");
    expect::message_of<invalid_argument>(
        [] { (void)padded_total(std::vector{4, -1}, 8); }, "item 1 has length -1");
    // The packer sees and names the padded length, and its own rules hold.
    const std::vector<int> lengths = {8, 23, 0};
    const auto pack_in = [&](std::int64_t capacity) {
        return [&lengths, capacity] {
            (void)pack(lengths, capacity, packkit::first_fit{}, {}, padded_to{8});
        };
    };
    expect::message_of<invalid_argument>(pack_in(23),
                                         "item 1 has length 24, capacity is 23");
    expect::message_of<invalid_argument>(pack_in(24), "item 2 has length 0");
}

BOOST_AUTO_TEST_SUITE_END()
