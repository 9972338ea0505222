// SPDX-License-Identifier: Apache-2.0
/// @file
/// Between patterns and plans, and the simple ways to pack what patterns leave over.
#pragma once

#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/best_fit_decreasing.hpp>
#include <packkit/packing/detail/exact_packing.hpp>
#include <packkit/packing/detail/pattern_search.hpp>
#include <packkit/packing/first_fit_decreasing.hpp>
#include <packkit/packing/packing_plan.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace packkit::detail {

/// The bins of a plan as patterns.
[[nodiscard]] inline pattern_list patterns_of(const packing_plan& plan,
                                              std::uint32_t capacity) {
    pattern_list patterns;
    std::vector<placement> chain;
    std::vector<pattern_part> parts;
    for (const bin_run& run : plan.runs()) {
        plan.placements_of(run, chain);
        parts.clear();
        std::uint32_t room = capacity;
        for (const placement& p : chain) {
            room -= p.length * p.per_bin;
            if (!parts.empty() && parts.back().length == p.length) {
                parts.back().per_bin += p.per_bin;
            } else {
                parts.push_back({p.length, p.per_bin});
            }
        }
        patterns.add(run.bins, room, parts);
    }
    return patterns;
}

/// The plan with these bins, in their order.
[[nodiscard]] inline packing_plan plan_of(const pattern_list& patterns,
                                          std::uint32_t capacity) {
    std::vector<std::uint32_t> next(capacity + std::size_t{1}, 0);
    std::vector<bin_run> runs;
    std::vector<placement> placements;
    std::uint32_t first_bin = 0;
    for (const pattern_list::entry& e : patterns.entries()) {
        if (e.bins == 0) continue;
        std::uint32_t items = 0;
        auto before = static_cast<std::uint32_t>(placements.size());
        for (const pattern_part& part : patterns.parts_of(e)) {
            const auto number = static_cast<std::uint32_t>(placements.size());
            placements.push_back(
                {part.length, part.per_bin, first_bin, next[part.length], before});
            next[part.length] += e.bins * part.per_bin;
            items += part.per_bin;
            before = number;
        }
        runs.push_back({first_bin, e.bins, before, items});
        first_bin += e.bins;
    }
    return {std::move(runs), std::move(placements)};
}

inline void append(pattern_list& to, const pattern_list& from) {
    for (const pattern_list::entry& e : from.entries()) {
        if (e.bins > 0) to.add(e.bins, e.room, from.parts_of(e));
    }
}

/// Bins by patterns, and by FFD what the search has left for want of steps, which are
/// counted down.
[[nodiscard]] inline pattern_list search_patterns(const length_counts& counts,
                                                  std::uint32_t capacity,
                                                  std::uint32_t bin_size,
                                                  pattern_choice choice,
                                                  std::uint64_t& most_nodes) {
    pattern_list patterns;
    pattern_search search(counts.count, capacity, bin_size);
    search.run(choice, 1000, most_nodes, patterns);
    append(patterns,
           patterns_of(plan_first_fit_decreasing({search.left(), 0}, capacity, bin_size),
                       capacity));
    return patterns;
}

/// Most samples that are packed by exhaustive search.
inline constexpr std::size_t few_items = 40;

/// Bins of a few items if a packing into fewer than `below` bins, but no fewer than
/// `bound`, is found; else none. `lengths` descending; bins in `bin_of`.
[[nodiscard]] constexpr std::size_t pack_few(std::span<const std::int64_t> lengths,
                                             std::int64_t capacity, std::size_t bin_size,
                                             std::size_t bound, std::size_t below,
                                             std::uint64_t nodes,
                                             std::vector<std::uint32_t>& bin_of) {
    bin_completion search(lengths, capacity, bin_size);
    for (std::size_t bins = bound; bins < below; ++bins) {
        if (!search.packs_into(bins, nodes)) continue;
        bin_of = search.bin_of();
        return bins;
    }
    return below;
}

/// The same for counted lengths; the patterns, or none if no packing was found.
[[nodiscard]] inline pattern_list pack_few(const length_counts& counts,
                                           std::uint32_t capacity, std::uint32_t bin_size,
                                           std::size_t bound, std::size_t below,
                                           std::uint64_t nodes) {
    std::vector<std::int64_t> lengths;
    for_each_length_descending(counts, [&](std::uint32_t length, std::uint32_t count) {
        lengths.insert(lengths.end(), count, std::int64_t{length});
    });
    std::vector<std::uint32_t> bin_of;
    pattern_list patterns;
    const std::size_t bins =
        pack_few(std::span<const std::int64_t>(lengths), std::int64_t{capacity}, bin_size,
                 bound, below, nodes, bin_of);
    if (bins >= below) return patterns;
    std::vector<pattern_part> parts;
    for (std::uint32_t bin = 0; bin < bins; ++bin) {
        parts.clear();
        std::uint32_t room = capacity;
        for (std::size_t i = 0; i < lengths.size(); ++i) {
            if (bin_of[i] != bin) continue;
            const auto length = static_cast<std::uint32_t>(lengths[i]);
            room -= length;
            if (!parts.empty() && parts.back().length == length) {
                ++parts.back().per_bin;
            } else {
                parts.push_back({length, 1});
            }
        }
        if (!parts.empty()) patterns.add(1, room, parts);
    }
    return patterns;
}

}  // namespace packkit::detail
