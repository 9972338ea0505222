// SPDX-License-Identifier: Apache-2.0
/// @file
/// Which rank trains on which bin at which step: batches of bins of equal number on every
/// rank, an order by seed and epoch, and a cursor to resume from.
#pragma once

#include <packkit/bins.hpp>
#include <packkit/concepts.hpp>
#include <packkit/detail/lengths.hpp>
#include <packkit/error.hpp>
#include <packkit/random.hpp>

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace packkit {

/// What becomes of the last batch of an epoch if it is not full.
enum class last_batch {
    keep,  ///< it is a step; the slots past its end are empty rows
    drop,  ///< its bins are left out of this epoch
};

/// Splits bins until their number is a multiple of `multiple`: nothing lost, nothing
/// twice.
///
/// Always the bin with the most tokens among those of two items or more is split (the
/// lowest-numbered of equals), after the item where its halves are closest in tokens. The
/// first half stays in place, the second is appended. Empty bins are appended only when
/// every bin is down to one item. No bins: none are added. O(items + multiple * log
/// bins).
///
/// @param lengths tokens of each sample
/// @throws invalid_argument if `multiple` is 0, or a bin holds an index without a length
template <class Index, class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] bin_list<Index> equalize_bins(const bin_list<Index>& bins,
                                            const Lengths& lengths, std::size_t multiple,
                                            Proj proj = {}) {
    if (multiple == 0) {
        detail::throw_invalid_argument("bins cannot be made a multiple of 0");
    }
    const auto held = detail::contiguous_lengths(lengths, proj);
    const std::span<const std::int64_t> all(held);
    // Pieces are parts [first, last) of items(), which stays as it is.
    struct piece {
        std::size_t first, last;
        std::int64_t load;
    };
    std::vector<piece> pieces;
    pieces.reserve(bins.size() + multiple);
    for (std::size_t b = 0; b < bins.size(); ++b) {
        piece whole{bins.offsets()[b], bins.offsets()[b + 1], 0};
        for (const Index item : bins[b]) {
            const auto i = static_cast<std::size_t>(item);
            if (i >= all.size()) {
                detail::throw_invalid_argument("bin ", b, " holds item ", item,
                                               ", but there are ", all.size(),
                                               " lengths");
            }
            whole.load = detail::checked_add(whole.load, all[i], "the load of a bin");
        }
        pieces.push_back(whole);
    }
    const auto missing = (multiple - pieces.size() % multiple) % multiple;

    const auto lighter = [&pieces](std::size_t a, std::size_t b) {
        return pieces[a].load != pieces[b].load ? pieces[a].load < pieces[b].load : a > b;
    };
    std::vector<std::size_t> heap;  // pieces that can be split, the heaviest on top
    for (std::size_t p = 0; missing > 0 && p < pieces.size(); ++p) {
        if (pieces[p].last - pieces[p].first >= 2) heap.push_back(p);
    }
    std::make_heap(heap.begin(), heap.end(), lighter);
    const auto push = [&](std::size_t p) {
        if (pieces[p].last - pieces[p].first < 2) return;
        heap.push_back(p);
        std::push_heap(heap.begin(), heap.end(), lighter);
    };
    for (std::size_t added = 0; added < missing; ++added) {
        if (heap.empty()) {
            pieces.push_back({0, 0, 0});
            continue;
        }
        std::pop_heap(heap.begin(), heap.end(), lighter);
        const std::size_t p = heap.back();
        heap.pop_back();
        const piece whole = pieces[p];
        const auto length = [&](std::size_t at) {
            return all[static_cast<std::size_t>(bins.items()[at])];
        };
        // Move the cut right while that brings the halves closer.
        std::size_t cut = whole.first + 1;
        std::int64_t left = length(whole.first);
        while (cut + 1 < whole.last && whole.load - left > left + length(cut)) {
            left += length(cut++);
        }
        if (cut + 1 < whole.last) {
            const std::int64_t further = left + length(cut);
            if (further - (whole.load - further) < (whole.load - left) - left) {
                left = further;
                ++cut;
            }
        }
        pieces[p] = {whole.first, cut, left};
        pieces.push_back({cut, whole.last, whole.load - left});
        push(p);
        push(pieces.size() - 1);
    }
    bin_list<Index> equal;
    equal.reserve(pieces.size(), bins.items().size());
    for (const piece& part : pieces) {
        equal.append(bins.items().subspan(part.first, part.last - part.first));
    }
    return equal;
}

/// How bins are dealt out.
struct sampler_options {
    std::size_t ranks = 1;        ///< data-parallel ranks
    std::size_t micro_steps = 1;  ///< gradient accumulation steps
    std::uint64_t seed = 0;
    bool shuffle = true;  ///< bins in another order each epoch; else in theirs
    last_batch last = last_batch::keep;
};

