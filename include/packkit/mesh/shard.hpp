// SPDX-License-Identifier: Apache-2.0
/// @file
/// Which rows of a tensor each rank holds when dimension 0 is sharded (PyTorch FSDP2's
/// rule).
#pragma once

#include <packkit/error.hpp>

#include <algorithm>
#include <cstdint>
#include <string>

namespace packkit {

/// Half-open range of indices.
struct index_range {
    std::int64_t begin = 0;
    std::int64_t end = 0;

    [[nodiscard]] constexpr std::int64_t size() const { return end - begin; }
    [[nodiscard]] constexpr bool empty() const { return begin == end; }
    friend constexpr bool operator==(const index_range&, const index_range&) = default;
};

/// Rows that every rank's shard is padded to: ceil(rows / ranks).
[[nodiscard]] constexpr std::int64_t rows_per_shard(std::int64_t rows,
                                                    std::int64_t ranks) {
    if (rows < 0 || ranks < 1) {
        throw invalid_argument("cannot shard " + std::to_string(rows) + " rows over " +
                               std::to_string(ranks) + " ranks");
    }
    return (rows + ranks - 1) / ranks;
}

/// The rows of `rank`: consecutive chunks of `rows_per_shard`; the last shards may be
/// shorter or empty. The ranges of all ranks partition [0, rows).
[[nodiscard]] constexpr index_range shard_of(std::int64_t rows, std::int64_t ranks,
                                             std::int64_t rank) {
    const std::int64_t chunk = rows_per_shard(rows, ranks);
    if (rank < 0 || rank >= ranks) {
        throw invalid_argument("rank " + std::to_string(rank) + " is not below " +
                               std::to_string(ranks));
    }
    return {std::min(rank * chunk, rows), std::min((rank + 1) * chunk, rows)};
}

}  // namespace packkit
