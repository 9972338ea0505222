// SPDX-License-Identifier: Apache-2.0
#include "sample_table.hpp"

#include <packkit/utility/random.hpp>

#include <algorithm>

namespace packkit::app {

std::int64_t sample_table::length_at(std::size_t position) const {
    if (lengths[position] != longest_stored) return lengths[position];
    return std::lower_bound(
               huge.begin(), huge.end(), position,
               [](const auto& one, std::size_t wanted) { return one.first < wanted; })
        ->second;
}

std::uint32_t sample_table::index_of(std::uint32_t position) const {
    if (!order.empty()) position = order[position];
    // The k-th empty sample has k samples with tokens before it when empty[k] - k is
    // at most their number.
    std::size_t before = 0;  // empty samples known to come before
    for (std::size_t end = empty.size(); before < end;) {
        const std::size_t middle = before + (end - before) / 2;
        if (empty[middle] - middle <= position) {
            before = middle + 1;
        } else {
            end = middle;
        }
    }
    return position + static_cast<std::uint32_t>(before);
}

void sample_table::shuffle(std::uint64_t seed) {
    order = seeded_permutation(lengths.size(), seed, 0);
    std::vector<std::uint32_t> shuffled(lengths.size());
    decltype(huge) moved;
    for (std::size_t i = 0; i < order.size(); ++i) {
        shuffled[i] = lengths[order[i]];
        if (shuffled[i] == longest_stored) {
            moved.emplace_back(static_cast<std::uint32_t>(i), length_at(order[i]));
        }
    }
    lengths = std::move(shuffled);
    huge = std::move(moved);
}

}  // namespace packkit::app
