// SPDX-License-Identifier: Apache-2.0
/// @file
/// From "which bin for each item" to a `bin_list`, and the decreasing order. Vectors are
/// filled with a value given: clang with libstdc++ 12 takes no other in a constant
/// expression.
#pragma once

#include <packkit/bin_list.hpp>
#include <packkit/detail/length_access.hpp>
#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/assign_samples.hpp>
#include <packkit/packing/packing_plan.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
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
    std::vector<std::size_t> next(bin_count + 1, 0);
    for (const std::uint32_t bin : bin_of)
        ++next[bin + std::size_t{1}];
    for (std::size_t b = 0; b < bin_count; ++b)
        next[b + 1] += next[b];
    const std::size_t before = bins.items().size();
    bins.append_written(bin_count, bin_of.size(),
                        [&](std::span<Index> items, std::span<std::size_t> ends) {
                            for (std::size_t b = 0; b < bin_count; ++b)
                                ends[b] = before + next[b + 1];
                            for (std::size_t k = 0; k < bin_of.size(); ++k) {
                                items[next[bin_of[k]]++] =
                                    static_cast<Index>(first + index_of(k));
                            }
                        });
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
/// Checks the lengths.
template <class Plan, std::integral Length>
void pack_counted(Plan plan, std::span<const Length> lengths, bin_limits limits,
                  std::uint32_t first, bin_list<>& bins, pack_workspace& workspace) {
    const auto most = static_cast<std::uint32_t>(std::min<std::size_t>(
        limits.bin_size, std::numeric_limits<std::uint32_t>::max()));
    count_lengths(lengths, limits.capacity, workspace.counts, first);
    const packing_plan made =
        plan(workspace.counts, static_cast<std::uint32_t>(limits.capacity), most);
    workspace.samples.assign(lengths, workspace.counts, first);
    expand(made, workspace.samples, lengths.size(), bins);
}

/// Packs longest first: by length where that pays, else item by item. `plan` and `assign`
/// are two ways to the same bins. Checks the lengths.
template <class Plan, class Assign, std::integral Length>
constexpr void pack_by_length(Plan plan, Assign assign, std::span<const Length> lengths,
                              bin_limits limits, std::uint32_t first, bin_list<>& bins,
                              pack_workspace* workspace) {
    if (!few_lengths(lengths.size(), limits)) {
        check_lengths(lengths, limits.capacity, first);
        pack_decreasing(assign, as_int64(lengths), limits, first, bins);
    } else if (workspace != nullptr) {
        pack_counted(plan, lengths, limits, first, bins, *workspace);
    } else {
        pack_workspace own;
        pack_counted(plan, lengths, limits, first, bins, own);
    }
}

/// Whether a policy has a form that takes lengths as they are, checks them itself, and
/// uses a workspace (null: its own).
template <class Policy, class Length>
concept packs_by_length =
    std::invocable<const Policy&, std::span<const Length>, bin_limits, std::uint32_t,
                   bin_list<>&, pack_workspace*>;

/// Checks the lengths and calls the policy with them as they are, if it takes them, else
/// as int64.
template <class Policy, std::integral Length>
constexpr void apply_policy(const Policy& policy, std::span<const Length> lengths,
                            bin_limits limits, std::uint32_t first, bin_list<>& bins,
                            pack_workspace* workspace = nullptr) {
    if constexpr (packs_by_length<Policy, Length>) {
        policy(lengths, limits, first, bins, workspace);
        return;
    }
    check_lengths(lengths, limits.capacity, first);
    if constexpr (std::invocable<const Policy&, std::span<const Length>, bin_limits,
                                 std::uint32_t, bin_list<>&>) {
        policy(lengths, limits, first, bins);
    } else {
        const auto held = as_int64(lengths);
        policy(std::span<const std::int64_t>(held), limits, first, bins);
    }
}

}  // namespace packkit::detail
