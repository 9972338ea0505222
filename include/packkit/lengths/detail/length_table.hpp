// SPDX-License-Identifier: Apache-2.0
/// @file
/// Lengths that occur with how often, longest first: what the lower bounds read.
#pragma once

#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>
#include <packkit/lengths/length_counts.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

namespace packkit::detail {

/// All samples of one length.
struct length_group {
    std::int64_t length = 0;
    std::int64_t samples = 0;

    friend constexpr bool operator==(const length_group&, const length_group&) = default;
};

/// Distinct lengths, longest first.
using length_table = std::vector<length_group>;

/// O(longest). @throws invalid_argument if a length exceeds the capacity
[[nodiscard]] constexpr length_table table_of(const length_counts& counts,
                                              std::int64_t capacity) {
    check_capacity(capacity);
    length_table table;
    for (std::size_t s = counts.count.size(); s-- > 0;) {
        if (counts.count[s] == 0) continue;
        if (s == 0 || to_int64(s) > capacity) {
            throw_invalid_argument(counts.count[s], " samples have length ", s,
                                   ", expected 1 to the capacity of ", capacity);
        }
        table.push_back({to_int64(s), std::int64_t{counts.count[s]}});
    }
    return table;
}

/// Counts where lengths are dense, O(N + longest), else sorts, O(N log N).
/// @throws invalid_argument as `pack` does
template <std::integral Length>
[[nodiscard]] constexpr length_table table_of(std::span<const Length> lengths,
                                              std::int64_t capacity) {
    check_lengths(lengths, capacity);
    length_table table;
    std::int64_t longest = 0;
    for (const Length length : lengths) {
        longest = std::max(longest, static_cast<std::int64_t>(length));
    }
    if (static_cast<std::uint64_t>(longest) / 4 <= lengths.size()) {
        std::vector<std::int64_t> count(static_cast<std::size_t>(longest) + 1, 0);
        for (const Length length : lengths)
            ++count[static_cast<std::size_t>(length)];
        for (std::size_t s = count.size(); s-- > 1;) {
            if (count[s] > 0) table.push_back({to_int64(s), count[s]});
        }
        return table;
    }
    std::vector<Length> sorted(lengths.begin(), lengths.end());
    std::sort(sorted.begin(), sorted.end(), std::greater<>{});
    for (const Length length : sorted) {
        const auto s = static_cast<std::int64_t>(length);
        if (table.empty() || table.back().length != s) table.push_back({s, 0});
        ++table.back().samples;
    }
    return table;
}

/// How many samples there are.
[[nodiscard]] constexpr std::int64_t samples_of(const length_table& table) {
    std::int64_t samples = 0;
    for (const length_group& group : table)
        samples += group.samples;
    return samples;
}

/// min(a * b, int64 max) for non-negative values.
[[nodiscard]] constexpr std::int64_t saturating_multiply(std::int64_t a, std::int64_t b) {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    return b != 0 && a > most / b ? most : a * b;
}

/// min(a + b, int64 max) for non-negative values.
[[nodiscard]] constexpr std::int64_t saturating_add(std::int64_t a, std::int64_t b) {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    return a > most - b ? most : a + b;
}

}  // namespace packkit::detail
