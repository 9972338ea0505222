// SPDX-License-Identifier: Apache-2.0
/// @file
/// Σ l² of documents of l tokens: the entries of the attention matrices of a packed row,
/// in which every document attends to itself alone.
#pragma once

#include <concepts>

namespace packkit {

/// Σ l² of `documents` documents of `length` tokens each, exact while the type is.
template <class Number>
    requires std::integral<Number> || std::floating_point<Number>
[[nodiscard]] constexpr Number squared_lengths(Number length, Number documents = 1) {
    return documents * length * length;
}

}  // namespace packkit
