// SPDX-License-Identifier: Apache-2.0
/// @file
/// Bins of which some are split, so that their number is a multiple: of a plan
/// (`equal_bins`), and of a list of samples (`equalize_bins`).
#pragma once

#include <packkit/bin_list.hpp>
#include <packkit/concepts.hpp>
#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>
#include <packkit/packing/packing_plan.hpp>
#include <packkit/packing/plan_from_bins.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

namespace packkit {

/// Items [first, last) of a bin, in the order of its placements.
struct bin_piece {
    std::uint32_t bin = 0;
    std::uint32_t first = 0;
    std::uint32_t last = 0;

    friend constexpr bool operator==(const bin_piece&, const bin_piece&) = default;
};

/// Pieces 0 ... size() - 1 of a plan's bins. Piece b is bin b, or its beginning if it was
/// cut; pieces behind those are ends that were cut off, and empty ones if even bins of
/// one item each do not reach the multiple. Holds the cut pieces alone: fewer than twice
/// the multiple.
///
/// Always the piece with the most tokens among those of two items or more is cut (the
/// lowest-numbered of equals), after the item where its halves are closest in tokens.
class equal_bins {
public:
    constexpr equal_bins() = default;

    /// O(runs + multiple * (log runs + items of a bin)).
    /// @throws invalid_argument if `multiple` is 0, or 2^32 pieces or more
    constexpr equal_bins(const packing_plan& plan, std::size_t multiple)
        : bins_(plan.size()) {
        if (multiple == 0) {
            detail::throw_invalid_argument("bins cannot be made a multiple of 0");
        }
        const std::size_t missing = (multiple - bins_ % multiple) % multiple;
        constexpr std::size_t most = std::numeric_limits<std::uint32_t>::max();
        if (multiple > most || bins_ + missing > most) {
            detail::throw_invalid_argument(bins_, " bins as a multiple of ", multiple,
                                           " are beyond 32 bits");
        }
        if (missing > 0) cut(plan, missing);
    }

    /// Number of pieces.
    [[nodiscard]] constexpr std::size_t size() const { return bins_ + ends_.size(); }
    /// Number of bins of the plan.
    [[nodiscard]] constexpr std::size_t bins() const { return bins_; }

    /// Piece `number`, of a plan whose bin holds `items` of them. O(log multiple).
    /// Precondition: `number < size()`
    [[nodiscard]] constexpr bin_piece piece(std::size_t number,
                                            const packing_plan& plan) const {
        if (number >= bins_) return ends_[number - bins_];
        const auto bin = static_cast<std::uint32_t>(number);
        const auto cut = std::lower_bound(
            beginnings_.begin(), beginnings_.end(), bin,
            [](const bin_piece& piece, std::uint32_t b) { return piece.bin < b; });
        if (cut != beginnings_.end() && cut->bin == bin) return *cut;
        return {bin, 0, plan.run_of(bin).items};
    }

private:
    /// The heaviest of what can be cut: bins of a run from `number` on, or one piece.
    struct candidate {
        std::int64_t load = 0;
        std::size_t number = 0;  ///< of the (first) piece
        bin_piece piece;
        std::uint32_t more = 0;  ///< bins of the run behind this one
    };

    static constexpr bool lighter(const candidate& a, const candidate& b) {
        return a.load != b.load ? a.load < b.load : a.number > b.number;
    }

