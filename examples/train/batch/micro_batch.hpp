// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// A micro-batch of one data-parallel rank: its documents, what follows from them without
/// their tokens, and the row of tokens that the model takes.

#include "data/dataset.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace packkit::train {

/// Amounts of work, of a micro-batch or of a step.
struct batch_work {
    std::int64_t valid_targets = 0;
    std::int64_t real_tokens = 0;      ///< without padding
    std::int64_t squared_lengths = 0;  ///< Σ l² over samples: what attention costs

    batch_work& operator+=(const batch_work& other);
};

/// A sample in a micro-batch, or padding.
struct batch_document {
    std::optional<std::uint32_t> sample;  ///< its number; none for padding
    std::int64_t first_number = 0;  ///< token number of its first token (`packed_row`)
};

/// Everything about a micro-batch that does not need its tokens.
struct micro_batch_content {
    std::int64_t step = 0;  ///< from 0
    std::vector<batch_document> documents = {};
    std::vector<std::int32_t> cu_seqlens = {0};  ///< boundaries of the documents
    batch_work work = {};

    /// Tokens, padding included.
    [[nodiscard]] std::int64_t tokens() const { return cu_seqlens.back(); }
    /// Numbers of its samples.
    [[nodiscard]] std::vector<std::uint32_t> samples() const;

    /// Appends the samples of a row, and padding up to `padded_row` tokens unless the row
    /// is empty. `first_number`: token number of the row's first place.
    void add_row(std::span<const std::uint32_t> row, const token_store& samples,
                 std::int64_t first_number, std::int64_t padded_row);
    void add_padding(std::int64_t length, std::int64_t first_number);
};

/// One row of tokens as the model takes it: documents one behind the other, each with its
/// own positions, and targets already shifted inside each document.
struct packed_row {
    std::vector<std::int64_t> input_ids;
    std::vector<std::int64_t> targets;       ///< default_ignore_index: no target
    std::vector<std::int64_t> position_ids;  ///< restart at 0 in each document
    std::vector<std::int32_t> cu_seqlens;    ///< documents, and padding as one of its own
    /// A number for each token of the step's global batch, the same on every mesh: the
    /// row's among all rows × row capacity + the place in the row.
    std::vector<std::int64_t> token_numbers = {};
    std::int64_t step = 0;  ///< from 0
};

/// The tokens, positions and targets of a micro-batch. `samples` are those of its plan.
[[nodiscard]] packed_row collate(const micro_batch_content& batch,
                                 const token_store& samples);

}  // namespace packkit::train
