// SPDX-License-Identifier: Apache-2.0
/// @file
/// What each token of a packed row weighs in the loss: every valid target alike, or every
/// sequence alike.
///
/// The loss is Σ weight * token loss over all rows, ranks and micro-steps: a sum, so that
/// nothing is averaged twice. The denominators are those of the whole global batch, which
/// the plan knows before the first forward. Targets are labels after `shift_labels`.
#pragma once

#include <packkit/error.hpp>
#include <packkit/sequence/cu_seqlens.hpp>
#include <packkit/sequence/labels.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace packkit {

/// How many documents have a valid target: the sequences that can weigh something.
/// @throws invalid_argument for wrong boundaries, or fewer targets than they cover
template <std::ranges::contiguous_range Targets>
[[nodiscard]] constexpr std::int64_t count_supervised_sequences(
    const Targets& targets, std::span<const std::int32_t> cu_seqlens,
    std::ranges::range_value_t<Targets> ignore_index = default_ignore_index) {
    const std::size_t tokens = detail::check_cu_seqlens(cu_seqlens);
    detail::check_row(tokens, std::ranges::size(targets));
    const std::span all(std::ranges::data(targets), std::ranges::size(targets));
    std::int64_t count = 0;
    for (std::size_t d = 1; d < cu_seqlens.size(); ++d) {
        const auto first = static_cast<std::size_t>(cu_seqlens[d - 1]);
        const auto last = static_cast<std::size_t>(cu_seqlens[d]);
        const auto document = all.subspan(first, last - first);
        count += count_valid_targets(document, ignore_index) > 0 ? 1 : 0;
    }
    return count;
}

/// What the sum of token losses is divided by, for a global batch with so many valid
/// targets: their number, or 1 without any. Each then weighs the reciprocal.
[[nodiscard]] constexpr double loss_denominator(std::int64_t valid_targets) {
    return valid_targets > 0 ? static_cast<double>(valid_targets) : 1.0;
}

/// Every valid target weighs 1 / `valid_targets`, the rest 0: over the rows of a global
/// batch with that many valid targets the weights sum to 1. `valid_targets` 0: those of
/// this row. Without any, all weights are 0. O(row).
/// @throws invalid_argument if `valid_targets` is less than this row has
template <std::ranges::contiguous_range Targets>
[[nodiscard]] constexpr std::vector<double> token_loss_weights(
    const Targets& targets, std::int64_t valid_targets = 0,
    std::ranges::range_value_t<Targets> ignore_index = default_ignore_index) {
    const std::int64_t here = count_valid_targets(targets, ignore_index);
    const std::int64_t all = valid_targets == 0 ? here : valid_targets;
    if (all < here) {
        detail::throw_invalid_argument("a row with ", here,
                                       " valid targets in a batch of ", all);
    }
    std::vector<double> weights(std::ranges::size(targets), 0.0);
    std::size_t at = 0;
    for (const auto target : targets) {
        if (target != ignore_index) weights[at] = 1.0 / loss_denominator(all);
        ++at;
    }
    return weights;
}

/// Every sequence with a valid target weighs 1 / `sequences`, shared by its valid targets
/// alike: 1 / (sequences * its valid targets) each. Over the rows of a global batch with
/// that many such sequences the weights sum to 1. `sequences` 0: those of this row.
/// Padding behind the documents weighs 0. O(row).
/// @throws invalid_argument for wrong boundaries, fewer targets than they cover, or
///   `sequences` less than this row has
template <std::ranges::contiguous_range Targets>
[[nodiscard]] constexpr std::vector<double> sequence_loss_weights(
    const Targets& targets, std::span<const std::int32_t> cu_seqlens,
    std::int64_t sequences = 0,
    std::ranges::range_value_t<Targets> ignore_index = default_ignore_index) {
    const std::int64_t here =
        count_supervised_sequences(targets, cu_seqlens, ignore_index);
    const std::int64_t all = sequences == 0 ? here : sequences;
    if (all < here) {
        detail::throw_invalid_argument("a row with ", here,
                                       " supervised sequences in a batch of ", all);
    }
    const std::span row(std::ranges::data(targets), std::ranges::size(targets));
    std::vector<double> weights(row.size(), 0.0);
    for (std::size_t d = 1; d < cu_seqlens.size(); ++d) {
        const auto first = static_cast<std::size_t>(cu_seqlens[d - 1]);
        const auto last = static_cast<std::size_t>(cu_seqlens[d]);
        const std::int64_t valid =
            count_valid_targets(row.subspan(first, last - first), ignore_index);
        // One rounding each: the product of two counts is exact below 2^53.
        const double shares = static_cast<double>(all) * static_cast<double>(valid);
        for (std::size_t i = first; i < last; ++i) {
            if (row[i] != ignore_index) weights[i] = 1.0 / shares;
        }
    }
    return weights;
}

}  // namespace packkit
