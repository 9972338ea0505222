// SPDX-License-Identifier: Apache-2.0
/// @file
/// Next-k-fit: packing that nearly keeps the order of the samples, with k open bins.
///
/// An item goes into the oldest of the k bins opened last that has room; if none has, it
/// opens a bin, and the oldest of the k is closed for good. Next fit is k = 1, first fit
/// is k = N. Johnson: Fast algorithms for bin packing (J. Comput. Syst. Sci. 8, 1974),
/// doi:10.1016/S0022-0000(74)80026-7.
#pragma once

#include <packkit/bin_list.hpp>
#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>
#include <packkit/packing/detail/bin_assignment.hpp>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

namespace packkit {

/// Which bin each item of a stream goes into, by next-k-fit. Holds what the open bins
/// still take, never the items: O(open_bins) memory for a stream of any length.
///
/// Bins are numbered from 0 in the order they are opened, and are closed in that order:
/// after `add`, bins below `first_open()` take nothing more. A full bin keeps its place
/// among the open ones until the older ones are closed.
class window_fit_packer {
public:
    /// @throws invalid_argument unless the capacity and `open_bins` are positive, and
    ///   `open_bins` is less than 2^32
    constexpr window_fit_packer(bin_limits limits, std::size_t open_bins)
        : limits_(limits), open_bins_(open_bins) {
        detail::check_capacity(limits.capacity);
        if (open_bins == 0 || open_bins > std::numeric_limits<std::uint32_t>::max()) {
            detail::throw_invalid_argument("a window of ", open_bins,
                                           " open bins, expected 1 to ",
                                           std::numeric_limits<std::uint32_t>::max());
        }
        leaves_ = std::bit_ceil(open_bins);
        room_.assign(2 * leaves_, 0);
        count_.assign(open_bins, 0);
    }

    /// What an open bin holds.
    struct contents {
        std::int64_t load = 0;
        std::size_t items = 0;
    };

    /// Continues where another packer stood: with these open bins, oldest first, which
    /// are numbered from 0 here.
    /// @throws invalid_argument as above, and for more than `open_bins` bins, an empty
    ///   bin, or one beyond the limits
    constexpr window_fit_packer(bin_limits limits, std::size_t open_bins,
                                std::span<const contents> open)
        : window_fit_packer(limits, open_bins) {
        if (open.size() > open_bins) {
            detail::throw_invalid_argument("there are ", open.size(),
                                           " open bins in a window of ", open_bins);
        }
        for (const contents& bin : open) {
            const bool fits = limits.bin_size == 0 || bin.items <= limits.bin_size;
            if (bin.load < 1 || bin.load > limits.capacity || bin.items == 0 || !fits) {
                detail::throw_invalid_argument(
                    "open bin ", bins_, " holds ", bin.load, " tokens in ", bin.items,
                    " items, limits are ", limits.capacity, " tokens and ",
                    limits.bin_size, " items (0: any number)");
            }
            count_[bins_] = bin.items;
            set(bins_, bin.items == limits.bin_size ? 0 : limits.capacity - bin.load);
            ++bins_;
            items_ += bin.items;
        }
    }

    /// Places the next item and returns the number of its bin. O(log open_bins).
    /// @throws invalid_argument unless the length is in [1, capacity]; nothing changes
    ///   then
    constexpr std::size_t add(std::int64_t length) {
        if (length < 1) {
            detail::throw_invalid_argument("item ", items_, " has length ", length,
                                           ", lengths must be positive");
        }
        if (length > limits_.capacity) {
            detail::throw_invalid_argument("item ", items_, " has length ", length,
                                           ", capacity is ", limits_.capacity);
        }
        const std::size_t oldest = first_open() % open_bins_;
        // Bin b lies in slot b % open_bins: from the oldest to the end, then from 0.
        std::size_t slot = find(length, oldest);
        if (slot == none) slot = find(length, 0);
        std::size_t bin = bins_;
        if (slot == none) {
            slot = bin % open_bins_;
            count_[slot] = 0;
            set(slot, limits_.capacity);
            ++bins_;
        } else {
            bin = first_open() + (slot + open_bins_ - oldest) % open_bins_;
        }
        const bool full = ++count_[slot] == limits_.bin_size;
        set(slot, full ? 0 : room_[leaves_ + slot] - length);
        ++items_;
        return bin;
    }

