// SPDX-License-Identifier: Apache-2.0
/// @file
/// From "which bin for each item" to a `bin_list`, and the decreasing order. Vectors are
/// filled with a value given: clang with libstdc++ 12 takes no other in a constant
/// expression.
#pragma once

#include <packkit/bins.hpp>
#include <packkit/detail/lengths.hpp>
#include <packkit/packing_plan.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace packkit::detail {

/// Positions of `lengths` by length descending, equal lengths by position ascending.
/// Counts lengths where they are dense, O(N + longest), else sorts, O(N log N).
/// Precondition: lengths are positive.
[[nodiscard]] constexpr std::vector<std::uint32_t> decreasing_order(
    std::span<const std::int64_t> lengths) {
    std::vector<std::uint32_t> order(lengths.size(), 0);
    std::int64_t longest = 0;
    for (const std::int64_t length : lengths)
        longest = std::max(longest, length);
    if (static_cast<std::uint64_t>(longest) <= lengths.size()) {
        // next[longest - length]: where the next item of that length goes
        std::vector<std::uint32_t> next(static_cast<std::size_t>(longest) + 1, 0);
        for (const std::int64_t length : lengths) {
            ++next[static_cast<std::size_t>(longest - length) + 1];
        }
        for (std::size_t k = 1; k < next.size(); ++k)
            next[k] += next[k - 1];
        for (std::size_t i = 0; i < order.size(); ++i) {
            order[next[static_cast<std::size_t>(longest - lengths[i])]++] =
                static_cast<std::uint32_t>(i);
        }
        return order;
    }
    for (std::size_t i = 0; i < order.size(); ++i) {
        order[i] = static_cast<std::uint32_t>(i);
    }
    // The position breaks ties, so an unstable sort gives the stable order.
    std::sort(order.begin(), order.end(), [lengths](std::uint32_t a, std::uint32_t b) {
        return lengths[a] != lengths[b] ? lengths[a] > lengths[b] : a < b;
    });
    return order;
}

/// Appends `bin_count` bins, where the item placed `k`-th goes into bin `bin_of[k]` and
/// has sample index `first + index_of(k)`. Inside a bin the placement order is kept. A
/// counting sort: O(N + bins).
template <class Index, class IndexOf>
constexpr void append_placed(std::span<const std::uint32_t> bin_of, std::size_t bin_count,
                             Index first, IndexOf index_of, bin_list<Index>& bins) {
    std::vector<std::size_t> offsets(bin_count + 1, 0);
    for (const std::uint32_t bin : bin_of)
        ++offsets[bin + std::size_t{1}];
    for (std::size_t b = 0; b < bin_count; ++b)
        offsets[b + 1] += offsets[b];
    std::vector<std::size_t> next(offsets.begin(), offsets.end() - 1);
    std::vector<Index> items(bin_of.size(), Index{});
    for (std::size_t k = 0; k < bin_of.size(); ++k) {
        items[next[bin_of[k]]++] = static_cast<Index>(first + index_of(k));
    }
    bins.append_bins(bin_list<Index>::from_csr(std::move(items), std::move(offsets)));
}

/// Places items in the order given: `assign(lengths, limits, bin_of)` says where.
template <class Assign>
constexpr void pack_in_order(Assign assign, std::span<const std::int64_t> lengths,
                             bin_limits limits, std::uint32_t first, bin_list<>& bins) {
    std::vector<std::uint32_t> bin_of(lengths.size(), 0);
    const std::size_t count = assign(lengths, limits, std::span<std::uint32_t>(bin_of));
    append_placed<std::uint32_t>(
        bin_of, count, first, [](std::size_t k) { return static_cast<std::uint32_t>(k); },
        bins);
}

/// Places items by length descending, ties by index.
template <class Assign>
constexpr void pack_decreasing(Assign assign, std::span<const std::int64_t> lengths,
                               bin_limits limits, std::uint32_t first, bin_list<>& bins) {
    const std::vector<std::uint32_t> order = decreasing_order(lengths);
    std::vector<std::int64_t> sorted(lengths.size(), 0);
    for (std::size_t k = 0; k < order.size(); ++k)
        sorted[k] = lengths[order[k]];
    std::vector<std::uint32_t> bin_of(lengths.size(), 0);
    const std::size_t count = assign(std::span<const std::int64_t>(sorted), limits,
                                     std::span<std::uint32_t>(bin_of));
    append_placed<std::uint32_t>(
        bin_of, count, first, [&order](std::size_t k) { return order[k]; }, bins);
}

/// Whether placing by length pays: counters for every length up to the capacity must not
/// cost more than the samples do. Not in constant expressions, which know no raw memory.
[[nodiscard]] constexpr bool few_lengths(std::size_t samples, bin_limits limits) {
    if (std::is_constant_evaluated()) return false;
    return static_cast<std::uint64_t>(limits.capacity) / 4 < samples &&
           limits.capacity < std::int64_t{1} << 31;
}

/// Packs by length: `plan(counts, capacity, bin_size)` says which lengths go together.
template <class Plan, std::integral Length>
void pack_counted(Plan plan, std::span<const Length> lengths, bin_limits limits,
                  std::uint32_t first, bin_list<>& bins) {
    const auto most = static_cast<std::uint32_t>(std::min<std::size_t>(
        limits.bin_size, std::numeric_limits<std::uint32_t>::max()));
    const length_counts counts = count_lengths(lengths, limits.capacity);
    bins.append_bins(
        expand(plan(counts, static_cast<std::uint32_t>(limits.capacity), most),
               samples_by_length(lengths, counts, first), lengths.size()));
}

/// Packs longest first: by length where that pays, else item by item. `plan` and `assign`
/// are two ways to the same bins.
template <class Plan, class Assign, std::integral Length>
constexpr void pack_by_length(Plan plan, Assign assign, std::span<const Length> lengths,
                              bin_limits limits, std::uint32_t first, bin_list<>& bins) {
    if (few_lengths(lengths.size(), limits)) {
        pack_counted(plan, lengths, limits, first, bins);
    } else {
        pack_decreasing(assign, as_int64(lengths), limits, first, bins);
    }
}

/// Calls the policy with the lengths as they are, if it takes them, else as int64.
template <class Policy, std::integral Length>
constexpr void apply_policy(const Policy& policy, std::span<const Length> lengths,
                            bin_limits limits, std::uint32_t first, bin_list<>& bins) {
    if constexpr (std::invocable<const Policy&, std::span<const Length>, bin_limits,
                                 std::uint32_t, bin_list<>&>) {
        policy(lengths, limits, first, bins);
    } else {
        const auto held = as_int64(lengths);
        policy(std::span<const std::int64_t>(held), limits, first, bins);
    }
}

}  // namespace packkit::detail
