// SPDX-License-Identifier: Apache-2.0
/// @file
/// Bins by number, made when they are asked for: the result of a packing without an array
/// of all bins.
#pragma once

#include <packkit/concepts.hpp>
#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>
#include <packkit/lengths/length_counts.hpp>
#include <packkit/lengths/samples_by_length.hpp>
#include <packkit/packing/pack.hpp>
#include <packkit/packing/packing_plan.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace packkit {

/// A packing policy that can say which lengths go together without the samples.
template <class P>
concept planning_policy = packing_policy<P> && requires(const length_counts& counts) {
    { P::plan(counts, std::uint32_t{}, std::uint32_t{}) } -> std::same_as<packing_plan>;
};

/// The bins of a plan, each made from the plan and the samples by length when it is asked
/// for, in O(its items + log runs). Memory: 4 bytes a sample and the plan's some thousand
/// records. Equal, bin by bin, to what `pack` returns.
class lazy_bin_list {
public:
    lazy_bin_list() = default;
    /// `samples` must be those that `plan` was made for.
    lazy_bin_list(packing_plan plan, samples_by_length samples)
        : plan_(std::move(plan)), samples_(std::move(samples)) {}

    /// Number of bins.
    [[nodiscard]] std::size_t size() const { return plan_.size(); }
    [[nodiscard]] const packing_plan& plan() const { return plan_; }

    /// Writes the sample indices of a bin, longest first, and returns the iterator past
    /// the last. @throws invalid_argument past the end
    template <std::output_iterator<std::uint32_t> Out>
    Out copy(std::size_t bin, Out out) const {
        const bin_run& run = plan_.run_of(bin);
        for (const placement& p : plan_.placements_of(run)) {
            const std::uint32_t* const from =
                samples_.of(p.length) + p.start + (bin - p.first_bin) * p.per_bin;
            out = std::copy(from, from + p.per_bin, std::move(out));
        }
        return out;
    }

    /// The sample indices of a bin. @throws invalid_argument past the end
    [[nodiscard]] std::vector<std::uint32_t> operator[](std::size_t bin) const {
        std::vector<std::uint32_t> items;
        copy(bin, std::back_inserter(items));
        return items;
    }

    /// Assigns every bin in order to an output iterator, as a span that is valid until
    /// the next one. O(N + bins), no memory beside one bin.
    template <std::output_iterator<std::span<const std::uint32_t>> Out>
    Out copy_all(Out out) const {
        std::vector<std::uint32_t> items;
        std::vector<placement> chain;
        for (const bin_run& run : plan_.runs()) {
            plan_.placements_of(run, chain);
            for (std::size_t bin = run.first_bin;
                 bin < std::size_t{run.first_bin} + run.bins; ++bin) {
                items.clear();
                for (const placement& p : chain) {
                    const std::uint32_t* const from =
                        samples_.of(p.length) + p.start + (bin - p.first_bin) * p.per_bin;
                    items.insert(items.end(), from, from + p.per_bin);
                }
                *out++ = std::span<const std::uint32_t>(items);
            }
        }
        return out;
    }

private:
    packing_plan plan_;
    samples_by_length samples_;
};

/// Packs as `pack(lengths, capacity, policy, {.bin_size = bin_size}, proj)` does, without
/// making the bins. O(N + capacity).
/// @throws invalid_argument as `pack` does, and for a capacity of 2^31 or more
template <class Lengths, planning_policy Policy = first_fit_decreasing,
          class Proj = std::identity>
    requires length_range<const Lengths&, Proj>
[[nodiscard]] lazy_bin_list pack_lazily(const Lengths& lengths, std::int64_t capacity,
                                        Policy = {}, std::size_t bin_size = 0,
                                        Proj proj = {}) {
    const auto held = detail::contiguous_integers(lengths, proj);
    const std::span all(held);
    detail::check_sample_count(all.size());
    if (capacity >= std::int64_t{1} << 31) {
        detail::throw_invalid_argument("capacity is ", capacity,
                                       ", packing by length needs one below 2^31");
    }
    length_counts counts;
    count_lengths(all, capacity, counts);
    packing_plan plan =
        Policy::plan(counts, static_cast<std::uint32_t>(capacity),
                     static_cast<std::uint32_t>(std::min<std::size_t>(
                         bin_size, std::numeric_limits<std::uint32_t>::max())));
    return lazy_bin_list(std::move(plan), samples_by_length(all, counts));
}

}  // namespace packkit
