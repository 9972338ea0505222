// SPDX-License-Identifier: Apache-2.0
/// @file
/// Patterns: which lengths make a bin as full as can be, found over counted lengths.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace packkit::detail {

/// Samples of one length in a bin.
struct pattern_part {
    std::uint32_t length = 0;
    std::uint32_t per_bin = 0;

    friend constexpr bool operator==(const pattern_part&, const pattern_part&) = default;
};

/// Numbers of equal bins with what each holds, longest first.
class pattern_list {
public:
    struct entry {
        std::uint32_t bins = 0;
        std::uint32_t room = 0;  ///< what a bin leaves
        std::size_t begin = 0;   ///< of its parts
        std::size_t end = 0;
    };

    void add(std::uint32_t bins, std::uint32_t room,
             std::span<const pattern_part> parts) {
        entries_.push_back({bins, room, parts_.size(), parts_.size() + parts.size()});
        parts_.insert(parts_.end(), parts.begin(), parts.end());
        bins_ += bins;
    }
    void remove(std::size_t at, std::uint32_t bins) {
        entries_[at].bins -= bins;
        bins_ -= bins;
    }
    [[nodiscard]] std::size_t bins() const { return bins_; }
    [[nodiscard]] const std::vector<entry>& entries() const { return entries_; }
    [[nodiscard]] std::span<const pattern_part> parts_of(const entry& e) const {
        return std::span(parts_).subspan(e.begin, e.end - e.begin);
    }

private:
    std::vector<entry> entries_;
    std::vector<pattern_part> parts_;
    std::size_t bins_ = 0;
};

/// Numbers up to a bound as bits, with the greatest member at or below a number.
class bit_row {
public:
    static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

    [[nodiscard]] static std::uint32_t at_most(const std::uint64_t* words,
                                               std::uint32_t value) {
        std::size_t w = value / 64;
        std::uint64_t part = words[w] & (~std::uint64_t{0} >> (63 - value % 64));
        while (part == 0) {
            if (w == 0) return none;
            part = words[--w];
        }
        return static_cast<std::uint32_t>(
            w * 64 + 63 - static_cast<std::size_t>(std::countl_zero(part)));
    }
};

/// Which sums the lengths up to each length can make, if there were any number of them:
/// an optimistic answer that keeps a search from dead ends.
class reachable_sums {
public:
    /// `present`: a bit for every length; sums up to `capacity`.
    void build(const std::vector<std::uint64_t>& present, std::uint32_t capacity) {
        words_ = capacity / 64 + 1;
        std::vector<std::uint32_t> lengths;
        for (std::uint32_t s = 1; s <= capacity; ++s) {
            if ((present[s / 64] >> (s % 64) & 1) != 0) lengths.push_back(s);
        }
        const std::size_t most_rows = std::max<std::size_t>(most_words / words_, 1);
        const std::size_t group = lengths.size() / most_rows + 1;
        row_of_.assign(capacity + std::size_t{1}, 0);
        rows_.assign(words_, 0);
        rows_[0] = 1;
        std::size_t row = 0;
        std::uint32_t next = 1;
        bool own_row = false;  // of the group of lengths at hand
        for (std::size_t i = 0; i < lengths.size(); ++i) {
            const std::uint32_t length = lengths[i];
            // A length that shorter ones make up adds no sum.
            if ((rows_[row * words_ + length / 64] >> (length % 64) & 1) == 0) {
                if (!own_row) {
                    rows_.resize(rows_.size() + words_);
                    const auto last =
                        rows_.begin() + static_cast<std::ptrdiff_t>(row * words_);
                    std::copy_n(last, words_, last + static_cast<std::ptrdiff_t>(words_));
                    own_row = true;
                    ++row;
                }
                add(&rows_[row * words_], length, capacity);
            }
            if ((i + 1) % group == 0 || i + 1 == lengths.size()) {
                for (; next <= length; ++next)
                    row_of_[next] = static_cast<std::uint32_t>(row);
                own_row = false;
            }
        }
        for (; next <= capacity; ++next)
            row_of_[next] = static_cast<std::uint32_t>(row);
        present_ = lengths.size();
    }

