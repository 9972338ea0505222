// SPDX-License-Identifier: Apache-2.0
/// @file
/// Packing some bins anew: those without a long item and those that waste most.
#pragma once

#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/detail/pattern_plan.hpp>
#include <packkit/packing/detail/pattern_search.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

namespace packkit::detail {

/// FFD leaves its waste to the bins it opens last and to those that found nothing more of
/// the right length. Their items together, searched for full bins, often take fewer.
class pattern_repack {
public:
    pattern_repack(pattern_list patterns, std::uint32_t capacity, std::uint32_t bin_size,
                   std::size_t bound)
        : capacity_(capacity), bin_size_(bin_size), bound_(bound) {
        take(std::move(patterns));
    }

    /// Tries parts of several sizes and takes the best, until none is better or after
    /// `rounds`; `nodes`: steps of all searches together.
    [[nodiscard]] pattern_list run(int rounds, std::uint64_t nodes) {
        while (rounds-- > 0 && best_.bins() > bound_) {
            pattern_list better;
            std::size_t fewest = best_.bins();
            for (std::size_t bins = 40; bins < 2 * best_.bins() && bins < 30'000;
                 bins += bins / 2) {
                for (const std::size_t wasteful : {0U, 200U, 1000U}) {
                    if (nodes == 0) break;
                    pattern_list other = without(bins, wasteful, nodes);
                    if (other.bins() >= fewest) continue;
                    fewest = other.bins();
                    better = std::move(other);
                }
            }
            if (better.bins() == 0) break;
            take(std::move(better));
        }
        return std::move(best_);
    }

private:
    void take(pattern_list patterns) {
        best_ = std::move(patterns);
        const auto& entries = best_.entries();
        order_.resize(entries.size());
        std::iota(order_.begin(), order_.end(), std::size_t{0});
        std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
            return std::pair(longest(entries[a]), a) < std::pair(longest(entries[b]), b);
        });
        rooms_.clear();
        for (const pattern_list::entry& e : entries) {
            if (e.room > 0 && e.bins > 0) rooms_.emplace_back(e.room, e.bins);
        }
        std::sort(rooms_.begin(), rooms_.end(), std::greater<>{});
    }

    [[nodiscard]] std::uint32_t longest(const pattern_list::entry& e) const {
        return best_.parts_of(e).front().length;
    }

    /// The least room of the `wasteful` bins that have the most, or more than any has.
    [[nodiscard]] std::uint32_t room_of(std::size_t wasteful) const {
        std::uint32_t room = capacity_;
        for (const auto& [r, bins] : rooms_) {
            if (wasteful < bins) return wasteful == 0 ? room : r;
            wasteful -= bins;
            room = r;
        }
        return room;
    }

    /// The packing with `bins` bins of the shortest longest items, and about `wasteful`
    /// others, packed anew.
    [[nodiscard]] pattern_list without(std::size_t bins, std::size_t wasteful,
                                       std::uint64_t& nodes) const {
        const std::uint32_t room = room_of(wasteful);
        length_counts pool;
        pool.count.assign(capacity_ + std::size_t{1}, 0);
        pattern_list kept;
        for (const std::size_t at : order_) {
            const pattern_list::entry& e = best_.entries()[at];
            const bool all = wasteful > 0 && e.room >= room;
            const auto taken =
                all ? e.bins
                    : static_cast<std::uint32_t>(std::min<std::size_t>(bins, e.bins));
            const auto parts = best_.parts_of(e);
            for (const pattern_part& part : parts)
                pool.count[part.length] += part.per_bin * taken;
            if (!all) bins -= taken;
            if (e.bins > taken) kept.add(e.bins - taken, e.room, parts);
        }
        const std::uint64_t given = std::min<std::uint64_t>(nodes, 300'000);
        std::uint64_t left = given;
        append(kept, search_patterns(pool, capacity_, bin_size_, pattern_choice::longest,
                                     left));
        // Counting and copying cost too.
        const std::uint64_t work = given - left + capacity_ / 8 + order_.size();
        nodes -= std::min(nodes, work);
        return kept;
    }

    std::uint32_t capacity_;
    std::uint32_t bin_size_;
    std::size_t bound_;
    pattern_list best_;
    std::vector<std::size_t> order_;  // of entries by their longest item
    std::vector<std::pair<std::uint32_t, std::uint32_t>> rooms_;  // with bins
};

}  // namespace packkit::detail
