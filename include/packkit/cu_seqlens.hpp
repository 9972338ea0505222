// SPDX-License-Identifier: Apache-2.0
/// @file
/// Where documents begin in a packed row, and what follows from it: position ids,
/// sequence ids of the attention mask, and shifted labels.
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
#include <type_traits>
#include <utility>
#include <vector>

namespace packkit {

/// Labels with this value are not predicted and do not count in the loss.
inline constexpr int default_ignore_index = -100;

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

/// Writes the target of each position: the next label inside its document, `ignore_index`
/// at each document's last token and at padding. Cutting a row into slices for ranks
/// after the shift loses no target; before it, one a cut. O(row). `out` may be `labels`
/// itself.
/// @throws invalid_argument for wrong boundaries, a row shorter than its documents, or an
///   `out` of another size
template <class T>
constexpr void shift_labels(std::span<const std::type_identity_t<T>> labels,
                            std::span<const std::int32_t> cu_seqlens, std::span<T> out,
                            std::type_identity_t<T> ignore_index = default_ignore_index) {
    const std::size_t tokens = detail::check_cu_seqlens(cu_seqlens);
    if (labels.size() < tokens || out.size() != labels.size()) {
        detail::throw_invalid_argument("cu_seqlens covers ", tokens,
                                       " tokens, there are ", labels.size(),
                                       " labels and room for ", out.size(), " targets");
    }
    std::size_t at = 0;
    for (const std::int32_t boundary : cu_seqlens) {
        const auto end = static_cast<std::size_t>(boundary);
        for (; at < end; ++at)
            out[at] = at + 1 < end ? labels[at + 1] : ignore_index;
    }
    for (; at < out.size(); ++at)
        out[at] = ignore_index;
}

/// The target of each position of a row, as a vector.
/// @throws invalid_argument as above
template <std::ranges::contiguous_range Labels>
[[nodiscard]] constexpr auto shift_labels(
    const Labels& labels, std::span<const std::int32_t> cu_seqlens,
    std::ranges::range_value_t<Labels> ignore_index = default_ignore_index) {
    using value = std::ranges::range_value_t<Labels>;
    std::vector<value> out(std::ranges::size(labels), value{});
    shift_labels<value>(std::span<const value>(std::ranges::data(labels), out.size()),
                        cu_seqlens, std::span<value>(out), ignore_index);
    return out;
}

/// Labels for a model that shifts them itself: `ignore_index` at each document's first
/// token, which would else be predicted from the document before it, and at padding.
/// O(row).
/// @throws invalid_argument for wrong boundaries, or fewer labels than they cover
template <std::ranges::contiguous_range Labels>
[[nodiscard]] constexpr auto mask_first_labels(
    const Labels& labels, std::span<const std::int32_t> cu_seqlens,
    std::ranges::range_value_t<Labels> ignore_index = default_ignore_index) {
    const std::size_t tokens = detail::check_cu_seqlens(cu_seqlens);
    detail::check_row(tokens, std::ranges::size(labels));
    std::vector<std::ranges::range_value_t<Labels>> out(std::ranges::begin(labels),
                                                        std::ranges::end(labels));
    for (std::size_t d = 1; d < cu_seqlens.size(); ++d) {
        if (cu_seqlens[d] > cu_seqlens[d - 1])
            out[static_cast<std::size_t>(cu_seqlens[d - 1])] = ignore_index;
    }
    for (std::size_t i = tokens; i < out.size(); ++i)
        out[i] = ignore_index;
    return out;
}

/// How many targets (labels already shifted) count in the loss.
template <std::ranges::contiguous_range Targets>
[[nodiscard]] constexpr std::int64_t count_valid_targets(
    const Targets& targets,
    std::ranges::range_value_t<Targets> ignore_index = default_ignore_index) {
    std::int64_t count = 0;
    for (const auto target : targets)
        count += target != ignore_index ? 1 : 0;
    return count;
}

/// How many targets will count in the loss, from labels that are not shifted yet: the
/// valid ones but each document's first, which nothing predicts.
/// @throws invalid_argument for wrong boundaries, or fewer labels than they cover
template <std::ranges::contiguous_range Labels>
[[nodiscard]] constexpr std::int64_t count_valid_targets(
    const Labels& labels, std::span<const std::int32_t> cu_seqlens,
    std::ranges::range_value_t<Labels> ignore_index = default_ignore_index) {
    const std::size_t tokens = detail::check_cu_seqlens(cu_seqlens);
    if (std::ranges::size(labels) < tokens) {
        detail::throw_invalid_argument("cu_seqlens covers ", tokens,
                                       " tokens, there are ", std::ranges::size(labels),
                                       " labels");
    }
    const auto* label = std::ranges::data(labels);
    std::int64_t count = 0;
    for (std::size_t d = 1; d < cu_seqlens.size(); ++d) {
        for (std::int32_t i = cu_seqlens[d - 1] + 1; i < cu_seqlens[d]; ++i) {
            count += label[i] != ignore_index ? 1 : 0;
        }
    }
    return count;
}

}  // namespace packkit
