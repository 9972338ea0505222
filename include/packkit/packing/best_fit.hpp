// SPDX-License-Identifier: Apache-2.0
/// @file
/// Best fit: each item goes into the bin that it leaves with the least residual.
#pragma once

#include <packkit/bin_list.hpp>
#include <packkit/error.hpp>

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <utility>
#include <vector>

namespace packkit {

/// Best fit in the order given: writes the bin of item `i` to `bin_of[i]` and returns the
/// number of bins. Among bins with room the one with the smallest residual is taken;
/// among bins of equal residual the lowest-numbered one. With lengths sorted in
/// descending order this is best-fit decreasing.
///
/// Preconditions: lengths in [1, limits.capacity], `bin_of.size() == lengths.size()`,
/// both less than 2^32. O(N log bins) time, O(bins) memory beside the result.
/// Deterministic.
template <class = void>  // costs nothing before it is called
std::size_t assign_best_fit(std::span<const std::int64_t> lengths, bin_limits limits,
                            std::span<std::uint32_t> bin_of) {
    PACKKIT_ASSERT(bin_of.size() == lengths.size());
    std::set<std::pair<std::int64_t, std::uint32_t>>
        open;                        // (residual, bin), residual > 0
    std::vector<std::size_t> count;  // items of each bin, kept only if they are limited
    std::uint32_t bins = 0;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        std::int64_t residual = limits.capacity;
        std::uint32_t bin = bins;
        const auto tightest = open.lower_bound({lengths[i], 0});
        decltype(open)::node_type
            node;  // moved from key to key, so nothing is reallocated
        if (tightest != open.end()) node = open.extract(tightest);
        if (node.empty()) {
            ++bins;
            if (limits.bin_size != 0) count.push_back(0);
        } else {
            residual = node.value().first;
            bin = node.value().second;
        }
        residual -= lengths[i];
        const bool full = limits.bin_size != 0 && ++count[bin] == limits.bin_size;
        if (residual > 0 && !full) {
            if (node.empty()) {
                open.emplace(residual, bin);
            } else {
                node.value() = {residual, bin};
                open.insert(std::move(node));
            }
        }
        bin_of[i] = bin;
    }
    return bins;
}

}  // namespace packkit
