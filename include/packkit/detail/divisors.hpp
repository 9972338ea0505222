// SPDX-License-Identifier: Apache-2.0
/// @file
/// Divisors of whole numbers, and a list of them for messages.
#pragma once

#include <packkit/error.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace packkit::detail {

/// Divisors of n > 0, ascending. O(sqrt n).
[[nodiscard]] constexpr std::vector<std::int64_t> divisors(std::int64_t n) {
    std::vector<std::int64_t> found;
    for (std::int64_t d = 1; d <= n / d; ++d) {
        if (n % d != 0) continue;
        found.push_back(d);
        if (d != n / d) found.push_back(n / d);
    }
    std::sort(found.begin(), found.end());
    return found;
}

/// "1, 2, 4, 8"
[[nodiscard]] inline std::string divisor_list(std::int64_t n) {
    std::string text;
    for (const std::int64_t d : divisors(n)) {
        text += message(text.empty() ? "" : ", ", d);
    }
    return text;
}

}  // namespace packkit::detail

namespace packkit {
using detail::divisor_list;
}  // namespace packkit