    constexpr void cut(const packing_plan& plan, std::size_t missing) {
        std::vector<candidate> heap;
        std::vector<placement> chain;
        for (const bin_run& run : plan.runs()) {
            if (run.items < 2 || run.bins == 0) continue;
            std::int64_t load = 0;
            plan.placements_of(run, chain);
            for (const placement& p : chain)
                load += std::int64_t{p.length} * p.per_bin;
            heap.push_back(
                {load, run.first_bin, {run.first_bin, 0, run.items}, run.bins - 1});
        }
        std::make_heap(heap.begin(), heap.end(), lighter);
        const auto push = [&heap](const candidate& c) {
            if (c.piece.last - c.piece.first < 2) return;
            heap.push_back(c);
            std::push_heap(heap.begin(), heap.end(), lighter);
        };
        for (std::size_t added = 0; added < missing; ++added) {
            if (heap.empty()) {
                ends_.push_back({});
                continue;
            }
            std::pop_heap(heap.begin(), heap.end(), lighter);
            const candidate whole = heap.back();
            heap.pop_back();
            if (whole.more > 0) {
                candidate next = whole;
                ++next.number;
                ++next.piece.bin;
                --next.more;
                push(next);
            }
            candidate left = whole, right = whole;
            left.more = right.more = 0;
            right.number = size();
            const halves at = middle(plan, whole, chain);
            left.piece.last = right.piece.first = at.cut;
            left.load = at.left;
            right.load = whole.load - at.left;
            ends_.push_back(right.piece);
            if (left.number < bins_) {
                keep_beginning(left.piece);
            } else {
                ends_[left.number - bins_] = left.piece;
            }
            push(left);
            push(right);
        }
    }

    constexpr void keep_beginning(const bin_piece& piece) {
        const auto at = std::lower_bound(
            beginnings_.begin(), beginnings_.end(), piece.bin,
            [](const bin_piece& kept, std::uint32_t bin) { return kept.bin < bin; });
        if (at != beginnings_.end() && at->bin == piece.bin) {
            *at = piece;
        } else {
            beginnings_.insert(at, piece);
        }
    }

    struct halves {
        std::uint32_t cut = 0;
        std::int64_t left = 0;
    };

    /// The first cut that leaves the halves closest.
    static constexpr halves middle(const packing_plan& plan, const candidate& whole,
                                   std::vector<placement>& chain) {
        plan.placements_of(plan.run_of(whole.piece.bin), chain);
        halves best;
        std::int64_t least = std::numeric_limits<std::int64_t>::max();
        std::int64_t left = 0;
        std::uint32_t item = 0;
        for (const placement& p : chain) {
            for (std::uint32_t k = 0; k < p.per_bin; ++k, ++item) {
                if (item < whole.piece.first || item + 1 >= whole.piece.last) continue;
                left += p.length;
                const std::int64_t right = whole.load - left;
                const std::int64_t off = left > right ? left - right : right - left;
                if (off < least) {
                    least = off;
                    best = {item + 1, left};
                }
            }
        }
        return best;
    }

    std::size_t bins_ = 0;
    std::vector<bin_piece> beginnings_;  // of bins that were cut, by bin
    std::vector<bin_piece> ends_;        // pieces bins_, bins_ + 1, ...
};

/// Splits bins until their number is a multiple of `multiple`, as `equal_bins` does:
/// nothing lost, nothing twice. The first half stays in place, the second is appended;
/// empty bins are appended only when every bin is down to one item. No bins: none are
/// added. O(items + longest length + multiple * log bins).
///
/// @param lengths tokens of each sample
/// @throws invalid_argument if `multiple` is 0, or as `plan_from_bins`
template <class Index, class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] bin_list<Index> equalize_bins(const bin_list<Index>& bins,
                                            const Lengths& lengths, std::size_t multiple,
                                            Proj proj = {}) {
    const auto held = detail::contiguous_lengths(lengths, proj);
    const packing_plan plan = plan_from_bins(bins, std::span<const std::int64_t>(held));
    const equal_bins pieces(plan, multiple);
    bin_list<Index> equal;
    equal.reserve(pieces.size(), bins.items().size());
    for (std::size_t number = 0; number < pieces.size(); ++number) {
        const bin_piece piece = pieces.piece(number, plan);
        equal.append(bins[piece.bin].subspan(piece.first, piece.last - piece.first));
    }
    return equal;
}

}  // namespace packkit
