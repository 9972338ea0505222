// SPDX-License-Identifier: Apache-2.0
/// @file
/// What a document costs to train on, in integers: linear in its tokens and quadratic in
/// its length, because documents attend only to themselves.
///
/// A cost is any callable of one of the two forms below; the cost of a bin is the sum
/// over its documents. Costs are integers, so that every machine sorts bins alike.
#pragma once

#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>
#include <packkit/lengths/squared_lengths.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace packkit {

/// `cost(length)` is what a document of that length costs: non-negative int64.
template <class C>
concept document_cost =
    std::copy_constructible<C> && requires(const C& cost, std::int64_t length) {
        { cost(length) } -> std::same_as<std::int64_t>;
    };

/// `cost(length, sample)` is what that sample costs: non-negative int64.
template <class C>
concept sample_cost = std::copy_constructible<C> &&
                      requires(const C& cost, std::int64_t length, std::size_t sample) {
                          { cost(length, sample) } -> std::same_as<std::int64_t>;
                      };

/// A cost of documents or of samples.
template <class C>
concept bin_cost = document_cost<C> || sample_cost<C>;

/// linear * l + quadratic * l * l for a document of l tokens. A bin of documents with
/// T tokens costs linear * T + quadratic * Σ l².
struct attention_cost {
    std::int64_t linear = 1;     ///< a token, whatever stands around it
    std::int64_t quadratic = 0;  ///< a pair of tokens of one document

    /// @throws invalid_argument for a negative length or factor, or a cost beyond int64
    [[nodiscard]] constexpr std::int64_t operator()(std::int64_t length) const {
        if (length < 0 || linear < 0 || quadratic < 0) {
            detail::throw_invalid_argument("cost of ", linear, " a token and ", quadratic,
                                           " a pair for a document of length ", length,
                                           ", none may be negative");
        }
        const char* what = "the cost of a document";
        return detail::checked_multiply(
            length,
            detail::checked_add(linear, detail::checked_multiply(quadratic, length, what),
                                what),
            what);
    }

    friend constexpr bool operator==(const attention_cost&,
                                     const attention_cost&) = default;
};

/// The cost in units of its quadratic term, the linear one rounded: costs of documents of
/// up to 2^31 tokens then stay far below int64. Without a quadratic term: tokens.
[[nodiscard]] constexpr attention_cost in_small_units(const attention_cost& cost) {
    if (cost.quadratic == 0) return {1, 0};
    return {cost.linear / cost.quadratic +
                (cost.linear % cost.quadratic >= (cost.quadratic + 1) / 2 ? 1 : 0),
            1};
}

/// Σ l and Σ l² over documents: what the FLOPs and the traffic of attention depend on,
/// since documents attend only to themselves.
struct document_sums {
    double tokens = 0;
    double squared = 0;

    constexpr void add(double length, double documents = 1) {
        tokens += length * documents;
        squared += squared_lengths(length, documents);
    }
    /// Σ l² / Σ l: the s that attention's FLOPs per token take. 0 without tokens.
    [[nodiscard]] constexpr double attention_length() const {
        return tokens > 0 ? squared / tokens : 0.0;
    }
    /// cost.linear Σ l + cost.quadratic Σ l²
    [[nodiscard]] constexpr double cost(const attention_cost& cost) const {
        return static_cast<double>(cost.linear) * tokens +
               static_cast<double>(cost.quadratic) * squared;
    }
};

/// Supervised tokens: a sample costs its valid targets. The table outlives the cost.
struct supervised_token_cost {
    std::span<const std::int64_t> valid_targets;  ///< of each sample

    /// @throws invalid_argument for a sample that is not in the table
    [[nodiscard]] constexpr std::int64_t operator()(std::int64_t,
                                                    std::size_t sample) const {
        if (sample >= valid_targets.size()) {
            detail::throw_invalid_argument("sample ", sample, " of a table of ",
                                           valid_targets.size(), " valid targets");
        }
        return valid_targets[sample];
    }
};

static_assert(document_cost<attention_cost> && !sample_cost<attention_cost>);
static_assert(sample_cost<supervised_token_cost> &&
              !document_cost<supervised_token_cost>);

}  // namespace packkit
