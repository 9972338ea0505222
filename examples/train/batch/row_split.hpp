// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A row of tokens on context-parallel ranks.

#include "batch/micro_batch.hpp"

#include <packkit/sequence/context_split.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace packkit::train {

/// Balanced by tokens and causal pairs, with few documents cut. A rank that would have no
/// token gets one of padding, a document of its own behind the row: every rank takes part
/// in every layer.
[[nodiscard]] context_split split_row(std::span<const std::int32_t> cu_seqlens,
                                      std::int64_t ranks);

/// A rank's tokens, in row order, with the places that they have in their documents and
/// the targets that they have in the whole row. cu_seqlens: boundaries of its slices.
[[nodiscard]] packed_row part_of(const packed_row& row, const context_split& split,
                                 std::size_t rank);

}  // namespace packkit::train
