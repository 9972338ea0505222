// SPDX-License-Identifier: Apache-2.0
/// @file
/// A packing by lengths instead of samples: runs of equal bins.
///
/// Packing looks at lengths only, and there are few distinct ones. A plan therefore
/// names, for runs of neighbouring bins with the same content, how many samples of which
/// length each bin takes: some thousand records whatever the number of samples. Which
/// sample goes where follows by arithmetic: samples of one length are handed out in index
/// order.
#pragma once

#include <packkit/bins.hpp>
#include <packkit/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

namespace packkit {

/// How many samples there are of each length.
struct length_counts {
    /// count[s]: samples of length s; count[0] is 0. size(): longest length + 1.
    std::vector<std::uint32_t> count;
    std::size_t samples = 0;
};

/// Counts the lengths. O(N + longest). @throws invalid_argument for a length outside
/// [1, capacity], naming the item
template <class Length>
[[nodiscard]] constexpr length_counts count_lengths(std::span<const Length> lengths,
                                                    std::int64_t capacity) {
    length_counts counts;
    counts.samples = lengths.size();
    counts.count.assign(static_cast<std::size_t>(capacity) + 1, 0);
    for (std::size_t i = 0; i < lengths.size(); ++i) {
        const auto length = static_cast<std::uint64_t>(lengths[i]);
        // A negative length is a huge one here.
        if (length - 1 >= static_cast<std::uint64_t>(capacity)) {
            detail::throw_invalid_argument("item ", i, " has length ", lengths[i],
                                           ", expected 1 to the capacity of ", capacity);
        }
        ++counts.count[static_cast<std::size_t>(length)];
    }
    return counts;
}

/// Samples of one length in each bin of a run.
struct placement {
    std::uint32_t length = 0;
    std::uint32_t per_bin = 0;    ///< samples of that length in each bin
    std::uint32_t first_bin = 0;  ///< the bin that takes the samples from `start` on
    std::uint32_t start = 0;      ///< rank among the samples of that length
    std::uint32_t before =
        0;  ///< the placement under this one; itself when it is the first
};

/// Neighbouring bins with the same lengths.
struct bin_run {
    std::uint32_t first_bin = 0;
    std::uint32_t bins = 0;
    std::uint32_t last_placement = 0;  ///< of its bins; the others follow by `before`
    std::uint32_t items = 0;           ///< samples in each bin
};

/// Which lengths each bin takes. Made by `plan_first_fit_decreasing` and its like.
class packing_plan {
public:
    packing_plan() = default;
    /// `runs` in bin order, together the bins 0 … n − 1.
    constexpr packing_plan(std::vector<bin_run> runs, std::vector<placement> placements)
        : runs_(std::move(runs)), placements_(std::move(placements)) {}

    /// Number of bins.
    [[nodiscard]] constexpr std::size_t size() const {
        return runs_.empty() ? 0
                             : std::size_t{runs_.back().first_bin} + runs_.back().bins;
    }
    [[nodiscard]] constexpr std::span<const bin_run> runs() const { return runs_; }

    /// Placements of a run, in the order in which they were made. O(placements of the
    /// run).
    [[nodiscard]] constexpr std::vector<placement> placements_of(
        const bin_run& run) const {
        std::vector<placement> chain;
        placements_of(run, chain);
        return chain;
    }

    /// The same into a vector that is used again.
    constexpr void placements_of(const bin_run& run,
                                 std::vector<placement>& chain) const {
        chain.clear();
        for (std::uint32_t at = run.last_placement;; at = placements_[at].before) {
            chain.push_back(placements_[at]);
            if (placements_[at].before == at) break;
        }
        std::reverse(chain.begin(), chain.end());
    }

