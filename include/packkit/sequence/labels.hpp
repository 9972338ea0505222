// SPDX-License-Identifier: Apache-2.0
/// @file
/// Labels of a packed row: shifted or masked inside each document, and counted.
/// All functions are usable in constant expressions.
#pragma once

#include <packkit/error.hpp>
#include <packkit/sequence/cu_seqlens.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <type_traits>
#include <vector>

namespace packkit {

/// Labels with this value are not predicted and do not count in the loss.
inline constexpr int default_ignore_index = -100;

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
