// SPDX-License-Identifier: Apache-2.0
/// @file
/// First-fit and best-fit decreasing one sample after the other, as packers elsewhere do
/// it: what packing by length is measured against. Made to be fast, in 32-bit integers
/// and without a branch too many, and for nothing but measuring.
///
/// Each gives bins as compressed rows: bin `b` holds items[offsets[b], offsets[b + 1]).
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

namespace bench {

struct csr {
    std::vector<std::uint32_t> items;
    std::vector<std::size_t> offsets;

    [[nodiscard]] std::size_t size() const { return offsets.size() - 1; }
};

/// Samples by length descending, ties by index: a counting sort.
[[nodiscard]] inline std::vector<std::uint32_t> decreasing_order(
    std::span<const std::int32_t> lengths, std::uint32_t capacity) {
    std::vector<std::uint32_t> next(std::size_t{capacity} + 2);
    for (const std::int32_t length : lengths)
        ++next[capacity - static_cast<std::uint32_t>(length) + 1];
    for (std::size_t k = 1; k < next.size(); ++k)
        next[k] += next[k - 1];
    std::vector<std::uint32_t> order(lengths.size());
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        order[next[capacity - static_cast<std::uint32_t>(lengths[i])]++] =
            static_cast<std::uint32_t>(i);
    }
    return order;
}

/// Bins from the bin of each sample in the order in which they were placed.
[[nodiscard]] inline csr rows_of(const std::vector<std::uint32_t>& order,
                                 const std::vector<std::uint32_t>& bin_of,
                                 std::size_t bins) {
    csr rows;
    rows.offsets.resize(bins + 1);
    for (const std::uint32_t bin : bin_of)
        ++rows.offsets[bin + std::size_t{1}];
    for (std::size_t b = 0; b < bins; ++b)
        rows.offsets[b + 1] += rows.offsets[b];
    std::vector<std::uint32_t> next(rows.offsets.begin(), rows.offsets.end() - 1);
    rows.items.resize(order.size());
    for (std::size_t k = 0; k < order.size(); ++k)
        rows.items[next[bin_of[k]]++] = order[k];
    return rows;
}

/// First-fit decreasing: a maximum tree over the residuals of all bins, doubled when
/// full. Preconditions: lengths in [1, capacity], fewer than 2^32 of them.
[[nodiscard]] inline csr first_fit_decreasing(std::span<const std::int32_t> lengths,
                                              std::uint32_t capacity) {
    const auto order = decreasing_order(lengths, capacity);
    std::vector<std::uint32_t> bin_of(order.size());
    std::size_t leaves = 1024;
    std::vector<std::uint32_t> room(2 * leaves, capacity);  // unopened: all of it
    std::size_t bins = 0;
    for (std::size_t k = 0; k < order.size(); ++k) {
        const auto length = static_cast<std::uint32_t>(lengths[order[k]]);
        if (room[1] < length) {  // every leaf is an open bin: a tree twice as wide
            std::vector<std::uint32_t> wider(4 * leaves, capacity);
            for (std::size_t width = 1; width <= leaves; width *= 2) {
                std::copy_n(room.begin() + static_cast<std::ptrdiff_t>(width), width,
                            wider.begin() + static_cast<std::ptrdiff_t>(2 * width));
            }
            room = std::move(wider);
            leaves *= 2;
        }
        std::size_t node = 1;
        while (node < leaves) {
            node = 2 * node + (room[2 * node] < length ? 1 : 0);
        }
        const std::size_t bin = node - leaves;
        bins = std::max(bins, bin + 1);
        bin_of[k] = static_cast<std::uint32_t>(bin);
        room[node] -= length;
        for (; node > 1; node /= 2) {
            const std::uint32_t most = std::max(room[node], room[node ^ 1]);
            if (room[node / 2] == most) break;
            room[node / 2] = most;
        }
    }
    return rows_of(order, bin_of, bins);
}

/// Which residuals occur: a binary tree over 0 … capacity.
class residual_tree {
public:
    explicit residual_tree(std::uint32_t capacity)
        : leaves_(std::bit_ceil(capacity + std::size_t{1})), any_(2 * leaves_) {}

    void insert(std::uint32_t residual) {
        for (std::size_t node = leaves_ + residual; node > 0 && any_[node] == 0;
             node /= 2) {
            any_[node] = 1;
        }
    }
    void erase(std::uint32_t residual) {
        std::size_t node = leaves_ + residual;
        any_[node] = 0;
        for (; node > 1 && any_[node ^ 1] == 0; node /= 2)
            any_[node / 2] = 0;
    }
    /// The smallest residual that is at least `length`, or more than any there can be.
    [[nodiscard]] std::uint32_t next(std::uint32_t length) const {
        std::size_t node = leaves_ + length;
        if (any_[node] == 0) {
            // Up until a subtree on the right holds one, then down on its left.
            while (node % 2 == 1 || any_[node + 1] == 0) {
                node /= 2;
                if (node <= 1) return static_cast<std::uint32_t>(leaves_);
            }
            ++node;
            while (node < leaves_)
                node = 2 * node + (any_[2 * node] == 0 ? 1 : 0);
        }
        return static_cast<std::uint32_t>(node - leaves_);
    }

private:
    std::size_t leaves_;
    std::vector<std::uint8_t> any_;
};

