// SPDX-License-Identifier: Apache-2.0
/// @file
/// The fewest bins for a few items, by search.
#pragma once

#include <packkit/detail/length_access.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace packkit::detail {

/// Bin completion after Korf 2003 (IJCAI, "An improved algorithm for optimal bin
/// packing"): the longest item left opens a bin, every maximal way to fill it is tried,
/// and the waste that a packing into that many bins can afford bounds the search.
class bin_completion {
public:
    /// `lengths` descending. `bin_size`: most items a bin, 0 for as many as fit.
    constexpr bin_completion(std::span<const std::int64_t> lengths, std::int64_t capacity,
                             std::size_t bin_size)
        : lengths_(lengths),
          capacity_(capacity),
          bin_size_(bin_size == 0 ? std::numeric_limits<std::size_t>::max() : bin_size) {}

    /// Whether a packing into `bins` bins was found within `nodes` steps; if so bin_of()
    /// tells it.
    [[nodiscard]] constexpr bool packs_into(std::size_t bins, std::uint64_t nodes) {
        // The waste is at most bins x capacity - the sum, in steps that cannot overflow.
        waste_left_ = 0;
        std::size_t opened = 0;
        std::int64_t room = 0;
        for (const std::int64_t length : lengths_) {
            for (; room < length; room += capacity_) {
                if (opened++ == bins) return false;
                if (room > std::numeric_limits<std::int64_t>::max() - capacity_)
                    return false;
            }
            room -= length;
        }
        for (; opened < bins; ++opened)
            room = room > std::numeric_limits<std::int64_t>::max() - capacity_
                       ? std::numeric_limits<std::int64_t>::max()
                       : room + capacity_;
        waste_left_ = room;
        bins_ = bins;
        nodes_left_ = nodes;
        bin_of_.assign(lengths_.size(), unplaced);
        left_ = lengths_.size();
        return open(0, 0);
    }

    /// The bin of each item.
    [[nodiscard]] constexpr const std::vector<std::uint32_t>& bin_of() const {
        return bin_of_;
    }

private:
    static constexpr std::uint32_t unplaced = std::numeric_limits<std::uint32_t>::max();

    /// Opens bin `bin` with the first item at or after `from` that is not placed.
    constexpr bool open(std::size_t bin, std::size_t from) {
        if (left_ == 0) return true;
        if (bin == bins_) return false;
        if (bin_size_ <= left_ && (left_ - 1) / bin_size_ + 1 > bins_ - bin) return false;
        while (bin_of_[from] != unplaced)
            ++from;
        put(from, bin);
        const bool found = complete(bin, from, from + 1, capacity_ - lengths_[from], 1);
        if (!found) take_out(from);
        return found;
    }

    /// Fills `room` of the bin with items at or after `from`, longest first, in every
    /// maximal way. `smallest_skipped` cuts fillings that leave an item out that fits.
    constexpr bool complete(
        std::size_t bin, std::size_t first, std::size_t from, std::int64_t room,
        std::size_t items,
        std::int64_t smallest_skipped = std::numeric_limits<std::int64_t>::max()) {
        if (nodes_left_ == 0) return false;
        --nodes_left_;
        std::int64_t skipped = smallest_skipped;
        if (items < bin_size_) {
            for (std::size_t i = from; i < lengths_.size(); ++i) {
                if (bin_of_[i] != unplaced || lengths_[i] > room) continue;
                if (lengths_[i] == skipped) continue;  // an equal one was tried
                put(i, bin);
                if (complete(bin, first, i + 1, room - lengths_[i], items + 1, skipped))
                    return true;
                take_out(i);
                skipped = lengths_[i];
            }
            if (skipped <= room) return false;  // not maximal
        }
        if (room > waste_left_) return false;
        waste_left_ -= room;
        if (open(bin + 1, first + 1)) return true;
        waste_left_ += room;
        return false;
    }

    constexpr void put(std::size_t item, std::size_t bin) {
        bin_of_[item] = static_cast<std::uint32_t>(bin);
        --left_;
    }
    constexpr void take_out(std::size_t item) {
        bin_of_[item] = unplaced;
        ++left_;
    }

    std::span<const std::int64_t> lengths_;
    std::int64_t capacity_;
    std::size_t bin_size_;
    std::size_t bins_ = 0;
    std::size_t left_ = 0;
    std::int64_t waste_left_ = 0;
    std::uint64_t nodes_left_ = 0;
    std::vector<std::uint32_t> bin_of_;
};

}  // namespace packkit::detail
