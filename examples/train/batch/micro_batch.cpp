// SPDX-License-Identifier: Apache-2.0
#include "batch/micro_batch.hpp"

#include <packkit/lengths/squared_lengths.hpp>
#include <packkit/sequence/cu_seqlens.hpp>
#include <packkit/sequence/labels.hpp>

#include <algorithm>
#include <numeric>
#include <span>

namespace packkit::train {

batch_work& batch_work::operator+=(const batch_work& other) {
    valid_targets += other.valid_targets;
    real_tokens += other.real_tokens;
    squared_lengths += other.squared_lengths;
    return *this;
}

std::vector<std::uint32_t> micro_batch_content::samples() const {
    std::vector<std::uint32_t> numbers;
    for (const auto& document : documents) {
        if (document.sample) numbers.push_back(*document.sample);
    }
    return numbers;
}

void micro_batch_content::add_row(std::span<const std::uint32_t> row,
                                  const token_store& samples, std::int64_t first_number,
                                  std::int64_t padded_row) {
    auto next = first_number;
    for (const std::uint32_t sample : row) {
        const std::int64_t length = samples.lengths()[sample];
        documents.push_back({sample, next});
        cu_seqlens.push_back(cu_seqlens.back() + static_cast<std::int32_t>(length));
        work += {samples.valid_targets()[sample], length, squared_lengths(length)};
        next += length;
    }
    const auto padding = first_number + padded_row - next;
    if (!row.empty() && padding > 0) add_padding(padding, next);
}

void micro_batch_content::add_padding(std::int64_t length, std::int64_t first_number) {
    documents.push_back({std::nullopt, first_number});
    cu_seqlens.push_back(cu_seqlens.back() + static_cast<std::int32_t>(length));
}

packed_row collate(const micro_batch_content& batch, const token_store& samples) {
    const auto tokens = static_cast<std::size_t>(batch.tokens());
    packed_row row;
    row.step = batch.step;
    row.cu_seqlens = batch.cu_seqlens;
    row.input_ids.assign(tokens, 0);
    row.targets.assign(tokens, default_ignore_index);
    row.token_numbers.resize(tokens);
    for (std::size_t d = 0; d < batch.documents.size(); ++d) {
        const auto& document = batch.documents[d];
        const auto begin = static_cast<std::ptrdiff_t>(batch.cu_seqlens[d]);
        const auto end = static_cast<std::ptrdiff_t>(batch.cu_seqlens[d + 1]);
        std::iota(row.token_numbers.begin() + begin, row.token_numbers.begin() + end,
                  document.first_number);
        if (!document.sample) continue;
        std::ranges::copy(samples.tokens(*document.sample),
                          row.input_ids.begin() + begin);
        std::ranges::copy(samples.labels(*document.sample), row.targets.begin() + begin);
    }
    row.position_ids = position_ids(row.cu_seqlens);
    shift_labels<std::int64_t>(row.targets, row.cu_seqlens, row.targets);
    return row;
}

}  // namespace packkit::train