/// Deals bins to ranks, epoch by epoch.
///
/// Step `s` of an epoch is the slots [s * G, (s + 1) * G) of the epoch's order, with G =
/// ranks * micro_steps; slot s * G + micro_step * ranks + rank goes to that rank at that
/// micro-step. So the global batch of a step is the same for any split of G into ranks
/// and micro-steps, every rank has the same number of steps and micro-steps, and each bin
/// is dealt exactly once an epoch (with `last_batch::drop`, at most once). Every rank
/// derives the same from the number of bins, the options and the epoch; nothing is
/// communicated.
class batch_sampler {
public:
    /// In epoch 0. @throws invalid_argument for 0 ranks or micro-steps, or 2^32 bins or
    /// more
    explicit batch_sampler(std::size_t bins, sampler_options options = {})
        : bins_(bins), options_(options) {
        if (options.ranks == 0 || options.micro_steps == 0) {
            detail::throw_invalid_argument("sampler of ", options.ranks, " ranks and ",
                                           options.micro_steps,
                                           " micro-steps, both must be positive");
        }
        if (options.ranks >
                std::numeric_limits<std::uint32_t>::max() / options.micro_steps ||
            bins > std::numeric_limits<std::uint32_t>::max()) {
            detail::throw_invalid_argument("sampler of ", bins, " bins, ", options.ranks,
                                           " ranks and ", options.micro_steps,
                                           " micro-steps is beyond 32 bits");
        }
        set_epoch(0);
    }

    /// Begins another epoch. O(bins) when shuffling.
    void set_epoch(std::uint64_t epoch) {
        epoch_ = epoch;
        if (options_.shuffle) order_ = seeded_permutation(bins_, options_.seed, epoch);
    }

    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
    [[nodiscard]] std::size_t bins() const noexcept { return bins_; }
    [[nodiscard]] const sampler_options& options() const noexcept { return options_; }

    /// Slots a step: ranks * micro_steps.
    [[nodiscard]] std::size_t slots_per_step() const noexcept {
        return options_.ranks * options_.micro_steps;
    }

    /// Steps an epoch, the same for every rank.
    [[nodiscard]] std::size_t steps_per_epoch() const noexcept {
        const std::size_t slots = slots_per_step();
        const bool rest = options_.last == last_batch::keep && bins_ % slots != 0;
        return bins_ / slots + (rest ? 1 : 0);
    }

    /// The bin of one rank at one micro-step; none is an empty row. O(1).
    /// @throws invalid_argument for a step, micro-step or rank out of range
    [[nodiscard]] std::optional<std::size_t> bin(std::size_t step, std::size_t micro_step,
                                                 std::size_t rank) const {
        check("step", step, steps_per_epoch());
        check("micro-step", micro_step, options_.micro_steps);
        check("rank", rank, options_.ranks);
        return slot(step * slots_per_step() + micro_step * options_.ranks + rank);
    }

    /// The global batch of a step: its `slots_per_step()` bins, micro-step by micro-step,
    /// rank by rank. @throws invalid_argument for a step out of range
    [[nodiscard]] std::vector<std::optional<std::size_t>> bins_of_step(
        std::size_t step) const {
        check("step", step, steps_per_epoch());
        std::vector<std::optional<std::size_t>> slots(slots_per_step());
        for (std::size_t s = 0; s < slots.size(); ++s) {
            slots[s] = slot(step * slots.size() + s);
        }
        return slots;
    }

private:
    static void check(std::string_view what, std::size_t value, std::size_t end) {
        if (value >= end) {
            detail::throw_invalid_argument(what, " is ", value, ", there are ", end);
        }
    }

    [[nodiscard]] std::optional<std::size_t> slot(std::size_t s) const {
        if (s >= bins_) return std::nullopt;
        return options_.shuffle ? order_[s] : s;
    }

    std::size_t bins_;
    sampler_options options_;
    std::uint64_t epoch_ = 0;
    std::vector<std::uint32_t> order_;  // of this epoch, when shuffling
};

/// Where training stands: `step` steps of `epoch` are done. A plain pair of numbers is
/// all there is to save.
struct cursor {
    std::uint64_t epoch = 0;
    std::uint64_t step = 0;

    /// The cursor after one more step, at the next epoch's start once this one is done.
    /// @throws invalid_argument for epochs of 0 steps
    [[nodiscard]] constexpr cursor advance(std::uint64_t steps_per_epoch) const {
        return from_global_step(global_step(steps_per_epoch) + 1, steps_per_epoch);
    }

    /// Steps done since the first epoch began.
    [[nodiscard]] constexpr std::uint64_t global_step(
        std::uint64_t steps_per_epoch) const {
        return epoch * steps_per_epoch + step;
    }

    /// The cursor after that many steps. @throws invalid_argument for epochs of 0 steps
    [[nodiscard]] static constexpr cursor from_global_step(
        std::uint64_t global_step, std::uint64_t steps_per_epoch) {
        if (steps_per_epoch == 0) {
            detail::throw_invalid_argument("an epoch of 0 steps has no step ",
                                           global_step);
        }
        return {global_step / steps_per_epoch, global_step % steps_per_epoch};
    }

    friend constexpr auto operator<=>(const cursor&, const cursor&) = default;
};

}  // namespace packkit
