// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// What became of the rows that were read, and what the user is told of it.

#include "config/config.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace packkit::train {

/// Counts of rows, samples and tokens.
/// \details Always: tokens_read == tokens + dropped_tokens + cut_tokens +
/// held_out_tokens.
struct dataset_report {
    std::int64_t rows = 0;             ///< rows read, the empty ones included
    std::int64_t empty = 0;            ///< rows without a token or text, left out
    std::int64_t overlong = 0;         ///< rows longer than sequence_len
    std::int64_t dropped = 0;          ///< samples left out that were not empty
    std::int64_t truncated = 0;        ///< rows cut at sequence_len (truncate)
    std::int64_t split = 0;            ///< rows cut into pieces (split)
    std::int64_t samples = 0;          ///< samples kept, each piece counts
    std::int64_t tokens_read = 0;      ///< tokens of all rows
    std::int64_t tokens = 0;           ///< tokens of the samples kept
    std::int64_t dropped_tokens = 0;   ///< tokens of the samples left out
    std::int64_t cut_tokens = 0;       ///< tokens cut off by truncate
    std::int64_t valid_targets = 0;    ///< targets of the samples kept
    std::int64_t too_short = 0;        ///< of `dropped`: below min_sample_len
    std::int64_t without_targets = 0;  ///< of `dropped`: no token is a target
    std::int64_t duplicates = 0;       ///< of `dropped`: dataset_exact_deduplication
    std::int64_t without_end = 0;  ///< conversations that train no end of a turn, kept
    std::int64_t padding = 0;  ///< ids that an attention_mask removed; counted only here
    std::int64_t as_ids = 0;  ///< rows of ids that are read as tokens by their keys alone
    std::int64_t unused_marks = 0;     ///< messages with a weight that no key names
    std::int64_t held_out = 0;         ///< samples of val_set_size, not in `samples`
    std::int64_t held_out_tokens = 0;  ///< their tokens

    friend bool operator==(const dataset_report&, const dataset_report&) = default;

    /// Rows longer than sequence_len that were left out.
    [[nodiscard]] std::int64_t too_long() const {
        return dropped - too_short - without_targets - duplicates;
    }
};

/// "data: 4 samples, 100 tokens, 90 targets; 0 dropped, 0 truncated, 0 split, 0 empty".
[[nodiscard]] std::string summary_of(const dataset_report& report);

/// A sentence for each way in which samples or tokens were lost.
[[nodiscard]] std::vector<std::string> warnings_of(const dataset_report& report,
                                                   const train_config& config);

/// Why no sample is left: "no sample is left of 2 rows, 2 are empty".
[[nodiscard]] std::string nothing_left(const dataset_report& report,
                                       const train_config& config);

}  // namespace packkit::train
