// SPDX-License-Identifier: Apache-2.0
/// @file
/// Rows in which each document is padded to a multiple: boundaries with and without the
/// padding, and where the real tokens lie.
///
/// Kernels that want aligned documents (fp8, tensor-parallel sequence shards, 2 * cp
/// chunks of context parallelism) take both: where a document begins comes from the
/// padded boundaries, how long it is from the true ones.
#pragma once

#include <packkit/concepts.hpp>
#include <packkit/error.hpp>
#include <packkit/sequence/cu_seqlens.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace packkit {

/// Boundaries of documents of a row, each padded at its end.
struct padded_row {
    std::vector<std::int32_t> cu_seqlens;         ///< of the true lengths
    std::vector<std::int32_t> padded_cu_seqlens;  ///< where documents begin and end
    std::int32_t max_seqlen = 0;                  ///< true tokens of the longest
    std::int32_t padded_max_seqlen = 0;

    friend bool operator==(const padded_row&, const padded_row&) = default;
};

/// Boundaries for documents of these lengths, each padded to a multiple of `multiple`:
/// {3, 5} to 4 gives {0, 3, 8} and {0, 4, 12}. A document without tokens gets no padding.
/// O(documents).
/// @throws invalid_argument for a multiple below 1, a negative length, or a padded sum
///   beyond int32
template <class Lengths>
    requires length_range<const Lengths&>
[[nodiscard]] constexpr padded_row pad_documents(const Lengths& lengths,
                                                 std::int32_t multiple) {
    if (multiple < 1) {
        detail::throw_invalid_argument("documents padded to a multiple of ", multiple,
                                       ", it must be positive");
    }
    padded_row row;
    row.cu_seqlens = cu_seqlens(lengths);
    row.padded_cu_seqlens.push_back(0);
    for (std::size_t d = 1; d < row.cu_seqlens.size(); ++d) {
        const std::int32_t length = row.cu_seqlens[d] - row.cu_seqlens[d - 1];
        const std::int64_t padded =
            (std::int64_t{length} + multiple - 1) / multiple * multiple;
        const std::int64_t end = row.padded_cu_seqlens.back() + padded;
        if (end > std::numeric_limits<std::int32_t>::max()) {
            detail::throw_invalid_argument("document ", d - 1, " of length ", length,
                                           " ends at ", end,
                                           " when padded to a multiple of ", multiple,
                                           ", cu_seqlens is int32 and reaches ",
                                           std::numeric_limits<std::int32_t>::max());
        }
        row.padded_cu_seqlens.push_back(static_cast<std::int32_t>(end));
        row.max_seqlen = std::max(row.max_seqlen, length);
        row.padded_max_seqlen =
            std::max(row.padded_max_seqlen, static_cast<std::int32_t>(padded));
    }
    return row;
}

/// Where each real token lies in the padded row: what to scatter tokens, labels and
/// position ids by, and to gather outputs by. O(tokens).
/// @throws invalid_argument for wrong boundaries, or a padded document shorter than its
///   true one
[[nodiscard]] constexpr std::vector<std::int64_t> padded_positions(
    const padded_row& row) {
    const std::size_t tokens = detail::check_cu_seqlens(row.cu_seqlens);
    detail::check_cu_seqlens(row.padded_cu_seqlens);
    if (row.cu_seqlens.size() != row.padded_cu_seqlens.size()) {
        detail::throw_invalid_argument(row.cu_seqlens.size(), " true boundaries and ",
                                       row.padded_cu_seqlens.size(), " padded ones");
    }
    std::vector<std::int64_t> positions;
    positions.reserve(tokens);
    for (std::size_t d = 1; d < row.cu_seqlens.size(); ++d) {
        const std::int32_t length = row.cu_seqlens[d] - row.cu_seqlens[d - 1];
        const std::int32_t begin = row.padded_cu_seqlens[d - 1];
        if (row.padded_cu_seqlens[d] - begin < length) {
            detail::throw_invalid_argument("document ", d - 1, " has ", length,
                                           " tokens and ",
                                           row.padded_cu_seqlens[d] - begin, " padded");
        }
        for (std::int32_t i = 0; i < length; ++i)
            positions.push_back(std::int64_t{begin} + i);
    }
    return positions;
}

}  // namespace packkit
