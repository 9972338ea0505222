// SPDX-License-Identifier: Apache-2.0
/// @file
/// How unevenly bins load the ranks that they are dealt to.
#pragma once

#include <packkit/bin_list.hpp>
#include <packkit/concepts.hpp>
#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>
#include <packkit/lengths/squared_lengths.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace packkit {
namespace detail {

/// max / mean - 1 of the ranks' costs, where bin i goes to rank i % ranks.
template <class Index, class Cost>
[[nodiscard]] constexpr double imbalance(const bin_list<Index>& bins,
                                         std::span<const std::int64_t> lengths,
                                         std::size_t ranks, Cost cost) {
    if (ranks == 0) throw_invalid_argument("ranks is 0, it must be positive");
    std::vector<double> of_rank(ranks, 0.0);
    for (std::size_t bin = 0; bin < bins.size(); ++bin) {
        for (const Index item : bins[bin]) {
            const auto i = static_cast<std::size_t>(item);
            if (i >= lengths.size()) {
                throw_invalid_argument("bin ", bin, " holds item ", item,
                                       ", but there are ", lengths.size(), " lengths");
            }
            of_rank[bin % ranks] += cost(static_cast<double>(lengths[i]));
        }
    }
    double sum = 0;
    for (const double of_one : of_rank)
        sum += of_one;
    if (sum == 0) return 0.0;
    const double mean = sum / static_cast<double>(ranks);
    return *std::max_element(of_rank.begin(), of_rank.end()) / mean - 1.0;
}

}  // namespace detail

/// How much more tokens the busiest rank has than the mean: max / mean - 1 over all bins,
/// dealt round-robin (bin i to rank i % ranks). 0 is perfect balance.
/// @throws invalid_argument for 0 ranks, or a bin that holds an index without a length
template <class Index, class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] constexpr double rank_imbalance(const bin_list<Index>& bins,
                                              const Lengths& lengths, std::size_t ranks,
                                              Proj proj = {}) {
    const auto held = detail::contiguous_lengths(lengths, proj);
    return detail::imbalance(bins, held, ranks, [](double length) { return length; });
}

/// Imbalance of attention cost, the sum of squared document lengths: documents attend
/// only to themselves, so bins of equal tokens differ.
/// @throws invalid_argument as `rank_imbalance`
template <class Index, class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] constexpr double attention_imbalance(const bin_list<Index>& bins,
                                                   const Lengths& lengths,
                                                   std::size_t ranks, Proj proj = {}) {
    const auto held = detail::contiguous_lengths(lengths, proj);
    return detail::imbalance(bins, held, ranks,
                             [](double length) { return squared_lengths(length); });
}

}  // namespace packkit
