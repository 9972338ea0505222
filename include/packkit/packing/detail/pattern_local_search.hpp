// SPDX-License-Identifier: Apache-2.0
/// @file
/// Local search for the last bins: full bins are opened again where their items and some
/// of those left over make two full bins.
#pragma once

#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/detail/pattern_plan.hpp>
#include <packkit/packing/detail/pattern_search.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <utility>
#include <vector>

namespace packkit::detail {

/// Which bins the pool takes its items from.
enum class pool_choice {
    wasteful,  ///< those that waste most
    mixed,  ///< in turn of those and of those that waste least: the former tend to lack
            ///< short items and the latter long ones
};

/// Closed bins and a pool of items. Deterministic: work is counted, not timed.
///
/// A closed bin Q = S + T + U gives way to S + F and T + G, where F and G are one or two
/// items of the pool each that fill exactly what S and T leave; U joins the pool. That is
/// one bin more closed with no waste. Where there is none, Q gives way to S + F and the
/// pool gets T: no gain, but another pool.
class pattern_polish {
public:
    pattern_polish(const pattern_list& patterns, std::uint32_t capacity,
                   std::uint32_t bin_size, std::size_t bound, pool_choice choice)
        : capacity_(capacity),
          bin_size_(bin_size),
          most_items_(bin_size == 0 ? std::numeric_limits<std::uint32_t>::max()
                                    : bin_size),
          bound_(bound),
          choice_(choice),
          single_(capacity + std::size_t{1}, none),
          pairs_(capacity + std::size_t{1}, pair_slots{}) {
        split(patterns);
    }

    /// Searches for about `steps` looks at a bin; the patterns found.
    [[nodiscard]] pattern_list run(std::uint64_t steps) {
        pattern_list rest = pack_pool();
        index_pool();
        std::size_t without_gain = 0;
        std::size_t at = 0;
        while (steps > 0 && closed_.bins() + rest.bins() > bound_ && pool_.size() > 1 &&
               !closed_.entries().empty()) {
            const std::size_t entries = closed_.entries().size();
            at = (at + 1) % entries;
            --steps;
            if (++without_gain > std::min<std::size_t>(entries, 4000)) {
                if (!change_pool(steps)) break;
                without_gain = 0;
                continue;
            }
            if (closed_.entries()[at].bins == 0 || !gain(at)) continue;
            without_gain = 0;
            if (pool_.size() <= most_pool / 2 && fill_pool()) {
                index_pool();
            } else if (pool_.size() <= 60) {
                rest = pack_pool();
                steps -= std::min<std::uint64_t>(steps, capacity_ / 16);
            }
        }
        rest = pack_pool();
        pattern_list all;
        append(all, closed_);
        append(all, rest);
        return all;
    }

private:
    using index = std::uint16_t;
    static constexpr index none = 0xffff;
    static constexpr std::size_t most_pool = 240;
    static constexpr std::size_t most_in_bin = 6;
    static constexpr std::size_t slots = 3;

    struct item_pair {
        index a = none;
        index b = none;
    };
    using pair_slots = std::array<item_pair, slots>;

    /// Closes all bins but the most wasteful, which go into the pool.
    void split(const pattern_list& patterns) {
        append(closed_, patterns);
        const auto& entries = closed_.entries();
        for (std::size_t e = 0; e < entries.size(); ++e) {
            if (entries[e].room > 0) wasteful_.push_back(e);
        }
        std::sort(wasteful_.begin(), wasteful_.end(), [&](std::size_t a, std::size_t b) {
            return std::pair(entries[a].room, a) < std::pair(entries[b].room, b);
        });
        fill_pool();
    }

