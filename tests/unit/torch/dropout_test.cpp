// SPDX-License-Identifier: Apache-2.0
#include "expect.hpp"

#include <packkit/torch/ops/dropout.hpp>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

BOOST_AUTO_TEST_SUITE(dropout_test)

using namespace packkit;
using lt::dropout_key;

namespace {

at::Tensor tokens(std::int64_t first, std::int64_t count) {
    return at::arange(first, first + count, at::kLong);
}

/// χ² of `kept` ones among `total` draws that are ones with probability `share`, one
/// degree of freedom.
double chi_square(double kept, double total, double share) {
    const double expected = total * share;
    const double difference = kept - expected;
    return difference * difference / (expected * (1 - share));
}

/// Below this with probability 1 − 1e-6, for one degree of freedom.
constexpr double unlikely = 23.93;

}  // namespace

BOOST_AUTO_TEST_CASE(the_mask_is_its_definition) {
    const auto key = dropout_key::of(42, "model.layers.1.mlp", 7);
    BOOST_TEST(key.key == random_key(42, "model.layers.1.mlp"));
    const std::int64_t far = (std::int64_t{5} << 32) + 17;  // beyond 32 bits
    const auto mask = lt::dropout_mask(0.3, key, tokens(far, 3), 6);
    for (std::int64_t t = 0; t < 3; ++t) {
        for (std::int64_t f = 0; f < 6; ++f) {
            const auto token = static_cast<std::uint64_t>(far + t);
            const auto words = philox4x32({static_cast<std::uint32_t>(token),
                                           static_cast<std::uint32_t>(token >> 32),
                                           static_cast<std::uint32_t>(f / 4), 7},
                                          {static_cast<std::uint32_t>(key.key),
                                           static_cast<std::uint32_t>(key.key >> 32)});
            const double uniform = words[static_cast<std::size_t>(f % 4)] * 0x1p-32;
            BOOST_TEST(mask[t][f].item<bool>() == (uniform >= 0.3));
        }
    }
}

BOOST_AUTO_TEST_CASE(operations_on_tensors_give_the_same_bits) {
    for (const std::int64_t features : {1, 4, 7, 64}) {
        for (const double p : {0.0, 0.1, 0.5, 0.999999}) {
            const auto key = dropout_key::of(3, "a", 0xFFFFFFFF);
            const auto index = at::cat({tokens(0, 50), tokens((1LL << 33) - 3, 20)});
            BOOST_TEST(
                at::equal(lt::dropout_mask(p, key, index, features),
                          lt::detail::kept_on_device(index, features, key,
                                                     lt::detail::dropout_threshold(p))));
        }
    }
}

BOOST_AUTO_TEST_CASE(the_share_of_kept_elements_is_right) {
    constexpr std::int64_t count = 500, features = 128;
    for (const double p : {0.01, 0.1, 0.5, 0.9}) {
        const auto mask =
            lt::dropout_mask(p, dropout_key::of(1, "x", 0), tokens(0, count), features)
                .to(at::kDouble);
        const double total = count * features;
        BOOST_TEST(chi_square(mask.sum().item<double>(), total, 1 - p) < unlikely);
        // Nor do neighbours know of each other: both kept with the product's probability.
        const double share = (1 - p) * (1 - p);
        const auto pairs = [&](const at::Tensor& a, const at::Tensor& b) {
            return chi_square((a * b).sum().item<double>(),
                              static_cast<double>(a.numel()), share);
        };
        // Of pairs that do not overlap.
        BOOST_TEST(pairs(mask.slice(1, 0, features, 2), mask.slice(1, 1, features, 2)) <
                   unlikely);
        BOOST_TEST(pairs(mask.slice(0, 0, count, 2), mask.slice(0, 1, count, 2)) <
                   unlikely);
        for (const auto& other : {dropout_key::of(2, "x", 0), dropout_key::of(1, "y", 0),
                                  dropout_key::of(1, "x", 1)}) {
            const auto b =
                lt::dropout_mask(p, other, tokens(0, count), features).to(at::kDouble);
            BOOST_TEST(pairs(mask, b) < unlikely);
        }
    }
}

BOOST_AUTO_TEST_CASE(the_expected_value_is_kept) {
    const auto x = at::full({400, 64}, 2.0, at::kDouble);
    const auto y = lt::dropout(x, 0.25, dropout_key::of(9, "x", 3), tokens(0, 400));
    // The mean of 25,600 values of variance 4 p/(1 − p): five standard deviations.
    BOOST_TEST(std::abs(y.mean().item<double>() - 2.0) <
               5 * std::sqrt(4.0 * 0.25 / 0.75 / 25600));
    const auto kept = y.ne(0.0);
    BOOST_TEST(
        at::equal(y.masked_select(kept),
                  at::full({kept.sum().item<std::int64_t>()}, 2.0 / 0.75, at::kDouble)));
}

BOOST_AUTO_TEST_CASE(slices_of_a_batch_drop_the_same) {
    const auto key = dropout_key::of(5, "x", 2);
    const auto x = at::sin(at::arange(0, 60 * 10, at::kDouble)).view({60, 10});
    const auto index = tokens(1000, 60);
    const auto whole = lt::dropout(x, 0.4, key, index);
    // In two pieces, every third token, backwards.
    const auto piece = [&](const at::Tensor& chosen) {
        const auto found = lt::dropout(x.index_select(0, chosen), 0.4, key,
                                       index.index_select(0, chosen));
        return at::equal(found, whole.index_select(0, chosen));
    };
    BOOST_TEST(piece(tokens(0, 23)));
    BOOST_TEST(piece(tokens(23, 37)));
    BOOST_TEST(piece(at::arange(0, 60, 3, at::kLong)));
    BOOST_TEST(piece(tokens(0, 60).flip(0)));
    BOOST_TEST(lt::dropout(x.slice(0, 0, 0), 0.4, key, tokens(0, 0)).numel() == 0);
}

BOOST_AUTO_TEST_CASE(the_gradient_is_the_mask) {
    for (const auto dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
        const auto key = dropout_key::of(8, "x", 1);
        auto x = at::ones({30, 9}, dtype).requires_grad_(true);
        const auto index = tokens(3, 30);
        const auto y = lt::dropout(x, 0.5, key, index);
        BOOST_TEST((y.scalar_type() == dtype));
        const auto weights = at::arange(1, 271, at::kDouble).view({30, 9}).to(dtype);
        (y * weights).sum().backward();
        const auto expected =
            weights * 2.0 * lt::dropout_mask(0.5, key, index, 9).to(dtype);
        BOOST_TEST(at::equal(x.grad(), expected));
        BOOST_TEST((expected.eq(0.0).any().item<bool>()));
    }
}

BOOST_AUTO_TEST_CASE(nothing_is_dropped_at_zero_and_nonsense_is_refused) {
    const auto x = at::ones({4, 3});
    BOOST_TEST(lt::dropout(x, 0.0, {}, tokens(0, 4)).is_same(x));
    for (const double p : {1.0, -0.1, 1.5, std::numeric_limits<double>::quiet_NaN()}) {
        expect::message_of<invalid_argument>(
            [&] { (void)lt::dropout(x, p, {}, tokens(0, 4)); },
            "it must be at least 0 and below 1");
    }
    expect::message_of<invalid_argument>(
        [&] { (void)lt::dropout(x, 0.1, {}, tokens(0, 5)); }, "12 elements", "5 tokens");
}

BOOST_AUTO_TEST_SUITE_END()
