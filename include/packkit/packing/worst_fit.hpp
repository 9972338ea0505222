// SPDX-License-Identifier: Apache-2.0
/// @file
/// Worst fit: each item goes into the bin with the most room. Needs more bins than first
/// or best fit, and spreads the slack over all of them.
#pragma once

#include <packkit/bin_list.hpp>
#include <packkit/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace packkit {

/// Worst fit in the order given: writes the bin of item `i` to `bin_of[i]` and returns
/// the number of bins. The bin with the largest residual is taken, the lowest-numbered
/// one among equals; if the item does not fit there, it fits nowhere and opens a bin.
/// With lengths sorted in descending order this is worst-fit decreasing.
///
/// Preconditions: lengths in [1, limits.capacity], `bin_of.size() == lengths.size()`,
/// both less than 2^32. O(N log bins) time, O(bins) memory beside the result.
/// Deterministic.
template <class = void>  // costs nothing before it is called
constexpr std::size_t assign_worst_fit(std::span<const std::int64_t> lengths,
                                       bin_limits limits,
                                       std::span<std::uint32_t> bin_of) {
    PACKKIT_ASSERT(bin_of.size() == lengths.size());
    struct open_bin {
        std::int64_t residual;
        std::size_t items;
        std::uint32_t bin;
    };
    const auto after = [](const open_bin& a, const open_bin& b) {
        return a.residual != b.residual ? a.residual < b.residual : a.bin > b.bin;
    };
    std::vector<open_bin> heap;  // roomiest bin on top
    std::uint32_t bins = 0;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        open_bin target{limits.capacity, 0, bins};
        if (heap.empty() || heap.front().residual < lengths[i]) {
            ++bins;
        } else {
            std::pop_heap(heap.begin(), heap.end(), after);
            target = heap.back();
            heap.pop_back();
        }
        target.residual -= lengths[i];
        ++target.items;
        if (target.residual > 0 && target.items != limits.bin_size) {
            heap.push_back(target);
            std::push_heap(heap.begin(), heap.end(), after);
        }
        bin_of[i] = target.bin;
    }
    return bins;
}

}  // namespace packkit