    /// Opens closed bins with room until the pool has enough items.
    bool fill_pool() {
        bool opened = false;
        for (std::size_t turn = 0; !wasteful_.empty(); ++turn) {
            const bool most = choice_ == pool_choice::wasteful || turn % 2 == 0;
            const std::size_t at = most ? wasteful_.back() : wasteful_.front();
            const pattern_list::entry& e = closed_.entries()[at];
            if (e.bins > 0) {
                std::size_t items = 0;
                for (const pattern_part& part : closed_.parts_of(e))
                    items += part.per_bin;
                if (pool_.size() + items > most_pool) break;
                for (const pattern_part& part : closed_.parts_of(e))
                    pool_.insert(pool_.end(), part.per_bin, part.length);
                closed_.remove(at, 1);
                opened = true;
            }
            if (e.bins > 0) continue;
            if (most) {
                wasteful_.pop_back();
            } else {
                wasteful_.pop_front();
            }
        }
        return opened;
    }

    /// The pool in as few bins as the simple ways find.
    [[nodiscard]] pattern_list pack_pool() const {
        if (pool_.empty()) return {};
        length_counts counts;
        counts.samples = pool_.size();
        counts.count.assign(capacity_ + std::size_t{1}, 0);
        for (const std::uint32_t length : pool_)
            ++counts.count[length];
        const std::size_t least = bound_ > closed_.bins() ? bound_ - closed_.bins() : 1;
        pattern_list best = patterns_of(
            plan_first_fit_decreasing(counts, capacity_, bin_size_), capacity_);
        if (best.bins() <= least) return best;
        std::uint64_t nodes = 20'000;
        pattern_list other =
            search_patterns(counts, capacity_, bin_size_, pattern_choice::longest, nodes);
        if (other.bins() < best.bins()) best = std::move(other);
        if (best.bins() > least && pool_.size() <= few_items) {
            other = pack_few(counts, capacity_, bin_size_, least, best.bins(), 2000);
            if (other.bins() > 0) best = std::move(other);
        }
        return best;
    }

    /// Which items and pairs of the pool have which sum.
    void index_pool() {
        for (const std::uint32_t sum : sums_) {
            single_[sum] = none;
            pairs_[sum] = pair_slots{};
        }
        sums_.clear();
        for (std::size_t a = 0; a < pool_.size(); ++a) {
            sums_.push_back(pool_[a]);
            single_[pool_[a]] = static_cast<index>(a);
            for (std::size_t b = a + 1; b < pool_.size(); ++b) {
                const std::uint32_t sum = pool_[a] + pool_[b];
                if (sum > capacity_) continue;
                sums_.push_back(sum);
                for (item_pair& slot : pairs_[sum]) {
                    if (slot.a != none) continue;
                    slot = {static_cast<index>(a), static_cast<index>(b)};
                    break;
                }
            }
        }
    }

    /// The items of a closed bin; none if there are too many.
    [[nodiscard]] std::size_t items_of(
        std::size_t at, std::array<std::uint32_t, most_in_bin>& items) const {
        std::size_t count = 0;
        for (const pattern_part& part : closed_.parts_of(closed_.entries()[at])) {
            for (std::uint32_t k = 0; k < part.per_bin; ++k) {
                if (count == most_in_bin) return 0;
                items[count++] = part.length;
            }
        }
        return count;
    }

    /// A part of a bin with what fills it up.
    struct filling {
        unsigned mask = 0;
        item_pair with;
    };

    /// Every part of the bin that one or two items of the pool fill up.
    void find_fillings(std::span<const std::uint32_t> items,
                       std::vector<filling>& found) const {
        found.clear();
        const unsigned all = (1U << items.size()) - 1;
        for (unsigned mask = 1; mask < all; ++mask) {
            std::uint32_t room = capacity_;
            std::uint32_t kept = 0;
            for (std::size_t i = 0; i < items.size(); ++i) {
                if ((mask >> i & 1U) == 0) continue;
                room -= items[i];
                ++kept;
            }
            if (kept + 1 <= most_items_ && single_[room] != none)
                found.push_back({mask, {single_[room], none}});
            if (kept + 2 > most_items_) continue;
            for (const item_pair& pair : pairs_[room]) {
                if (pair.a != none) found.push_back({mask, pair});
            }
        }
    }