    /// The greatest sum up to `room` of lengths up to `longest`, or a greater number.
    [[nodiscard]] std::uint32_t at_most(std::uint32_t longest, std::uint32_t room) const {
        return bit_row::at_most(&rows_[row_of_[longest] * words_], room);
    }
    /// How many lengths there were.
    [[nodiscard]] std::size_t present() const { return present_; }

private:
    static constexpr std::size_t most_words = std::size_t{1} << 19;

    /// Any number of `length` more: 1, 3, 7, ... of them by doubling.
    void add(std::uint64_t* row, std::uint32_t length, std::uint32_t capacity) const {
        for (std::uint64_t shift = length; shift <= capacity; shift *= 2) {
            const std::size_t whole = shift / 64;
            const auto bits = static_cast<unsigned>(shift % 64);
            for (std::size_t w = words_; w-- > whole;) {
                std::uint64_t moved = row[w - whole] << bits;
                if (bits != 0 && w > whole) moved |= row[w - whole - 1] >> (64 - bits);
                row[w] |= moved;
            }
        }
    }

    std::size_t words_ = 0;
    std::size_t present_ = 0;
    std::vector<std::uint64_t> rows_;
    std::vector<std::uint32_t> row_of_;
};

/// Which of the patterns that are as full as can be is taken.
enum class pattern_choice {
    longest,    ///< with the longest lengths
    plentiful,  ///< of two more lengths, those with the most samples left
};

/// Counted lengths of which bin after bin is taken.
class pattern_search {
public:
    pattern_search(std::vector<std::uint32_t> count, std::uint32_t capacity,
                   std::uint32_t bin_size)
        : count_(std::move(count)),
          capacity_(capacity),
          bin_size_(bin_size == 0 ? std::numeric_limits<std::uint32_t>::max() : bin_size),
          present_(capacity / 64 + std::size_t{1}, 0) {
        count_.resize(capacity + std::size_t{1}, 0);
        for (std::uint32_t s = 1; s <= capacity; ++s) {
            if (count_[s] == 0) continue;
            present_[s / 64] |= std::uint64_t{1} << (s % 64);
            ++distinct_;
        }
        sums_.build(present_, capacity);
    }

    /// Takes bin after bin, longest first, with up to `nodes` steps for each pattern.
    /// Stops when nothing is left or after `most_nodes` in all, which counts down.
    void run(pattern_choice choice, std::uint64_t nodes, std::uint64_t& most_nodes,
             pattern_list& out) {
        budget_ = most_nodes;
        for (;;) {
            const std::uint32_t longest = bit_row::at_most(present_.data(), capacity_);
            if (longest == bit_row::none || budget_ == 0) break;
            if (distinct_ * 4 < sums_.present() * 3) {
                sums_.build(present_, capacity_);
                budget_ -= std::min<std::uint64_t>(budget_, capacity_ / 8);
            }
            const std::uint32_t room = fill(longest, choice, nodes);
            std::uint32_t bins = std::numeric_limits<std::uint32_t>::max();
            for (const pattern_part& part : best_)
                bins = std::min(bins, count_[part.length] / part.per_bin);
            if (choice == pattern_choice::plentiful) bins = (bins + 3) / 4;
            out.add(bins, room, best_);
            for (const pattern_part& part : best_)
                remove(part.length, bins * part.per_bin);
        }
        most_nodes = budget_;
    }

    /// How many samples of each length are left.
    [[nodiscard]] const std::vector<std::uint32_t>& left() const { return count_; }

private:
    void remove(std::uint32_t length, std::uint32_t samples) {
        count_[length] -= samples;
        if (count_[length] > 0) return;
        present_[length / 64] &= ~(std::uint64_t{1} << (length % 64));
        --distinct_;
    }

