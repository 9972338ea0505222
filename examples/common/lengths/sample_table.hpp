// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The samples as all the rest of the program sees them: four bytes each.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace packkit::app {

/// The samples of all inputs, in the order read or shuffled.
struct sample_table {
    /// What stands in `lengths` for a sample of that length or more. No capacity reaches
    /// it, so such a sample is never packed as it is.
    static constexpr std::uint32_t longest_stored =
        std::numeric_limits<std::uint32_t>::max();

    std::vector<std::uint32_t> lengths;  ///< of the samples that are not empty
    /// Position in `lengths` and length of each sample that does not fit there,
    /// ascending.
    std::vector<std::pair<std::uint32_t, std::int64_t>> huge;
    /// Indices of the empty samples among all samples of all inputs, ascending.
    std::vector<std::uint32_t> empty;
    /// Before shuffling sample `i` was at position `order[i]`; no elements: not shuffled.
    std::vector<std::uint32_t> order;

    /// Appends a sample of any length ≥ 1.
    void append(std::int64_t length) {
        if (length < longest_stored) {
            lengths.push_back(static_cast<std::uint32_t>(length));
        } else {
            huge.emplace_back(static_cast<std::uint32_t>(lengths.size()), length);
            lengths.push_back(longest_stored);
        }
    }

    /// The length of the sample at a position. O(log huge) for a huge one.
    [[nodiscard]] std::int64_t length_at(std::size_t position) const;

    /// Its index among all samples of all inputs, the empty ones counted. O(log empty).
    [[nodiscard]] std::uint32_t index_of(std::uint32_t position) const;

    /// Brings the samples into an order that the seed alone decides, as a sampler does.
    void shuffle(std::uint64_t seed);
};

}  // namespace packkit::app
