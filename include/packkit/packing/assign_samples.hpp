// SPDX-License-Identifier: Apache-2.0
/// @file
/// From a plan, which names lengths, to bins, which name samples.
#pragma once

#include <packkit/bin_list.hpp>
#include <packkit/lengths/length_counts.hpp>
#include <packkit/lengths/samples_by_length.hpp>
#include <packkit/packing/packing_plan.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace packkit {

/// Memory that packing by length can use again, see `pack_into`. Holds nothing between
/// calls that anyone may rely on.
struct pack_workspace {
    length_counts counts;
    samples_by_length samples;
};

namespace detail {

/// Gives samples to the bins of a run: `per_bin` of `from` to each of `bins` bins that
/// lie `items` values apart, from `out` on.
inline void deal(const std::uint32_t* from, std::uint32_t per_bin, std::uint32_t* out,
                 std::uint32_t bins, std::uint32_t items) {
    if (per_bin == 1) {
        for (std::uint32_t b = 0; b < bins; ++b)
            out[std::size_t{b} * items] = from[b];
        return;
    }
    for (std::uint32_t b = 0; b < bins; ++b) {
        for (std::uint32_t k = 0; k < per_bin; ++k)
            out[k] = *from++;
        out += items;
    }
}

}  // namespace detail

/// Appends the bins of `plan` with their samples, in bin order; inside a bin longest
/// first, equal lengths by index. `sample_count` are all the plan was made for. O(N +
/// bins).
template <class = void>  // costs nothing before it is called
void expand(const packing_plan& plan, const samples_by_length& samples,
            std::size_t sample_count, bin_list<>& bins) {
    constexpr std::uint32_t near = 1024;  // values written to that stay in the cache
    const std::size_t before = bins.items().size();
    bins.append_written(
        plan.size(), sample_count,
        [&](std::span<std::uint32_t> items, std::span<std::size_t> ends) {
            std::vector<placement> chain;
            std::uint32_t* out = items.data();
            std::size_t* end = ends.data();
            std::size_t filled = before;
            for (const bin_run& run : plan.runs()) {
                plan.placements_of(run, chain);
                const std::uint32_t most = std::max(1U, near / run.items);
                for (std::uint32_t done = 0; done < run.bins;) {
                    const std::uint32_t some = std::min(most, run.bins - done);
                    std::uint32_t* to = out;
                    for (const placement& p : chain) {
                        const std::uint32_t* const from =
                            samples.of(p.length) + p.start +
                            std::size_t{run.first_bin + done - p.first_bin} * p.per_bin;
                        detail::deal(from, p.per_bin, to, some, run.items);
                        to += p.per_bin;
                    }
                    out += std::size_t{some} * run.items;
                    done += some;
                }
                for (std::uint32_t b = 0; b < run.bins; ++b)
                    *end++ = filled += run.items;
            }
        });
}

/// The bins of `plan` with their samples.
template <class = void>
[[nodiscard]] bin_list<> expand(const packing_plan& plan,
                                const samples_by_length& samples,
                                std::size_t sample_count) {
    bin_list<> bins;
    expand(plan, samples, sample_count, bins);
    return bins;
}

}  // namespace packkit
