// SPDX-License-Identifier: Apache-2.0
/// @file
/// Groups that do not mix: samples of different sources, languages or tasks, packed so
/// that no bin holds two of them.
#pragma once

#include <packkit/bins.hpp>
#include <packkit/concepts.hpp>
#include <packkit/detail/lengths.hpp>
#include <packkit/error.hpp>
#include <packkit/multipack.hpp>

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
/// O(N log N), if the policy needs no more. Deterministic.
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
    struct member {
        group of;
        std::uint32_t item;
    };
    std::vector<member> members;
    members.reserve(all.size());
    for (const group of : group_of) {
        members.push_back({of, static_cast<std::uint32_t>(members.size())});
    }
    // The index breaks ties, so an unstable sort keeps the order inside a group.
    std::sort(members.begin(), members.end(), [](const member& a, const member& b) {
        return a.of != b.of ? a.of < b.of : a.item < b.item;
    });

    grouped_bins<group> grouped;
    std::vector<std::uint32_t> items;
    items.reserve(all.size());
    std::vector<std::size_t> offsets(1, 0);
    std::vector<std::int64_t> own;  // lengths of one group
    for (std::size_t first = 0; first < members.size();) {
        own.clear();
        grouped.groups.push_back(members[first].of);
        grouped.first_bin.push_back(offsets.size() - 1);
        for (std::size_t k = first;
             k < members.size() && members[k].of == members[first].of; ++k) {
            own.push_back(all[members[k].item]);
        }
        const bin_list<> packed = pack(own, capacity, policy, limits);
        for (const auto bin : packed) {
            for (const std::uint32_t position : bin) {
                items.push_back(members[first + position].item);
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
