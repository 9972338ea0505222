// SPDX-License-Identifier: Apache-2.0
#include <packkit/estimate/state_memory.hpp>

#include <array>
#include <cstdint>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"

BOOST_AUTO_TEST_SUITE(state_memory_test)

namespace {

using namespace packkit;

constexpr std::array sharding_kinds = {sharding_kind::ddp, sharding_kind::zero1,
                                       sharding_kind::zero2, sharding_kind::fsdp};

// GB (1e9) of a model of 7.5 billion parameters on one of N ranks.
constexpr rational zero_gigabytes(sharding_kind sharding, std::int64_t ranks) {
    return rational(15, 2) *
           state_bytes_per_parameter(zero_mixed_precision, sharding, ranks);
}

// Printed with `digits` behind the point, as the paper prints it.
constexpr bool rounds_to(const rational& value, std::int64_t printed,
                         std::int64_t digits) {
    rational scaled = value;
    for (std::int64_t i = 0; i < digits; ++i)
        scaled *= 10;
    return (scaled + rational(1, 2)).floor() == printed;
}

// Rajbhandari et al. 2020, arXiv 1910.02054, figure 1: 7.5B, N = 64.
static_assert(zero_gigabytes(sharding_kind::ddp, 64) == 120);
static_assert(rounds_to(zero_gigabytes(sharding_kind::zero1, 64), 314, 1));
static_assert(rounds_to(zero_gigabytes(sharding_kind::zero2, 64), 166, 1));
static_assert(rounds_to(zero_gigabytes(sharding_kind::fsdp, 64), 188, 2));
// Table 1: N = 1024.
static_assert(rounds_to(zero_gigabytes(sharding_kind::zero1, 1024), 301, 1));
static_assert(rounds_to(zero_gigabytes(sharding_kind::zero2, 1024), 151, 1));
static_assert(rounds_to(zero_gigabytes(sharding_kind::fsdp, 1024), 12, 2));

// Section 5 in symbols: 4 + 12/N, 2 + 14/N, 16/N.
static_assert(state_bytes_per_parameter(zero_mixed_precision, sharding_kind::zero1, 7) ==
              4 + rational(12, 7));
static_assert(state_bytes_per_parameter(zero_mixed_precision, sharding_kind::zero2, 7) ==
              2 + rational(14, 7));
static_assert(state_bytes_per_parameter(zero_mixed_precision, sharding_kind::fsdp, 7) ==
              rational(16, 7));

// Megatron's distributed optimizer with float32 gradients: 18, then 6 + 12/d.
static_assert(megatron_mixed_precision.total() == 18);
static_assert(state_bytes_per_parameter(megatron_mixed_precision, sharding_kind::zero1,
                                        16) == 6 + rational(12, 16));

constexpr state_bytes of(precision_kind precision, optimizer_kind optimizer,
                         sharding_kind sharding) {
    return state_bytes_of(precision, optimizer, sharding);
}
using enum precision_kind;
using enum optimizer_kind;
static_assert(of(bf16_mixed, adamw, sharding_kind::fsdp) == float32_masters);
static_assert(of(bf16_mixed, adamw, sharding_kind::ddp) == float32_masters);
static_assert(of(bf16_mixed, adamw, sharding_kind::zero1) == zero_mixed_precision);
static_assert(of(bf16_mixed, adamw, sharding_kind::zero2) == zero_mixed_precision);
static_assert(of(fp32, adamw, sharding_kind::zero1) == state_bytes{4, 4, 8});
static_assert(of(fp64, adamw, sharding_kind::fsdp) == state_bytes{8, 8, 16});
static_assert(of(bf16, adamw, sharding_kind::fsdp) == state_bytes{2, 2, 4});
static_assert(of(bf16, adamw_8bit, sharding_kind::fsdp) == state_bytes{2, 2, 2});
static_assert(of(bf16_mixed, adamw_8bit, sharding_kind::fsdp) == state_bytes{4, 4, 2});
static_assert(of(bf16_mixed, adamw_8bit, sharding_kind::zero2) == state_bytes{2, 2, 6});
static_assert(of(fp32, sgd, sharding_kind::ddp) == state_bytes{4, 4, 0});
static_assert(of(bf16_mixed, sgd, sharding_kind::zero1) == state_bytes{2, 2, 4});

}  // namespace