/// The same as bits, 64 a word, with a bit for each word that has one: two levels, for a
/// capacity below 2^18 and few words in the upper one.
class residual_bits {
public:
    explicit residual_bits(std::uint32_t capacity)
        : words_(capacity / 64 + std::size_t{1}), summary_(words_.size() / 64 + 1) {}

    void insert(std::uint32_t residual) {
        words_[residual / 64] |= std::uint64_t{1} << (residual % 64);
        summary_[residual / 4096] |= std::uint64_t{1} << (residual / 64 % 64);
    }
    void erase(std::uint32_t residual) {
        words_[residual / 64] &= ~(std::uint64_t{1} << (residual % 64));
        if (words_[residual / 64] == 0) {
            summary_[residual / 4096] &= ~(std::uint64_t{1} << (residual / 64 % 64));
        }
    }
    [[nodiscard]] std::uint32_t next(std::uint32_t length) const {
        const std::uint64_t here = words_[length / 64] >> (length % 64);
        if (here != 0) return length + static_cast<std::uint32_t>(std::countr_zero(here));
        const std::size_t word = length / 64 + 1;
        std::size_t at = word / 64;
        if (at >= summary_.size()) return none;
        std::uint64_t rest = summary_[at] & (~std::uint64_t{0} << (word % 64));
        while (rest == 0) {
            if (++at == summary_.size()) return none;
            rest = summary_[at];
        }
        const std::size_t found =
            at * 64 + static_cast<std::size_t>(std::countr_zero(rest));
        return static_cast<std::uint32_t>(
            found * 64 + static_cast<std::size_t>(std::countr_zero(words_[found])));
    }

private:
    static constexpr std::uint32_t none = static_cast<std::uint32_t>(-1);
    std::vector<std::uint64_t> words_;
    std::vector<std::uint64_t> summary_;
};

/// Bins of equal residual, of which the lowest-numbered is taken: as the textbook has it.
class lowest_bin {
public:
    explicit lowest_bin(std::uint32_t capacity) : heaps_(capacity + std::size_t{1}) {}

    [[nodiscard]] bool empty(std::uint32_t residual) const {
        return heaps_[residual].empty();
    }
    void push(std::uint32_t residual, std::uint32_t bin) {
        auto& heap = heaps_[residual];
        heap.push_back(bin);
        std::push_heap(heap.begin(), heap.end(), std::greater<>{});
    }
    [[nodiscard]] std::uint32_t pop(std::uint32_t residual) {
        auto& heap = heaps_[residual];
        std::pop_heap(heap.begin(), heap.end(), std::greater<>{});
        const std::uint32_t bin = heap.back();
        heap.pop_back();
        return bin;
    }

private:
    std::vector<std::vector<std::uint32_t>> heaps_;
};

/// Bins of equal residual, of which any is taken, here the one that came last: as many
/// bins, of the same residuals, for less work.
class latest_bin {
public:
    explicit latest_bin(std::uint32_t capacity)
        : last_(capacity + std::size_t{1}, none) {}

    [[nodiscard]] bool empty(std::uint32_t residual) const {
        return last_[residual] == none;
    }
    void push(std::uint32_t residual, std::uint32_t bin) {
        if (bin >= before_.size()) before_.resize(2 * (std::size_t{bin} + 1));
        before_[bin] = std::exchange(last_[residual], bin);
    }
    [[nodiscard]] std::uint32_t pop(std::uint32_t residual) {
        return std::exchange(last_[residual], before_[last_[residual]]);
    }

private:
    static constexpr std::uint32_t none = static_cast<std::uint32_t>(-1);
    std::vector<std::uint32_t> last_;
    std::vector<std::uint32_t> before_;
};

/// Best-fit decreasing: the fullest bin with room, found by its residual.
/// Preconditions: lengths in [1, capacity], fewer than 2^32 of them.
template <class Residuals = residual_tree, class Bins = lowest_bin>
[[nodiscard]] csr best_fit_decreasing(std::span<const std::int32_t> lengths,
                                      std::uint32_t capacity) {
    const auto order = decreasing_order(lengths, capacity);
    std::vector<std::uint32_t> bin_of(order.size());
    Residuals residuals(capacity);
    Bins open(capacity);
    std::uint32_t bins = 0;
    for (std::size_t k = 0; k < order.size(); ++k) {
        const auto length = static_cast<std::uint32_t>(lengths[order[k]]);
        std::uint32_t residual = residuals.next(length);
        std::uint32_t bin = bins;
        if (residual > capacity) {
            residual = capacity;
            ++bins;
        } else {
            bin = open.pop(residual);
            if (open.empty(residual)) residuals.erase(residual);
        }
        residual -= length;
        if (residual > 0) {
            if (open.empty(residual)) residuals.insert(residual);
            open.push(residual, bin);
        }
        bin_of[k] = bin;
    }
    return rows_of(order, bin_of, bins);
}

}  // namespace bench
