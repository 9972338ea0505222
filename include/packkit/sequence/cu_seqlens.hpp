// SPDX-License-Identifier: Apache-2.0
/// @file
/// Where documents begin in a packed row, and what follows from it: position ids
/// and sequence ids of the attention mask.
///
/// `cu_seqlens` is what varlen attention takes: int32, one more value than documents,
/// from 0, document `d` at positions [cu_seqlens[d], cu_seqlens[d + 1]). A row may be
/// longer than its documents; the rest is padding. Each function that returns a vector
/// has a form that writes into the caller's buffer. All are usable in constant
/// expressions.
#pragma once

#include <packkit/concepts.hpp>
#include <packkit/error.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace packkit {

/// How the attention mask marks the documents of a row.
enum class mask_version {
    v1,  ///< 1 at every token: documents are told apart by position ids alone
    v2,  ///< 1, 2, 3, ... by document
};

namespace detail {

/// Throws unless these are boundaries of documents; else the tokens they cover.
constexpr std::size_t check_cu_seqlens(std::span<const std::int32_t> cu_seqlens) {
    if (cu_seqlens.empty()) {
        throw_invalid_argument(
            "cu_seqlens is empty, it must hold at least the 0 at its start");
    }
    if (cu_seqlens.front() != 0) {
        throw_invalid_argument("cu_seqlens[0] is ", cu_seqlens.front(), ", it must be 0");
    }
    for (std::size_t d = 1; d < cu_seqlens.size(); ++d) {
        if (cu_seqlens[d] < cu_seqlens[d - 1]) {
            throw_invalid_argument("cu_seqlens[", d, "] is ", cu_seqlens[d],
                                   ", less than the ", cu_seqlens[d - 1], " before it");
        }
    }
    return static_cast<std::size_t>(cu_seqlens.back());
}

constexpr void check_row(std::size_t tokens, std::size_t row_length) {
    if (row_length < tokens) {
        throw_invalid_argument("a row of ", row_length, " tokens, but cu_seqlens covers ",
                               tokens);
    }
}

}  // namespace detail

/// Writes the boundaries of documents of these lengths: `size + 1` values, from 0.
/// Lengths of 0 are allowed: a rank's slice of a row may hold nothing of a document.
/// O(documents).
/// @returns the iterator past the last value
/// @throws invalid_argument for a negative length, or a sum beyond int32
template <class Lengths, std::output_iterator<std::int32_t> Out>
    requires length_range<const Lengths&>
constexpr Out cu_seqlens(const Lengths& lengths, Out out) {
    std::int32_t end = 0;
    std::size_t document = 0;
    *out++ = end;
    for (const auto length : lengths) {
        if (std::cmp_less(length, 0)) {
            detail::throw_invalid_argument("document ", document, " has length ", length,
                                           ", lengths must not be negative");
        }
        if (std::cmp_greater(length, std::numeric_limits<std::int32_t>::max() - end)) {
            detail::throw_invalid_argument("document ", document, " ends at ", end, " + ",
                                           length, ", cu_seqlens is int32 and reaches ",
                                           std::numeric_limits<std::int32_t>::max());
        }
        end = static_cast<std::int32_t>(end + static_cast<std::int32_t>(length));
        *out++ = end;
        ++document;
    }
    return out;
}

/// The boundaries of documents of these lengths: {3, 2} gives {0, 3, 5}.
/// @throws invalid_argument as above
template <class Lengths>
    requires length_range<const Lengths&>
[[nodiscard]] constexpr std::vector<std::int32_t> cu_seqlens(const Lengths& lengths) {
    std::vector<std::int32_t> out;
    out.reserve(static_cast<std::size_t>(std::ranges::size(lengths)) + 1);
    cu_seqlens(lengths, std::back_inserter(out));
    return out;
}

/// Length of the longest document; 0 for none.
/// @throws invalid_argument unless the boundaries start at 0 and never decrease
[[nodiscard]] constexpr std::int32_t max_seqlen(
    std::span<const std::int32_t> cu_seqlens) {
    detail::check_cu_seqlens(cu_seqlens);
    std::int32_t longest = 0;
    for (std::size_t d = 1; d < cu_seqlens.size(); ++d) {
        longest = std::max(longest, cu_seqlens[d] - cu_seqlens[d - 1]);
    }
    return longest;
}

/// Writes the position ids of a row of `out.size()` tokens: 0, 1, 2, ... from 0 again at
/// each document. Padding counts from 0 as a document of its own. O(row).
/// @throws invalid_argument for wrong boundaries, or a row shorter than its documents
template <std::integral T>
constexpr void position_ids(std::span<const std::int32_t> cu_seqlens, std::span<T> out) {
    const std::size_t tokens = detail::check_cu_seqlens(cu_seqlens);
    detail::check_row(tokens, out.size());
    std::size_t at = 0;
    const auto count_to = [&at, out](std::size_t end) {
        for (std::size_t position = 0; at < end; ++at, ++position) {
            out[at] = static_cast<T>(position);
        }
    };
    for (const std::int32_t end : cu_seqlens)
        count_to(static_cast<std::size_t>(end));
    count_to(out.size());
}