    /// The run that holds bin `bin`. O(log runs). @throws invalid_argument past the end
    [[nodiscard]] constexpr const bin_run& run_of(std::size_t bin) const {
        if (bin >= size()) {
            detail::throw_invalid_argument("bin ", bin, " of a plan of ", size(),
                                           " bins");
        }
        const auto after = std::upper_bound(
            runs_.begin(), runs_.end(), bin,
            [](std::size_t b, const bin_run& run) { return b < run.first_bin; });
        return *(after - 1);
    }

private:
    std::vector<bin_run> runs_;
    std::vector<placement> placements_;
};

/// Sample indices by length: samples_by_length(lengths, counts).of(s) points at those of
/// length s, in index order.
class samples_by_length {
public:
    /// A counting sort, O(N + longest). `counts` must be those of `lengths`; indices
    /// begin at `first`.
    ///
    /// Many samples are written through a buffer of one cache line a length: the
    /// thousands of places written to lie in as many memory pages, and finding pages is
    /// what a plain counting sort spends its time on.
    template <class Length>
    samples_by_length(std::span<const Length> lengths, const length_counts& counts,
                      std::uint32_t first = 0)
        : begin_(counts.count.size() + 1, 0),
          samples_(std::make_unique_for_overwrite<std::uint32_t[]>(lengths.size())) {
        // Longest first: neighbouring placements of a bin then read neighbouring memory.
        std::uint32_t at = 0;
        for (std::size_t s = counts.count.size(); s-- > 0;) {
            begin_[s] = at;
            at += counts.count[s];
        }
        std::vector<std::uint32_t> next(begin_.begin(), begin_.end());
        if (lengths.size() / 64 < counts.count.size()) {
            for (std::size_t i = 0; i < lengths.size(); ++i) {
                samples_[next[static_cast<std::size_t>(lengths[i])]++] =
                    first + static_cast<std::uint32_t>(i);
            }
        } else {
            scatter_by_lines(lengths, next, first);
        }
    }

    [[nodiscard]] const std::uint32_t* of(std::size_t length) const {
        return samples_.get() + begin_[length];
    }

private:
    static constexpr std::uint32_t line = 16;  // indices in a cache line

    template <class Length>
    void scatter_by_lines(std::span<const Length> lengths,
                          std::vector<std::uint32_t>& next, std::uint32_t first) {
        std::vector<std::uint32_t> lines(next.size() * line);
        for (std::size_t i = 0; i < lengths.size(); ++i) {
            const auto length = static_cast<std::size_t>(lengths[i]);
            const std::uint32_t to = next[length]++;
            lines[length * line + to % line] = first + static_cast<std::uint32_t>(i);
            if (to % line == line - 1) flush(lines, length, to + 1);
        }
        for (std::size_t length = 0; length < next.size(); ++length) {
            if (next[length] % line != 0) flush(lines, length, next[length]);
        }
    }

    /// Writes what the line of `length` holds of the places before `end`.
    void flush(const std::vector<std::uint32_t>& lines, std::size_t length,
               std::uint32_t end) {
        const std::uint32_t begin = std::max((end - 1) / line * line, begin_[length]);
        std::copy(
            lines.begin() + static_cast<std::ptrdiff_t>(length * line + begin % line),
            lines.begin() +
                static_cast<std::ptrdiff_t>(length * line + (end - 1) % line + 1),
            samples_.get() + begin);
    }

    std::vector<std::uint32_t> begin_;
    std::unique_ptr<std::uint32_t[]> samples_;
};

/// The bins of `plan` with their samples, in bin order; inside a bin longest first, equal
/// lengths by index. O(N + bins).
[[nodiscard]] inline bin_list<> expand(const packing_plan& plan,
                                       const samples_by_length& samples,
                                       std::size_t sample_count) {
    std::vector<std::uint32_t> items(sample_count, 0);
    std::vector<std::size_t> offsets(plan.size() + 1, 0);
    struct source {
        const std::uint32_t* next;
        std::uint32_t per_bin;
    };
    std::vector<source> sources;
    std::vector<placement> chain;
    std::uint32_t* out = items.data();
    std::size_t* offset = offsets.data();
    std::size_t filled = 0;
    for (const bin_run& run : plan.runs()) {
        sources.clear();
        plan.placements_of(run, chain);
        for (const placement& p : chain) {
            sources.push_back({samples.of(p.length) + p.start +
                                   std::size_t{run.first_bin - p.first_bin} * p.per_bin,
                               p.per_bin});
        }
        for (std::uint32_t b = 0; b < run.bins; ++b) {
            for (source& from : sources) {
                for (std::uint32_t k = 0; k < from.per_bin; ++k)
                    *out++ = *from.next++;
            }
            filled += run.items;
            *++offset = filled;
        }
    }
    return bin_list<>::from_csr(std::move(items), std::move(offsets));
}

}  // namespace packkit