    /// The pattern with `longest` into best_; what it leaves.
    std::uint32_t fill(std::uint32_t longest, pattern_choice choice,
                       std::uint64_t nodes) {
        best_.clear();
        if (bin_size_ > 2 && choice == pattern_choice::plentiful &&
            plentiful_pair(longest))
            return 0;
        chosen_.clear();
        chosen_.push_back({longest, 1});
        best_room_ = bit_row::none;
        nodes_ = std::min(nodes, budget_);
        const std::uint64_t given = nodes_;
        search(capacity_ - longest, longest, bin_size_ - 1);
        budget_ -= given - nodes_;
        return best_room_;
    }

    /// Whether `longest` and two others fill a bin; those with the greatest lesser count.
    bool plentiful_pair(std::uint32_t longest) {
        const std::uint32_t room = capacity_ - longest;
        while (count_[shortest_] == 0)
            ++shortest_;
        std::uint32_t best = 0;
        std::uint32_t found = 0;
        const std::uint32_t least = (room + 1) / 2;
        const std::uint32_t most =
            room > shortest_ ? std::min(longest, room - shortest_) : 0;
        if (most >= least)
            budget_ -= std::min<std::uint64_t>(budget_, (most - least) / 16);
        for (std::uint32_t x = least; x <= most; ++x) {
            const std::uint32_t y = room - x;
            const std::uint32_t shares = 1 + (x == y ? 1U : 0U);
            const std::uint32_t own = x == longest ? 1U : 0U;
            const std::uint32_t lesser =
                std::min((count_[x] - std::min(own, count_[x])) / shares, count_[y]);
            if (lesser > best && (x != longest || y != longest || count_[x] > 2)) {
                best = lesser;
                found = x;
            }
        }
        if (best == 0) return false;
        add_part(best_, longest);
        add_part(best_, found);
        add_part(best_, room - found);
        return true;
    }

    static void add_part(std::vector<pattern_part>& parts, std::uint32_t length) {
        if (!parts.empty() && parts.back().length == length) {
            ++parts.back().per_bin;
        } else {
            parts.push_back({length, 1});
        }
    }

    /// Depth first, longest lengths first. True when nothing better is to be expected.
    bool search(std::uint32_t room, std::uint32_t longest, std::uint32_t items) {
        if (room < best_room_) {
            best_room_ = room;
            best_ = chosen_;
        }
        if (room == 0) return true;
        if (items == 0) return false;
        std::uint32_t x = std::min(longest, room);
        if (chosen_.back().length == x && chosen_.back().per_bin == count_[x]) --x;
        while (x > 0) {
            x = bit_row::at_most(present_.data(), x);
            if (x == bit_row::none) break;
            // Not even the optimist, nor as many of x as fit, would beat the best.
            if (room - sums_.at_most(x, room) >= best_room_) break;
            if (std::uint64_t{x} * items + best_room_ <= room) break;
            if (nodes_ == 0) return true;
            --nodes_;
            add_part(chosen_, x);
            const bool done = search(room - x, x, items - 1);
            if (--chosen_.back().per_bin == 0) chosen_.pop_back();
            if (done) return true;
            --x;
        }
        return false;
    }

    std::vector<std::uint32_t> count_;
    std::uint32_t capacity_;
    std::uint32_t bin_size_;
    std::uint32_t shortest_ = 1;  // none left is shorter
    std::size_t distinct_ = 0;
    std::vector<std::uint64_t> present_;
    reachable_sums sums_;
    std::uint64_t budget_ = 0;
    std::uint64_t nodes_ = 0;
    std::uint32_t best_room_ = 0;
    std::vector<pattern_part> chosen_;
    std::vector<pattern_part> best_;
};

}  // namespace packkit::detail
