// SPDX-License-Identifier: Apache-2.0
/// @file
/// Packing as a textbook has it: short, slow and obvious, to compare packkit with.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <numeric>
#include <vector>

#include <packkit/bin_list.hpp>

namespace textbook {

using bins = std::vector<std::vector<std::uint32_t>>;

enum class rule { first, best, worst, next };

/// Bins of one group, by trying every bin for every item.
inline bins pack_group(const std::vector<std::int64_t>& lengths, std::int64_t capacity,
                       rule choose, bool decreasing, std::size_t bin_size) {
    std::vector<std::uint32_t> order(lengths.size());
    std::iota(order.begin(), order.end(), 0U);
    if (decreasing) {
        // Equal keys of a multimap keep the order in which they came.
        std::multimap<std::int64_t, std::uint32_t, std::greater<>> by_length;
        for (const std::uint32_t item : order)
            by_length.emplace(lengths[item], item);
        order.clear();
        for (const auto& [length, item] : by_length)
            order.push_back(item);
    }
    bins out;
    std::vector<std::int64_t> residual;
    for (const std::uint32_t item : order) {
        std::size_t found = out.size();
        for (std::size_t b = choose == rule::next && !out.empty() ? out.size() - 1 : 0;
             b < out.size(); ++b) {
            if (residual[b] < lengths[item]) continue;
            if (bin_size != 0 && out[b].size() == bin_size) continue;
            if (found == out.size() ||
                (choose == rule::best && residual[b] < residual[found]) ||
                (choose == rule::worst && residual[b] > residual[found])) {
                found = b;
            }
        }
        if (found == out.size()) {
            out.emplace_back();
            residual.push_back(capacity);
        }
        out[found].push_back(item);
        residual[found] -= lengths[item];
    }
    return out;
}

inline bins pack(const std::vector<std::int64_t>& lengths, std::int64_t capacity,
                 rule choose, bool decreasing, std::size_t bin_size = 0,
                 std::size_t group_size = 0) {
    if (group_size == 0) group_size = lengths.size();
    bins out;
    for (std::size_t first = 0; first < lengths.size(); first += group_size) {
        const auto last = std::min(first + group_size, lengths.size());
        const std::vector<std::int64_t> group(
            lengths.begin() + static_cast<std::ptrdiff_t>(first),
            lengths.begin() + static_cast<std::ptrdiff_t>(last));
        for (auto bin : pack_group(group, capacity, choose, decreasing, bin_size)) {
            for (auto& item : bin)
                item += static_cast<std::uint32_t>(first);
            out.push_back(bin);
        }
    }
    return out;
}

/// A bin_list as nested vectors.
template <class Index>
bins nested(const packkit::bin_list<Index>& list) {
    bins out;
    for (const auto bin : list)
        out.emplace_back(bin.begin(), bin.end());
    return out;
}

/// The fewest bins there are, by trying every placement. For a dozen items at most.
inline std::size_t optimum(std::vector<std::int64_t> lengths, std::int64_t capacity) {
    std::sort(lengths.rbegin(), lengths.rend());
    std::size_t best = lengths.size();
    std::vector<std::int64_t> residual;
    const auto place = [&](const auto& self, std::size_t item) -> void {
        if (residual.size() >= best) return;
        if (item == lengths.size()) {
            best = residual.size();
            return;
        }
        for (std::size_t b = 0; b < residual.size(); ++b) {
            if (residual[b] < lengths[item]) continue;
            residual[b] -= lengths[item];
            self(self, item + 1);
            residual[b] += lengths[item];
        }
        residual.push_back(capacity - lengths[item]);
        self(self, item + 1);
        residual.pop_back();
    };
    place(place, 0);
    return best;
}

/// Martello and Toth's L2 as it is defined: every threshold from 0 to half the capacity.
inline std::size_t lower_bound_l2(const std::vector<std::int64_t>& lengths,
                                  std::int64_t capacity) {
    std::int64_t best = 0;
    for (std::int64_t alpha = 0; 2 * alpha <= capacity; ++alpha) {
        std::int64_t alone = 0, large = 0, room = 0, small = 0;
        for (const std::int64_t length : lengths) {
            if (length > capacity - alpha) {
                ++alone;
            } else if (2 * length > capacity) {
                ++large;
                room += capacity - length;
            } else if (length >= alpha) {
                small += length;
            }
        }
        const std::int64_t excess = std::max<std::int64_t>(0, small - room);
        best = std::max(best, alone + large + (excess + capacity - 1) / capacity);
    }
    return static_cast<std::size_t>(best);
}

}  // namespace textbook
