// SPDX-License-Identifier: Apache-2.0
/// @file
/// Axolotl's packing, bin for bin: what its `MultipackBatchSampler` makes of the same
/// lengths in the same order. For runs that must repeat or be compared with one of
/// Axolotl's; `pack` needs fewer bins.
///
/// The rules are those of `axolotl/utils/samplers/multipack.py`, release 0.19.0:
/// - `pack_group`: first fit in the order of the sampler, nothing is sorted. Groups are
///   packed independently, their bins follow one another.
/// - `allocate_sequentially`: next fit over everything. Looks at neither group size nor
///   bin size.
/// - A sample longer than the capacity gets a bin of its own, which is overfull.
#pragma once

#include <packkit/bin_list.hpp>
#include <packkit/concepts.hpp>
#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>
#include <packkit/packing/detail/bin_assignment.hpp>
#include <packkit/packing/first_fit.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

namespace packkit {

/// Axolotl's keys of sample packing, with its defaults.
struct axolotl_options {
    /// `sample_packing_group_size`: samples packed at a time. Positive, unless
    /// sequential: Axolotl fails with 0 as well.
    std::size_t group_size = 100'000;
    /// `sample_packing_bin_size`: most samples a bin. 0, Axolotl's None, is not "any
    /// number" but as many as the capacity has tokens, which binds samples of length 0
    /// only.
    std::size_t bin_size = 200;
    /// `sample_packing_sequentially`: next fit, which keeps the order.
    bool sequential = false;

    friend constexpr bool operator==(const axolotl_options&,
                                     const axolotl_options&) = default;
};

/// Axolotl's bins, and what it does not say about them.
struct axolotl_packing {
    /// In Axolotl's order, each with its samples in the order of the sampler.
    bin_list<> bins;
    /// Samples longer than the capacity, in the order of the sampler. Each is alone in
    /// its bin, and that bin holds more tokens than the capacity.
    std::vector<std::uint32_t> overlong;

    friend constexpr bool operator==(const axolotl_packing&,
                                     const axolotl_packing&) = default;
};

namespace detail {

/// First fit as `pack_group` does it: as `assign_first_fit`, and lengths may be 0 or
/// exceed the capacity. Precondition: no length is negative.
constexpr std::size_t assign_axolotl_group(std::span<const std::int64_t> lengths,
                                           bin_limits limits,
                                           std::span<std::uint32_t> bin_of) {
    first_fit_tree tree;
    std::vector<std::size_t> count;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        const std::size_t bin = tree.find(lengths[i]);
        if (bin == tree.size()) {
            tree.open(limits.capacity - lengths[i]);  // below 0: takes nothing more
            count.push_back(0);
        } else {
            tree.set(bin, tree.residual(bin) - lengths[i]);
        }
        // A residual of 0 still takes samples of length 0, so a bin closes below it.
        if (++count[bin] == limits.bin_size) tree.set(bin, -1);
        bin_of[i] = static_cast<std::uint32_t>(bin);
    }
    return tree.size();
}

/// Next fit as `allocate_sequentially` does it. Precondition: no length is negative.
constexpr std::size_t assign_axolotl_sequential(std::span<const std::int64_t> lengths,
                                                std::int64_t capacity,
                                                std::span<std::uint32_t> bin_of) {
    std::size_t bins = 0;
    std::int64_t room = 0;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        if (bins == 0 || lengths[i] > room) {
            ++bins;
            room = capacity;
        }
        room -= lengths[i];
        bin_of[i] = static_cast<std::uint32_t>(bins - 1);
    }
    return bins;
}

/// Packs samples whose `k`-th is `sample_of(k)`.
template <class SampleOf>
[[nodiscard]] constexpr axolotl_packing pack_axolotl(
    std::span<const std::int64_t> lengths, std::int64_t capacity, axolotl_options options,
    SampleOf sample_of) {
    check_capacity(capacity);
    if (options.group_size == 0 && !options.sequential) {
        throw_invalid_argument("sample_packing_group_size is 0, it must be positive");
    }
    if (lengths.size() > std::numeric_limits<std::uint32_t>::max()) {
        throw_invalid_argument("cannot index ", lengths.size(), " items, at most ",
                               std::numeric_limits<std::uint32_t>::max());
    }
    axolotl_packing packed;
    for (std::size_t k = 0; k < lengths.size(); ++k) {
        if (lengths[k] < 0) {
            throw_invalid_argument("item ", sample_of(k), " has length ", lengths[k],
                                   ", lengths must not be negative");
        }
        if (lengths[k] > capacity) packed.overlong.push_back(sample_of(k));
    }
    const bin_limits limits{capacity, options.bin_size == 0
                                          ? static_cast<std::size_t>(capacity)
                                          : options.bin_size};
    const std::size_t group = options.sequential ? lengths.size() : options.group_size;
    for (std::size_t first = 0; first < lengths.size();) {
        const auto part = lengths.subspan(first, std::min(group, lengths.size() - first));
        std::vector<std::uint32_t> bin_of(part.size(), 0);
        const std::size_t bins = options.sequential
                                     ? assign_axolotl_sequential(part, capacity, bin_of)
                                     : assign_axolotl_group(part, limits, bin_of);
        append_placed<std::uint32_t>(
            bin_of, bins, 0, [&](std::size_t k) { return sample_of(first + k); },
            packed.bins);
        first += part.size();
    }
    return packed;
}

}  // namespace detail

