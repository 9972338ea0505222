// SPDX-License-Identifier: Apache-2.0
/// @file
/// How many samples there are of each length: all that a packing looks at.
#pragma once

#include <packkit/detail/length_access.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace packkit {

/// How many samples there are of each length.
struct length_counts {
    /// count[s]: samples of length s; count[0] is 0. size(): longest length + 1.
    std::vector<std::uint32_t> count;
    std::size_t samples = 0;
};

/// Counts the lengths into `counts`, whose memory is used again. O(N + capacity).
/// @throws invalid_argument for a length outside [1, capacity], naming the item, where
///   `first` is the number of the first one
template <std::integral Length>
constexpr void count_lengths(std::span<const Length> lengths, std::int64_t capacity,
                             length_counts& counts, std::size_t first = 0) {
    detail::check_capacity(capacity);
    counts.samples = lengths.size();
    counts.count.assign(static_cast<std::size_t>(capacity) + 1, 0);
    std::uint32_t* const count = counts.count.data();
    using bits = std::make_unsigned_t<Length>;
    const auto limit = std::cmp_less(capacity, std::numeric_limits<Length>::max())
                           ? static_cast<bits>(capacity)
                           : static_cast<bits>(std::numeric_limits<Length>::max());
    // A length that is not positive is a huge one here.
    const auto fits = [limit](Length length) {
        return static_cast<bits>(static_cast<bits>(length) - 1) < limit;
    };
    // Four at a time take two thirds of the time of one by one.
    std::size_t i = 0;
    for (; i + 4 <= lengths.size(); i += 4) {
        const Length a = lengths[i], b = lengths[i + 1];
        const Length c = lengths[i + 2], d = lengths[i + 3];
        if (!fits(a) || !fits(b) || !fits(c) || !fits(d)) break;
        ++count[static_cast<std::size_t>(a)];
        ++count[static_cast<std::size_t>(b)];
        ++count[static_cast<std::size_t>(c)];
        ++count[static_cast<std::size_t>(d)];
    }
    for (; i < lengths.size(); ++i) {
        if (!fits(lengths[i])) detail::check_lengths(lengths, capacity, first);
        ++count[static_cast<std::size_t>(lengths[i])];
    }
}

/// Counts the lengths.
/// @throws invalid_argument as above
template <std::integral Length>
[[nodiscard]] constexpr length_counts count_lengths(std::span<const Length> lengths,
                                                    std::int64_t capacity) {
    length_counts counts;
    count_lengths(lengths, capacity, counts);
    return counts;
}

namespace detail {

/// Calls place(length, count) for every length that occurs, longest first.
template <class Place>
constexpr void for_each_length_descending(const length_counts& counts, Place place) {
    for (std::size_t s = counts.count.size(); s-- > 1;) {
        if (counts.count[s] > 0) place(static_cast<std::uint32_t>(s), counts.count[s]);
    }
}

}  // namespace detail

}  // namespace packkit