    [[nodiscard]] static bool disjoint(const item_pair& a, const item_pair& b) {
        return a.a != b.a && a.a != b.b && (a.b == none || (a.b != b.a && a.b != b.b));
    }

    /// Closes one bin more by opening the bins of entry `at`, if that can be.
    bool gain(std::size_t at) {
        std::array<std::uint32_t, most_in_bin> items{};
        const std::size_t count = items_of(at, items);
        if (count < 2) return false;
        const std::span<const std::uint32_t> bin(items.data(), count);
        find_fillings(bin, fillings_);
        for (std::size_t f = 0; f < fillings_.size(); ++f) {
            for (std::size_t g = f + 1; g < fillings_.size(); ++g) {
                const filling& one = fillings_[f];
                const filling& two = fillings_[g];
                if ((one.mask & two.mask) != 0 || !disjoint(one.with, two.with)) continue;
                replace(at, bin, std::array{one, two});
                return true;
            }
        }
        return false;
    }

    /// Swaps some items with the pool, from bins picked in a fixed irregular order.
    bool change_pool(std::uint64_t& steps) {
        const std::size_t entries = closed_.entries().size();
        int changes = 0;
        for (std::size_t tries = 0; tries < 400 && changes < 4 && steps > 0; ++tries) {
            --steps;
            const std::size_t at = draw() % entries;
            std::array<std::uint32_t, most_in_bin> items{};
            if (closed_.entries()[at].bins == 0) continue;
            const std::size_t count = items_of(at, items);
            if (count < 2) continue;
            const std::span<const std::uint32_t> bin(items.data(), count);
            find_fillings(bin, fillings_);
            if (fillings_.empty()) continue;
            const filling one = fillings_[draw() % fillings_.size()];
            if (pool_.size() + count > most_pool + 20) continue;
            replace(at, bin, std::array{one});
            ++changes;
        }
        return changes > 0;
    }

    template <std::size_t Count>
    void replace(std::size_t at, std::span<const std::uint32_t> items,
                 const std::array<filling, Count>& with) {
        closed_.remove(at, 1);
        unsigned used = 0;
        std::vector<index> gone;
        for (const filling& f : with) {
            used |= f.mask;
            std::vector<std::uint32_t> lengths;
            for (std::size_t i = 0; i < items.size(); ++i) {
                if ((f.mask >> i & 1U) != 0) lengths.push_back(items[i]);
            }
            for (const index i : {f.with.a, f.with.b}) {
                if (i == none) continue;
                lengths.push_back(pool_[i]);
                gone.push_back(i);
            }
            close(lengths);
        }
        for (std::size_t i = 0; i < items.size(); ++i) {
            if ((used >> i & 1U) == 0) pool_.push_back(items[i]);
        }
        std::sort(gone.rbegin(), gone.rend());
        for (const index i : gone)
            pool_.erase(pool_.begin() + i);
        index_pool();
    }

    void close(std::vector<std::uint32_t>& lengths) {
        std::sort(lengths.rbegin(), lengths.rend());
        std::vector<pattern_part> parts;
        for (const std::uint32_t length : lengths) {
            if (parts.empty() || parts.back().length != length)
                parts.push_back({length, 0});
            ++parts.back().per_bin;
        }
        closed_.add(1, 0, parts);
    }

    /// A linear congruential generator: the same numbers everywhere.
    std::size_t draw() {
        state_ = state_ * 6364136223846793005U + 1442695040888963407U;
        return static_cast<std::size_t>(state_ >> 33);
    }

    std::uint32_t capacity_;
    std::uint32_t bin_size_;
    std::uint32_t most_items_;
    std::size_t bound_;
    pool_choice choice_;
    pattern_list closed_;
    std::deque<std::size_t> wasteful_;  // closed entries with room, the most room last
    std::vector<std::uint32_t> pool_;
    std::vector<index> single_;
    std::vector<pair_slots> pairs_;
    std::vector<std::uint32_t> sums_;  // that occur in the two
    std::vector<filling> fillings_;
    std::uint64_t state_ = 1;
};

}  // namespace packkit::detail