// Rajbhandari et al. 2020, arXiv 1910.02054, table 1: GB a device for N ranks, as
// printed: rounded in some cells, cut off in others, so within one unit of the last
// digit.
BOOST_AUTO_TEST_CASE(table_1_of_zero) {
    struct printed {
        std::int64_t ranks;
        std::array<std::int64_t, 3> tenths_7b;  // of a GB
        std::array<std::int64_t, 3> gb_128b, gb_1t;
    };
    const std::array<printed, 6> rows = {
        {{1, {1200, 1200, 1200}, {2048, 2048, 2048}, {16000, 16000, 16000}},
         {4, {525, 413, 300}, {896, 704, 512}, {7000, 5500, 4000}},
         {16, {356, 216, 75}, {608, 368, 128}, {4750, 2875, 1000}},
         {64, {314, 166, 19}, {536, 284, 32}, {4187, 2218, 250}},
         {256, {304, 154, 5}, {518, 263, 8}, {4046, 2054, 62}},
         {1024, {301, 151, 1}, {513, 257, 2}, {4011, 2013, 16}}}};
    const std::array kinds = {sharding_kind::zero1, sharding_kind::zero2,
                              sharding_kind::fsdp};
    const auto agree = [](const rational& value, std::int64_t printed) {
        return value - printed < 1 && printed - value < 1;
    };
    for (const printed& row : rows) {
        for (std::size_t k = 0; k < kinds.size(); ++k) {
            const rational bytes =
                state_bytes_per_parameter(zero_mixed_precision, kinds[k], row.ranks);
            BOOST_TEST_CONTEXT(to_string(kinds[k]) << " over " << row.ranks) {
                BOOST_TEST(agree(bytes * 75, row.tenths_7b[k]));
                BOOST_TEST(agree(bytes * 128, row.gb_128b[k]));
                BOOST_TEST(agree(bytes * 1000, row.gb_1t[k]));
            }
        }
    }
}

// Table 2 of the same: billions of parameters that fill 32 GB, with model parallelism
// over MP of 64 MP GPUs; and those that were trained, which must fit.
BOOST_AUTO_TEST_CASE(table_2_of_zero) {
    struct row {
        std::int64_t model_parallel;
        std::array<std::int64_t, 4> tenths;  // of a billion
        std::array<rational, 2> trained;     // DDP and ZeRO-1
    };
    const std::array<row, 5> rows = {
        {{1, {20, 76, 144, 1280}, {rational(13, 10), rational(62, 10)}},
         {2, {40, 152, 288, 2560}, {rational(25, 10), rational(125, 10)}},
         {4, {80, 304, 576, 5120}, {5, 25}},
         {8, {160, 608, 1152, 10240}, {10, 50}},
         {16, {320, 1216, 2304, 20480}, {20, 100}}}};
    for (const row& r : rows) {
        for (std::size_t k = 0; k < sharding_kinds.size(); ++k) {
            const rational bytes =
                state_bytes_per_parameter(zero_mixed_precision, sharding_kinds[k], 64);
            // The paper multiplies the rounded figure of its first row.
            const rational tenths = rational(320) / bytes;
            BOOST_TEST(
                (((tenths + rational(1, 2)).floor() * r.model_parallel) == r.tenths[k]));
            if (k < 2) { BOOST_TEST((bytes * r.trained[k] / r.model_parallel <= 32)); }
        }
    }
}

BOOST_AUTO_TEST_CASE(sharding_more_never_takes_more) {
    for (const state_bytes& bytes :
         {zero_mixed_precision, megatron_mixed_precision, float32_masters}) {
        for (std::int64_t ranks = 1; ranks <= 40; ++ranks) {
            rational before = bytes.total();
            for (const sharding_kind sharding : sharding_kinds) {
                const rational now = state_bytes_per_parameter(bytes, sharding, ranks);
                BOOST_TEST((now <= before));
                // What the ranks hold together is at least one copy of everything.
                BOOST_TEST((now * ranks >= bytes.total()));
                if (ranks == 1) BOOST_TEST((now == bytes.total()));
                before = now;
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(bad_values_are_refused) {
    expect::message_of<invalid_argument>(
        [] {
            return state_bytes_per_parameter(zero_mixed_precision, sharding_kind::fsdp,
                                             0);
        },
        "0 ranks");
    expect::message_of<invalid_argument>(
        [] {
            return state_bytes_per_parameter(zero_mixed_precision,
                                             static_cast<sharding_kind>(9), 2);
        },
        "sharding_kind", "9");
    expect::message_of<invalid_argument>(
        [] { return moment_bytes(static_cast<optimizer_kind>(7), 4); }, "optimizer_kind",
        "7");
}

BOOST_AUTO_TEST_SUITE_END()
