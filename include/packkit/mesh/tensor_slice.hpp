// SPDX-License-Identifier: Apache-2.0
/// @file
/// Which part of a parameter a rank of a tensor-parallel group holds, as ranges of its
/// rows and columns.
///
/// A parameter is seen as a matrix: dimension 0, times all others. What tp does not
/// divide is cut unevenly as in `shard.hpp`: the last parts are smaller or empty.
#pragma once

#include <packkit/error.hpp>
#include <packkit/mesh/shard.hpp>

#include <cstdint>

namespace packkit {

/// How tensor parallelism cuts a parameter (Shoeybi et al. 2019, arXiv 1909.08053, 3).
enum class tensor_cut : std::uint8_t {
    replicated,  ///< every tp rank holds all of it: norms, routers
    rows,        ///< dimension 0: column-parallel layers, embedding and head
    columns,     ///< dimension 1: row-parallel layers
};

/// A part of a matrix.
struct tensor_slice {
    index_range rows;
    index_range columns;

    [[nodiscard]] constexpr std::int64_t elements() const {
        return rows.size() * columns.size();
    }
    friend constexpr bool operator==(const tensor_slice&, const tensor_slice&) = default;
};

/// Part `part` of `parts` of a matrix of rows x columns.
/// @throws invalid_argument as `shard_of`
[[nodiscard]] constexpr tensor_slice slice_of(std::int64_t rows, std::int64_t columns,
                                              tensor_cut cut, std::int64_t parts,
                                              std::int64_t part) {
    switch (cut) {
        case tensor_cut::replicated:
            return {{0, rows}, {0, columns}};
        case tensor_cut::rows:
            return {shard_of(rows, parts, part), {0, columns}};
        case tensor_cut::columns:
            return {{0, rows}, shard_of(columns, parts, part)};
    }
    detail::throw_invalid_argument("tensor_cut has no value ", static_cast<int>(cut));
}

/// What shard `shard` of `shards` holds of `slice`, whose rows are sharded, at its place
/// in the matrix.
/// @throws invalid_argument as `shard_of`
[[nodiscard]] constexpr tensor_slice shard_of_slice(tensor_slice slice,
                                                    std::int64_t shards,
                                                    std::int64_t shard) {
    const auto rows = shard_of(slice.rows.size(), shards, shard);
    slice.rows = {slice.rows.begin + rows.begin, slice.rows.begin + rows.end};
    return slice;
}

}  // namespace packkit
