// SPDX-License-Identifier: Apache-2.0
/// @file
/// Next fit: packing that keeps the order of the samples, one open bin at a time.
#pragma once

#include <packkit/bin_list.hpp>
#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace packkit {

/// Packs a stream of lengths in order: an item goes into the open bin if it fits there,
/// else the bin is closed for good and the item opens the next. Holds a few numbers,
/// never the items, so a stream of any length is packed in bounded memory.
///
/// ```cpp
/// packkit::sequential_packer packer({.capacity = 4096});
/// for (const auto& document : stream) {
///   if (packer.add(document.tokens) && packer.bins() > 1) flush(row);
///   row.append(document);
/// }
/// ```
class sequential_packer {
public:
    /// @throws invalid_argument unless the capacity is positive
    constexpr explicit sequential_packer(bin_limits limits) : limits_(limits) {
        detail::check_capacity(limits.capacity);
    }

    /// Places the next item; true if it opened a new bin. O(1).
    /// @throws invalid_argument unless the length is in [1, capacity]; nothing changes
    ///   then
    constexpr bool add(std::int64_t length) {
        if (length < 1) {
            detail::throw_invalid_argument("item ", items_, " has length ", length,
                                           ", lengths must be positive");
        }
        if (length > limits_.capacity) {
            detail::throw_invalid_argument("item ", items_, " has length ", length,
                                           ", capacity is ", limits_.capacity);
        }
        const bool opens = bins_ == 0 || length > limits_.capacity - load_ ||
                           (limits_.bin_size != 0 && bin_items_ == limits_.bin_size);
        if (opens) {
            ++bins_;
            load_ = 0;
            bin_items_ = 0;
        }
        load_ += length;
        ++bin_items_;
        ++items_;
        return opens;
    }

    /// Bins opened so far, the open one included.
    [[nodiscard]] constexpr std::size_t bins() const noexcept { return bins_; }
    /// Items placed so far.
    [[nodiscard]] constexpr std::size_t items() const noexcept { return items_; }
    /// Tokens in the open bin.
    [[nodiscard]] constexpr std::int64_t load() const noexcept { return load_; }
    /// Items in the open bin.
    [[nodiscard]] constexpr std::size_t bin_items() const noexcept { return bin_items_; }
    [[nodiscard]] constexpr bin_limits limits() const noexcept { return limits_; }

private:
    bin_limits limits_;
    std::int64_t load_ = 0;
    std::size_t bin_items_ = 0;
    std::size_t bins_ = 0;
    std::size_t items_ = 0;
};

/// Next fit in the order given: writes the bin of item `i` to `bin_of[i]`, a sequence
/// that never decreases, and returns the number of bins.
///
/// Preconditions: lengths in [1, limits.capacity], `bin_of.size() == lengths.size()`,
/// both less than 2^32. O(N) time, no memory beside the result. Deterministic.
constexpr std::size_t assign_next_fit(std::span<const std::int64_t> lengths,
                                      bin_limits limits,
                                      std::span<std::uint32_t> bin_of) {
    PACKKIT_ASSERT(bin_of.size() == lengths.size());
    sequential_packer packer(limits);
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        packer.add(lengths[i]);
        bin_of[i] = static_cast<std::uint32_t>(packer.bins() - 1);
    }
    return packer.bins();
}

}  // namespace packkit