/// The position ids of a row; `row_length` 0: as long as its documents.
/// @throws invalid_argument as above
template <std::integral T = std::int64_t>
[[nodiscard]] constexpr std::vector<T> position_ids(
    std::span<const std::int32_t> cu_seqlens, std::size_t row_length = 0) {
    const std::size_t tokens = detail::check_cu_seqlens(cu_seqlens);
    std::vector<T> out(row_length == 0 ? tokens : row_length, T{});
    position_ids(cu_seqlens, std::span<T>(out));
    return out;
}

/// Writes the attention mask of a row of `out.size()` tokens, one value a token: with
/// `v1` 1 in every document, with `v2` 1, 2, 3, ... by document; 0 at padding. A document
/// without tokens takes no number. O(row).
/// @throws invalid_argument for wrong boundaries, or a row shorter than its documents
template <std::integral T>
constexpr void sequence_ids(std::span<const std::int32_t> cu_seqlens,
                            mask_version version, std::span<T> out) {
    const std::size_t tokens = detail::check_cu_seqlens(cu_seqlens);
    detail::check_row(tokens, out.size());
    std::size_t at = 0;
    T id = 0;
    for (const std::int32_t boundary : cu_seqlens) {
        const auto end = static_cast<std::size_t>(boundary);
        if (at < end && (id == 0 || version == mask_version::v2)) {
            if (id == std::numeric_limits<T>::max()) {
                detail::throw_invalid_argument(
                    "sequence ids reach ", id,
                    " at the most in this type, and there are more "
                    "documents");
            }
            ++id;
        }
        for (; at < end; ++at)
            out[at] = id;
    }
    for (; at < out.size(); ++at)
        out[at] = 0;
}

/// The attention mask of a row; `row_length` 0: as long as its documents.
/// @throws invalid_argument as above
template <std::integral T = std::int64_t>
[[nodiscard]] constexpr std::vector<T> sequence_ids(
    std::span<const std::int32_t> cu_seqlens, mask_version version,
    std::size_t row_length = 0) {
    const std::size_t tokens = detail::check_cu_seqlens(cu_seqlens);
    std::vector<T> out(row_length == 0 ? tokens : row_length, T{});
    sequence_ids(cu_seqlens, version, std::span<T>(out));
    return out;
}

/// The tokens of a batch without its padding, as varlen attention takes them.
struct unpadded_rows {
    std::vector<std::int64_t> indices;     ///< of tokens that are not padding, ascending
    std::vector<std::int32_t> cu_seqlens;  ///< boundaries over those tokens
    std::int32_t max_seqlen = 0;           ///< the longest document

    friend bool operator==(const unpadded_rows&, const unpadded_rows&) = default;
};

/// What `get_unpad_data` of Axolotl's multipack gives for a batch of rows of `row_length`
/// tokens (0: one row), whose sequence ids lie one row after another: a document is a run
/// of equal ids inside a row, 0 is padding. With `v1` ids each row is one document.
/// @throws invalid_argument if the rows do not divide the ids, or tokens exceed int32
template <std::ranges::contiguous_range Ids>
    requires std::integral<std::ranges::range_value_t<Ids>>
[[nodiscard]] constexpr unpadded_rows unpad(const Ids& sequence_ids,
                                            std::size_t row_length = 0) {
    const std::span ids(std::ranges::data(sequence_ids), std::ranges::size(sequence_ids));
    const std::size_t row =
        row_length == 0 ? std::max<std::size_t>(ids.size(), 1) : row_length;
    if (ids.size() % row != 0) {
        detail::throw_invalid_argument(ids.size(), " sequence ids are no rows of ", row);
    }
    if (std::cmp_greater(ids.size(), std::numeric_limits<std::int32_t>::max())) {
        detail::throw_invalid_argument(ids.size(),
                                       " tokens, cu_seqlens is int32 and reaches ",
                                       std::numeric_limits<std::int32_t>::max());
    }
    unpadded_rows out;
    std::int32_t length = 0;
    const auto close = [&out, &length] {
        if (length == 0) return;
        out.cu_seqlens.push_back(out.cu_seqlens.back() + length);
        out.max_seqlen = std::max(out.max_seqlen, length);
        length = 0;
    };
    out.cu_seqlens.push_back(0);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (i % row == 0 || ids[i] != ids[i - 1]) close();
        if (ids[i] == 0) continue;
        out.indices.push_back(static_cast<std::int64_t>(i));
        ++length;
    }
    close();
    return out;
}

/// The boundaries alone, of one row: the inverse of `sequence_ids` with `v2`, but for
/// documents without tokens.
/// @throws invalid_argument as `unpad`
template <std::ranges::contiguous_range Ids>
    requires std::integral<std::ranges::range_value_t<Ids>>
[[nodiscard]] constexpr std::vector<std::int32_t> cu_seqlens_from_sequence_ids(
    const Ids& sequence_ids) {
    return unpad(sequence_ids).cu_seqlens;
}

}  // namespace packkit
