// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Lengths and rows that tests of the distributed plan share.

#include <packkit/model/document_cost.hpp>
#include <packkit/sampling/plan_reader.hpp>
#include <packkit/utility/random.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace distributed_plan_cases {

using packkit::attention_cost;
using packkit::cursor;
using packkit::plan_reader;
using rows = std::vector<std::vector<std::uint32_t>>;

inline constexpr attention_cost some_cost = {100, 1};

/// Lengths in [1, capacity], more short ones than long: integer arithmetic only.
inline std::vector<std::int32_t> skewed_lengths(std::size_t n, std::int32_t capacity,
                                                std::uint64_t seed) {
    std::vector<std::int32_t> lengths(n, 0);
    for (std::size_t i = 0; i < n; ++i) {
        const auto below = packkit::random_below(64, seed, i, 1) + 1;
        const auto most = static_cast<std::uint64_t>(capacity) * below / 64 + 1;
        lengths[i] =
            std::min(capacity,
                     static_cast<std::int32_t>(packkit::random_below(most, seed, i) + 1));
    }
    return lengths;
}

/// All rows of a step, as `ranks` ranks read them, without the empty ones, sorted.
template <class Cost>
rows rows_of_step(plan_reader<Cost>& reader, cursor at) {
    rows all;
    for (std::size_t micro = 0; micro < reader.micro_steps(); ++micro) {
        for (std::size_t rank = 0; rank < reader.ranks(); ++rank) {
            auto row = reader.row(at, micro, rank);
            if (!row.empty()) all.push_back(std::move(row));
        }
    }
    std::sort(all.begin(), all.end());
    return all;
}

inline std::vector<std::uint32_t> all_samples(std::size_t n) {
    std::vector<std::uint32_t> samples(n, 0);
    std::iota(samples.begin(), samples.end(), 0U);
    return samples;
}

}  // namespace distributed_plan_cases
