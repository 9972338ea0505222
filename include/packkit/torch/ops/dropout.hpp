// SPDX-License-Identifier: Apache-2.0
/// @file
/// Dropout that no mesh changes: whether an element is kept is a function of the seed,
/// the operation's name, the step, the token's place in the step's global batch, and the
/// feature. Ranks, accumulation and slices of rows make no difference, nothing but the
/// key is kept for backward, and a forward that runs again drops the same.
///
/// Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov: Dropout: A simple way to
/// prevent neural networks from overfitting (JMLR 15, 2014), section 10 for the scaling
/// by 1/(1 − p) in training. Random numbers by counter: `utility/random.hpp`.
#pragma once

#include <packkit/error.hpp>
#include <packkit/utility/random.hpp>

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace packkit::lt {

/// What a dropout's random numbers depend on besides the element.
struct dropout_key {
    std::uint64_t key = 0;
    std::uint32_t step = 0;

    /// The key of one operation, such as "model.layers.3.mlp", in one step.
    [[nodiscard]] static constexpr dropout_key of(std::uint64_t seed,
                                                  std::string_view name,
                                                  std::uint32_t step) {
        return {random_key(seed, name), step};
    }
};

namespace detail {

/// An element is dropped when its 32 random bits are below this: p to 2^-32.
/// @throws invalid_argument unless 0 ≤ p < 1
[[nodiscard]] inline std::uint32_t dropout_threshold(double p) {
    if (!(p >= 0.0 && p < 1.0)) {
        packkit::detail::throw_invalid_argument("dropout of probability ", p,
                                                ", it must be at least 0 and below 1");
    }
    return static_cast<std::uint32_t>(p * 0x1p32);
}

/// The four random words of features 4 block … 4 block + 3 of a token.
[[nodiscard]] constexpr std::array<std::uint32_t, 4> dropout_words(dropout_key key,
                                                                   std::uint64_t token,
                                                                   std::uint32_t block) {
    return philox4x32(
        {static_cast<std::uint32_t>(token), static_cast<std::uint32_t>(token >> 32),
         block, key.step},
        {static_cast<std::uint32_t>(key.key), static_cast<std::uint32_t>(key.key >> 32)});
}

inline void fill_kept(bool* kept, const std::int64_t* tokens, std::int64_t count,
                      std::int64_t features, dropout_key key, std::uint32_t threshold) {
    at::parallel_for(0, count, 16, [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t t = begin; t < end; ++t) {
            bool* const row = kept + t * features;
            for (std::int64_t f = 0; f < features; f += 4) {
                const auto words =
                    dropout_words(key, static_cast<std::uint64_t>(tokens[t]),
                                  static_cast<std::uint32_t>(f / 4));
                const auto left = std::min<std::int64_t>(4, features - f);
                for (std::int64_t i = 0; i < left; ++i)
                    row[f + i] = words[static_cast<std::size_t>(i)] >= threshold;
            }
        }
    });
}

/// The same by operations on tensors, for a device: `philox4x32` in int64, of which only
/// the low 32 bits are ever set between operations.
[[nodiscard]] inline at::Tensor kept_on_device(const at::Tensor& tokens,
                                               std::int64_t features, dropout_key key,
                                               std::uint32_t threshold) {
    constexpr std::int64_t low = 0xFFFFFFFF;
    const auto high_of = [](const at::Tensor& product) {
        return product.__rshift__(32).bitwise_and(low);
    };
    // A 32-bit constant by a 32-bit value, in two halves: the product of 64 bits as one
    // would pass int64's end.
    const auto multiplied = [&](std::int64_t constant, const at::Tensor& value) {
        const auto by_low = value.mul(constant & 0xFFFF);
        const auto by_high = value.mul(constant >> 16).add(by_low.__rshift__(16));
        const auto product_low = by_high.bitwise_and(0xFFFF).__lshift__(16).bitwise_or(
            by_low.bitwise_and(0xFFFF));
        return std::array<at::Tensor, 2>{by_high.__rshift__(16), product_low};
    };
    const std::int64_t blocks = (features + 3) / 4;
    const std::int64_t count = tokens.numel();
    const auto column = tokens.view({count, 1});
    std::array<at::Tensor, 4> counter{
        column.bitwise_and(low).expand({count, blocks}),
        high_of(column).expand({count, blocks}),
        at::arange(blocks, tokens.options()).view({1, blocks}).expand({count, blocks}),
        at::full({count, blocks}, static_cast<std::int64_t>(key.step), tokens.options())};
    std::array<std::int64_t, 2> round_key{static_cast<std::int64_t>(key.key & low),
                                          static_cast<std::int64_t>(key.key >> 32)};
    for (int round = 0; round < 10; ++round) {
        const auto a = multiplied(0xD2511F53, counter[0]);
        const auto b = multiplied(0xCD9E8D57, counter[2]);
        counter = {b[0].bitwise_xor(counter[1]).bitwise_xor(round_key[0]), b[1],
                   a[0].bitwise_xor(counter[3]).bitwise_xor(round_key[1]), a[1]};
        round_key[0] = (round_key[0] + 0x9E3779B9) & low;
        round_key[1] = (round_key[1] + 0xBB67AE85) & low;
    }
    return at::stack({counter[0], counter[1], counter[2], counter[3]}, 2)
        .view({count, 4 * blocks})
        .narrow(1, 0, features)
        .ge(static_cast<std::int64_t>(threshold));
}

}  // namespace detail

