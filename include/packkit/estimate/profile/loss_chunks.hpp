// SPDX-License-Identifier: Apache-2.0
/// @file
/// How packkit-train cuts head and loss into pieces; its memory is predicted from the
/// same numbers.
#pragma once

#include <cstdint>

namespace packkit {

/// Rows (tokens) whose logits exist at once. Fewer of them read and write the head's
/// weight and its gradient more often than matrix products of that many rows can hide;
/// 256 rows of logits are as large as the weight of a model with hidden_size 256, and a
/// sixteenth of that of one with 4096.
inline constexpr std::int64_t loss_chunk_rows = 256;

/// Parts of the vocabulary that threads work on, whatever their number: each has a sum
/// of its own for the gradient of the rows, so that the bits do not depend on threads.
inline constexpr std::int64_t loss_slices = 16;

/// Tokens of the vocabulary whose logits a thread makes at once: a block stays in the
/// cache from its logits to what their gradient is multiplied by.
inline constexpr std::int64_t loss_block_tokens = 512;

}  // namespace packkit
