// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Suggestions for misspelt names of options, keys and algorithms.

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {

/// Edits that lead from `a` to `b`: insert, delete, replace a byte, or swap two
/// neighbours (optimal string alignment). O(|a|·|b|) time.
[[nodiscard]] inline std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);  // row i - 2
    std::vector<std::size_t> above(b.size() + 1);   // row i - 1
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(above.begin(), above.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replace = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, replace});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before[j - 2] + 1);
            }
        }
        before.swap(above);
        above.swap(row);
    }
    return above[b.size()];
}

/// The candidate nearest to `name`, or an empty string when none is near enough: at most
/// one edit in three bytes, at least one allowed, or else the first that begins with
/// `name`, if that has three bytes. Upper case, '-' and '_' make no difference. Of
/// equally near candidates the first wins. `candidates`: any range whose elements convert
/// to std::string_view.
template <class Candidates>
[[nodiscard]] std::string closest_name(std::string_view name,
                                       const Candidates& candidates) {
    const auto folded = [](std::string_view text) {
        std::string result(text);
        for (char& c : result) {
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
            if (c == '-') c = '_';
        }
        return result;
    };
    const std::string wanted = folded(name);
    std::string best;
    std::string begins_so;
    std::size_t best_distance = std::max<std::size_t>(1, wanted.size() / 3) + 1;
    for (const auto& candidate : candidates) {
        const std::string_view view = candidate;
        const std::string known = folded(view);
        if (begins_so.empty() && wanted.size() >= 3 && known.starts_with(wanted))
            begins_so = view;
        const std::size_t distance = edit_distance(wanted, known);
        if (distance < best_distance) {
            best_distance = distance;
            best = view;
        }
    }
    return best.empty() ? begins_so : best;
}

/// The tail of a message: "; did you mean 'best_fit'?", or "" when nothing is near.
template <class Candidates>
[[nodiscard]] std::string did_you_mean(std::string_view name,
                                       const Candidates& candidates) {
    const std::string best = closest_name(name, candidates);
    return best.empty() ? std::string() : "; did you mean '" + best + "'?";
}

/// "a, b, c": the candidates for a message that lists what is known.
template <class Candidates>
[[nodiscard]] std::string name_list(const Candidates& candidates) {
    std::string list;
    for (const auto& candidate : candidates) {
        if (!list.empty()) list += ", ";
        list += std::string_view(candidate);
    }
    return list;
}

}  // namespace packkit::app
