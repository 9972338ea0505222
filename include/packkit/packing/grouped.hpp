// SPDX-License-Identifier: Apache-2.0
/// @file
/// Groups that do not mix: samples of different sources, languages or tasks, packed so
/// that no bin holds two of them.
#pragma once

#include <packkit/bin_list.hpp>
#include <packkit/concepts.hpp>
#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>
#include <packkit/packing/pack.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace packkit {

/// Bins of one group each.
///
/// The bins of `groups[g]` are [first_bin[g], first_bin[g + 1]) of `bins`.
template <class Group>
struct grouped_bins {
    bin_list<> bins;
    std::vector<Group> groups;           ///< that occur, ascending
    std::vector<std::size_t> first_bin;  ///< one more than there are groups

    /// The group whose samples bin `bin` holds. O(log groups).
    /// @throws invalid_argument past the end
    [[nodiscard]] constexpr Group group_of(std::size_t bin) const {
        if (bin >= bins.size()) {
            detail::throw_invalid_argument("bin ", bin, " of ", bins.size(), " bins");
        }
        const auto after = std::upper_bound(first_bin.begin(), first_bin.end(), bin);
        return groups[static_cast<std::size_t>(after - first_bin.begin()) - 1];
    }

    friend constexpr bool operator==(const grouped_bins&, const grouped_bins&) = default;
};

namespace detail {

/// Positions of `keys` by key ascending, equal keys by position. Counts keys where they
/// are dense, O(N + range), else sorts, O(N log N).
template <std::integral Key>
[[nodiscard]] constexpr std::vector<std::uint32_t> order_by_group(
    std::span<const Key> keys) {
    std::vector<std::uint32_t> order(keys.size(), 0);
    if (keys.empty()) return order;
    const auto [low, high] = std::minmax_element(keys.begin(), keys.end());
    // Differences of any integer type are right modulo 2^64.
    const auto above = [least = *low](Key key) {
        return static_cast<std::uint64_t>(key) - static_cast<std::uint64_t>(least);
    };
    if (above(*high) < keys.size()) {
        std::vector<std::uint32_t> next(static_cast<std::size_t>(above(*high)) + 2, 0);
        for (const Key key : keys)
            ++next[static_cast<std::size_t>(above(key)) + 1];
        for (std::size_t k = 1; k < next.size(); ++k)
            next[k] += next[k - 1];
        for (std::size_t i = 0; i < keys.size(); ++i) {
            order[next[static_cast<std::size_t>(above(keys[i]))]++] =
                static_cast<std::uint32_t>(i);
        }
        return order;
    }
    for (std::size_t i = 0; i < keys.size(); ++i)
        order[i] = static_cast<std::uint32_t>(i);
    // The position breaks ties, so an unstable sort gives the stable order.
    std::sort(order.begin(), order.end(), [keys](std::uint32_t a, std::uint32_t b) {
        return keys[a] != keys[b] ? keys[a] < keys[b] : a < b;
    });
    return order;
}

}  // namespace detail

/// Packs each group as `pack` would pack its samples alone, taken by ascending index.
///
/// Bins are ordered by group ascending, and inside a group as `pack` orders them. So the
/// result does not depend on which group comes first in the data.
///
/// @param lengths tokens of each sample: any sized range of integers
/// @param group_of the group of each sample: a sized range of as many integers
/// @param capacity tokens a bin
/// @param policy how samples are placed
/// @param limits as in `pack`; `limits.group_size` parts the samples of each group
/// @param proj reads the length of an element of `lengths`
/// @throws invalid_argument as `pack` does, and if there are not as many groups as
///   lengths
///
/// O(N log N), or O(N) for groups of a range less than N, beside the packing itself.
/// Deterministic.
template <class Lengths, class Groups, class Policy = first_fit_decreasing,
          class Proj = std::identity>
    requires length_range<const Lengths&, Proj> && length_range<const Groups&> &&
             packing_policy<Policy>
[[nodiscard]] constexpr auto pack_grouped(const Lengths& lengths, const Groups& group_of,
                                          std::int64_t capacity, Policy policy = {},
                                          pack_limits limits = {}, Proj proj = {})
    -> grouped_bins<std::ranges::range_value_t<Groups>> {
    using group = std::ranges::range_value_t<Groups>;
    const auto held = detail::contiguous_lengths(lengths, proj);
    const std::span<const std::int64_t> all(held);
    detail::check_lengths(all, capacity);
    if (all.size() > std::numeric_limits<std::uint32_t>::max()) {
        detail::throw_invalid_argument("cannot index ", all.size(), " items, at most ",
                                       std::numeric_limits<std::uint32_t>::max());
    }
    if (std::cmp_not_equal(std::ranges::size(group_of), all.size())) {
        detail::throw_invalid_argument("there are ", all.size(), " lengths, but ",
                                       std::ranges::size(group_of), " groups");
    }
    std::vector<group> keys;
    keys.reserve(all.size());
    for (const group key : group_of)
        keys.push_back(key);
    const std::vector<std::uint32_t> members =
        detail::order_by_group(std::span<const group>(keys));

    grouped_bins<group> grouped;
    std::vector<std::uint32_t> items;
    items.reserve(all.size());
    std::vector<std::size_t> offsets(1, 0);
    std::vector<std::int64_t> own;  // lengths of one group
    for (std::size_t first = 0; first < members.size();) {
        own.clear();
        const group of = keys[members[first]];
        grouped.groups.push_back(of);
        grouped.first_bin.push_back(offsets.size() - 1);
        for (std::size_t k = first; k < members.size() && keys[members[k]] == of; ++k) {
            own.push_back(all[members[k]]);
        }
        const bin_list<> packed = pack(own, capacity, policy, limits);
        for (const auto bin : packed) {
            for (const std::uint32_t position : bin) {
                items.push_back(members[first + position]);
            }
            offsets.push_back(items.size());
        }
        first += own.size();
    }
    grouped.first_bin.push_back(offsets.size() - 1);
    grouped.bins = bin_list<>::from_csr(std::move(items), std::move(offsets));
    return grouped;
}

}  // namespace packkit
