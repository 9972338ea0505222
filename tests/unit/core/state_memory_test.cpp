// SPDX-License-Identifier: Apache-2.0
#include <packkit/state_memory.hpp>

#include <array>
#include <cstdint>

#include <boost/test/unit_test.hpp>

#include "expect.hpp"

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