    /// Bins opened so far.
    [[nodiscard]] constexpr std::size_t bins() const noexcept { return bins_; }
    /// The oldest bin that is not closed; bins [first_open(), bins()) are open.
    [[nodiscard]] constexpr std::size_t first_open() const noexcept {
        return bins_ - std::min(bins_, open_bins_);
    }
    /// Items placed so far, those that the packer began with included.
    [[nodiscard]] constexpr std::size_t items() const noexcept { return items_; }
    [[nodiscard]] constexpr bin_limits limits() const noexcept { return limits_; }
    [[nodiscard]] constexpr std::size_t open_bins() const noexcept { return open_bins_; }

private:
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    /// The first slot from `from` on with room for `length`, or `none`.
    [[nodiscard]] constexpr std::size_t find(std::int64_t length,
                                             std::size_t from) const {
        std::size_t node = leaves_ + from;
        while (room_[node] < length) {
            while (node % 2 == 1) {  // a right child, or the root: nothing beside it
                if (node == 1) return none;
                node /= 2;
            }
            ++node;
        }
        while (node < leaves_) {
            node = room_[2 * node] >= length ? 2 * node : 2 * node + 1;
        }
        return node - leaves_;
    }

    constexpr void set(std::size_t slot, std::int64_t room) {
        std::size_t node = leaves_ + slot;
        room_[node] = room;
        while (node > 1) {
            node /= 2;
            room_[node] = std::max(room_[2 * node], room_[2 * node + 1]);
        }
    }

    bin_limits limits_;
    std::size_t open_bins_;
    std::size_t leaves_ = 0;  // a power of two
    // A maximum tree: node 1 the root, slot s at leaves_ + s; 0 where nothing fits.
    std::vector<std::int64_t> room_;
    std::vector<std::size_t> count_;  // items of the bin in each slot
    std::size_t bins_ = 0;
    std::size_t items_ = 0;
};

/// Next-k-fit as a policy of `pack`: `pack(lengths, capacity, window_fit{.open_bins =
/// 8})`.
///
/// How far a sample moves: an item goes at most `open_bins` - 1 bins before the newest
/// one. So in the bins laid end to end, two samples that have changed places are in bins
/// at most `open_bins` - 1 apart, and the samples that a sample overtakes, and those that
/// overtake it, have at most (`open_bins` - 1) x capacity tokens each. With 1 the order
/// is kept; inside a bin it always is.
///
/// At most 1.7 + 3 / (10 (k - 1)) times OPT bins for k > 1, up to a constant (Mao 1993,
/// SIAM J. Comput. 22, 46-56, doi:10.1137/0222004). O(N log k) time, O(k) memory beside
/// the result. @throws invalid_argument for 0 open bins
struct window_fit {
    static constexpr std::string_view name = "window_fit";

    std::size_t open_bins = 8;

    constexpr void operator()(std::span<const std::int64_t> lengths, bin_limits limits,
                              std::uint32_t first, bin_list<>& bins) const {
        // There are no more bins than items, so a wider window changes nothing.
        const std::size_t window =
            open_bins == 0 ? 0 : std::clamp<std::size_t>(lengths.size(), 1, open_bins);
        window_fit_packer packer(limits, window);
        std::vector<std::uint32_t> bin_of(lengths.size(), 0);
        for (std::size_t i = 0; i < lengths.size(); ++i) {
            bin_of[i] = static_cast<std::uint32_t>(packer.add(lengths[i]));
        }
        detail::append_placed<std::uint32_t>(
            bin_of, packer.bins(), first,
            [](std::size_t k) { return static_cast<std::uint32_t>(k); }, bins);
    }

    friend constexpr bool operator==(const window_fit&, const window_fit&) = default;
};

}  // namespace packkit