/// Which elements a dropout of probability `p` keeps: (T, features), bool. `tokens`: (T),
/// int64, contiguous, ≥ 0, each token's index in the step's global batch; the mask is on
/// its device, the same bits on every device.
/// @throws invalid_argument unless 0 ≤ p < 1
[[nodiscard]] inline at::Tensor dropout_mask(double p, dropout_key key,
                                             const at::Tensor& tokens,
                                             std::int64_t features) {
    const auto threshold = detail::dropout_threshold(p);
    if (!tokens.is_cpu()) return detail::kept_on_device(tokens, features, key, threshold);
    auto kept = at::empty({tokens.numel(), features}, tokens.options().dtype(at::kBool));
    detail::fill_kept(kept.data_ptr<bool>(), tokens.const_data_ptr<std::int64_t>(),
                      tokens.numel(), features, key, threshold);
    return kept;
}

namespace detail {

[[nodiscard]] inline at::Tensor drop(const at::Tensor& x, double p, dropout_key key,
                                     const at::Tensor& tokens) {
    const auto kept = dropout_mask(p, key, tokens, x.size(1));
    return x.mul(1.0 / (1.0 - p)).masked_fill_(kept.logical_not(), 0.0);
}

struct dropout_function : torch::autograd::Function<dropout_function> {
    static at::Tensor forward(torch::autograd::AutogradContext* context,
                              const at::Tensor& x, double p, dropout_key key,
                              const at::Tensor& tokens) {
        context->saved_data["p"] = p;
        context->saved_data["key"] = static_cast<std::int64_t>(key.key);
        context->saved_data["step"] = static_cast<std::int64_t>(key.step);
        context->save_for_backward({tokens});
        return drop(x, p, key, tokens);
    }

    static torch::autograd::tensor_list backward(
        torch::autograd::AutogradContext* context, torch::autograd::tensor_list given) {
        const dropout_key key{
            static_cast<std::uint64_t>(context->saved_data["key"].toInt()),
            static_cast<std::uint32_t>(context->saved_data["step"].toInt())};
        return {drop(given[0], context->saved_data["p"].toDouble(), key,
                     context->get_saved_variables()[0]),
                at::Tensor(), at::Tensor(), at::Tensor()};
    }
};

}  // namespace detail

/// x / (1 − p) where `dropout_mask` keeps and 0 elsewhere, so that the expected value is
/// x; x itself for p = 0. `x`: (T, C), any floating dtype; `tokens` as for the mask, on
/// x's device. Keeps for backward no more than `tokens`.
/// @throws invalid_argument unless 0 ≤ p < 1, or when x has not one row a token
[[nodiscard]] inline at::Tensor dropout(const at::Tensor& x, double p, dropout_key key,
                                        const at::Tensor& tokens) {
    static_cast<void>(detail::dropout_threshold(p));
    if (x.dim() != 2 || x.size(0) != tokens.numel()) {
        packkit::detail::throw_invalid_argument(
            "dropout of ", x.numel(), " elements in ", x.dim(), " dimensions for ",
            tokens.numel(), " tokens, expected (tokens, features)");
    }
    if (p == 0.0) return x;
    return detail::dropout_function::apply(x, p, key, tokens);
}

}  // namespace packkit::lt
