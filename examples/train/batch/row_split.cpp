// SPDX-License-Identifier: Apache-2.0
#include "batch/row_split.hpp"

#include <packkit/sequence/cu_seqlens.hpp>
#include <packkit/sequence/labels.hpp>

#include <utility>
#include <vector>

namespace packkit::train {

context_split split_row(std::span<const std::int32_t> cu_seqlens, std::int64_t ranks) {
    auto split = split_context(cu_seqlens, static_cast<std::size_t>(ranks));
    std::vector<std::int32_t> boundaries(cu_seqlens.begin(), cu_seqlens.end());
    std::vector<std::vector<document_slice>> slices;
    for (std::size_t rank = 0; rank < split.ranks(); ++rank) {
        slices.emplace_back(split.slices(rank).begin(), split.slices(rank).end());
        if (!slices.back().empty()) continue;
        slices.back().push_back({static_cast<std::int32_t>(boundaries.size()) - 1, 0, 1});
        boundaries.push_back(boundaries.back() + 1);
    }
    if (boundaries.size() == cu_seqlens.size()) return split;
    return {std::move(boundaries), std::move(slices)};
}

packed_row part_of(const packed_row& row, const context_split& split, std::size_t rank) {
    packed_row part;
    part.position_ids = split.position_ids(rank);
    part.cu_seqlens = split.local_cu_seqlens(rank);
    part.step = row.step;
    for (const std::int64_t position : split.row_positions(rank)) {
        const auto at = static_cast<std::size_t>(position);
        const bool padding = at >= row.input_ids.size();
        part.input_ids.push_back(padding ? 0 : row.input_ids[at]);
        part.targets.push_back(padding ? default_ignore_index : row.targets[at]);
        if (!row.token_numbers.empty())
            part.token_numbers.push_back(padding ? 0 : row.token_numbers[at]);
    }
    return part;
}

}  // namespace packkit::train