/// Packs samples as Axolotl does when its sampler hands them out in the order of their
/// indices (`curriculum_sampling`).
///
/// For lengths in [1, capacity] these are the bins of `pack` with `first_fit`, the group
/// size and the bin size; with `sequential`, of `pack` with `next_fit` and no limits.
/// Lengths of 0 and above the capacity are placed as Axolotl places them; the latter are
/// listed. Axolotl holds lengths in 32 bits; here longer ones stay what they are.
///
/// @param lengths tokens of each sample: any sized range of integers
/// @param capacity tokens a bin: `micro_batch_size` x `sequence_len`, or `sequence_len`
///   with `multipack_real_batches`
/// @param proj reads the length of an element
/// @throws invalid_argument if the capacity is not positive, a length is negative, the
///   group size is 0 without `sequential`, or there are 2^32 samples or more
///
/// O(N log bins of a group), where Axolotl looks at every bin for every sample; O(N) if
/// sequential. Deterministic. Usable in constant expressions.
template <class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] constexpr axolotl_packing pack_axolotl(const Lengths& lengths,
                                                     std::int64_t capacity,
                                                     axolotl_options options = {},
                                                     Proj proj = {}) {
    const auto held = detail::contiguous_lengths(lengths, proj);
    return detail::pack_axolotl(
        std::span<const std::int64_t>(held), capacity, options,
        [](std::size_t k) { return static_cast<std::uint32_t>(k); });
}

/// Packs samples as Axolotl does when its sampler hands them out in `order`: bins hold
/// indices of samples, not positions in `order`. Samples may be missing from `order`.
///
/// @throws invalid_argument as `pack_axolotl`, and for an index without a length
template <class Lengths, class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] constexpr axolotl_packing pack_axolotl_in_order(
    const Lengths& lengths, std::span<const std::uint32_t> order, std::int64_t capacity,
    axolotl_options options = {}, Proj proj = {}) {
    const auto held = detail::contiguous_lengths(lengths, proj);
    const std::span<const std::int64_t> all(held);
    std::vector<std::int64_t> ordered(order.size(), 0);
    for (std::size_t k = 0; k < order.size(); ++k) {
        if (order[k] >= all.size()) {
            detail::throw_invalid_argument("the order holds item ", order[k],
                                           " at position ", k, ", but there are ",
                                           all.size(), " lengths");
        }
        ordered[k] = all[order[k]];
    }
    return detail::pack_axolotl(std::span<const std::int64_t>(ordered), capacity, options,
                                [order](std::size_t k) { return order[k]; });
}

/// Axolotl's batches of bins, and the bins that are in none.
struct axolotl_batches {
    /// Batch `b` is bins [b * batch_size, (b + 1) * batch_size), up to `bins.size()`.
    bin_list<> bins;
    std::size_t batch_size = 1;
    /// Bins of the last batch, which was not full and is not trained on in this epoch.
    bin_list<> dropped;

    /// Number of batches.
    [[nodiscard]] constexpr std::size_t size() const {
        return bins.size() / batch_size + (bins.size() % batch_size != 0 ? 1 : 0);
    }

    friend constexpr bool operator==(const axolotl_batches&,
                                     const axolotl_batches&) = default;
};

/// Deals bins into batches as the sampler does: in their order, `batch_size` at a time,
/// without the last ones if they fill no batch and `drop_last` holds, as it does in
/// Axolotl's trainer. One rank's view: that Axolotl cuts every rank to the fewest batches
/// of any is not covered. O(items).
///
/// @param batch_size bins a batch: `micro_batch_size` with `multipack_real_batches`,
///   else 1
/// @throws invalid_argument if `batch_size` is 0
[[nodiscard]] constexpr axolotl_batches batch_axolotl(const bin_list<>& bins,
                                                      std::size_t batch_size,
                                                      bool drop_last = true) {
    if (batch_size == 0) {
        detail::throw_invalid_argument("a batch of 0 bins, it must have at least 1");
    }
    const std::size_t rest = drop_last ? bins.size() % batch_size : 0;
    axolotl_batches batches;
    batches.batch_size = batch_size;
    batches.bins.reserve(bins.size() - rest, bins.items().size());
    for (std::size_t b = 0; b < bins.size(); ++b) {
        auto& into = b < bins.size() - rest ? batches.bins : batches.dropped;
        into.append(bins[b]);
    }
    return batches;
}

}  // namespace packkit
