// SPDX-License-Identifier: Apache-2.0
/// @file
/// First fit: each item goes into the lowest-numbered bin that has room.
#pragma once

#include <packkit/bin_list.hpp>
#include <packkit/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace packkit {

/// Residuals of the open bins under a maximum tree: the lowest-numbered bin with room in
/// O(log bins). Bins are numbered from 0 in the order they are opened.
class first_fit_tree {
public:
    /// Number of open bins.
    [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }

    /// The lowest-numbered bin whose residual is at least `length`, or `size()` if there
    /// is none. Precondition: `length > 0`, or 0 if bins are closed by a residual below
    /// 0.
    [[nodiscard]] constexpr std::size_t find(std::int64_t length) const {
        if (leaves_ == 0 || residual_[1] < length) return size_;
        std::size_t node = 1;
        while (node < leaves_) {
            // The left child's bins come first; no room there means room on the right.
            node = residual_[2 * node] >= length ? 2 * node : 2 * node + 1;
        }
        return node - leaves_;
    }

    /// What bin `bin` still takes. Precondition: `bin < size()`.
    [[nodiscard]] constexpr std::int64_t residual(std::size_t bin) const {
        PACKKIT_ASSERT(bin < size_);
        return residual_[leaves_ + bin];
    }

    /// Sets what bin `bin` still takes; 0 closes it, to length 0 too if it is below 0.
    /// Precondition: `bin < size()`.
    constexpr void set(std::size_t bin, std::int64_t residual) {
        PACKKIT_ASSERT(bin < size_);
        std::size_t node = leaves_ + bin;
        residual_[node] = residual;
        while (node > 1) {
            node /= 2;
            const std::int64_t best =
                std::max(residual_[2 * node], residual_[2 * node + 1]);
            if (residual_[node] == best) break;  // nothing changes above
            residual_[node] = best;
        }
    }

    /// Opens the next bin with this residual. Amortised O(log bins).
    constexpr void open(std::int64_t residual) {
        if (size_ == leaves_) grow();
        ++size_;
        set(size_ - 1, residual);
    }

private:
    constexpr void grow() {
        const std::size_t leaves = leaves_ == 0 ? 1 : 2 * leaves_;
        std::vector<std::int64_t> residual(2 * leaves, 0);
        for (std::size_t b = 0; b < size_; ++b) {
            residual[leaves + b] = residual_[leaves_ + b];
        }
        for (std::size_t node = leaves - 1; node > 0; --node) {
            residual[node] = std::max(residual[2 * node], residual[2 * node + 1]);
        }
        residual_ = std::move(residual);
        leaves_ = leaves;
    }

    std::size_t size_ = 0;
    std::size_t leaves_ = 0;  // 0 or a power of two
    std::vector<std::int64_t>
        residual_;  // node 1 the root, bin b at leaves_ + b; unopened: 0
};

/// First fit in the order given: writes the bin of item `i` to `bin_of[i]` and returns
/// the number of bins. With lengths sorted in descending order this is first-fit
/// decreasing.
///
/// Preconditions: lengths in [1, limits.capacity], `bin_of.size() == lengths.size()`,
/// both less than 2^32. O(N log bins) time, O(bins) memory beside the result.
/// Deterministic.
template <class = void>  // costs nothing before it is called
constexpr std::size_t assign_first_fit(std::span<const std::int64_t> lengths,
                                       bin_limits limits,
                                       std::span<std::uint32_t> bin_of) {
    PACKKIT_ASSERT(bin_of.size() == lengths.size());
    first_fit_tree tree;
    std::vector<std::size_t> count;  // items of each bin, kept only if they are limited
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        const std::size_t bin = tree.find(lengths[i]);
        if (bin == tree.size()) {
            tree.open(limits.capacity - lengths[i]);
            if (limits.bin_size != 0) count.push_back(0);
        } else {
            tree.set(bin, tree.residual(bin) - lengths[i]);
        }
        if (limits.bin_size != 0 && ++count[bin] == limits.bin_size) tree.set(bin, 0);
        bin_of[i] = static_cast<std::uint32_t>(bin);
    }
    return tree.size();
}

}  // namespace packkit
