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
#include <packkit/detail/cache_line.hpp>
#include <packkit/detail/large_array.hpp>
#include <packkit/detail/lengths.hpp>
#include <packkit/error.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace packkit {

/// How many samples there are of each length.
struct length_counts {
    /// count[s]: samples of length s; count[0] is 0. size(): longest length + 1.
    std::vector<std::uint32_t> count;
    std::size_t samples = 0;
};

/// Counts the lengths into `counts`, whose memory is used again. O(N + capacity).
/// @throws invalid_argument for a length outside [1, capacity], naming the item, where
///   `first` is the number of the first one
template <std::integral Length>
constexpr void count_lengths(std::span<const Length> lengths, std::int64_t capacity,
                             length_counts& counts, std::size_t first = 0) {
    detail::check_capacity(capacity);
    counts.samples = lengths.size();
    counts.count.assign(static_cast<std::size_t>(capacity) + 1, 0);
    std::uint32_t* const count = counts.count.data();
    using bits = std::make_unsigned_t<Length>;
    const auto limit = std::cmp_less(capacity, std::numeric_limits<Length>::max())
                           ? static_cast<bits>(capacity)
                           : static_cast<bits>(std::numeric_limits<Length>::max());
    // A length that is not positive is a huge one here.
    const auto fits = [limit](Length length) {
        return static_cast<bits>(static_cast<bits>(length) - 1) < limit;
    };
    // Four at a time take two thirds of the time of one by one.
    std::size_t i = 0;
    for (; i + 4 <= lengths.size(); i += 4) {
        const Length a = lengths[i], b = lengths[i + 1];
        const Length c = lengths[i + 2], d = lengths[i + 3];
        if (!fits(a) || !fits(b) || !fits(c) || !fits(d)) break;
        ++count[static_cast<std::size_t>(a)];
        ++count[static_cast<std::size_t>(b)];
        ++count[static_cast<std::size_t>(c)];
        ++count[static_cast<std::size_t>(d)];
    }
    for (; i < lengths.size(); ++i) {
        if (!fits(lengths[i])) detail::check_lengths(lengths, capacity, first);
        ++count[static_cast<std::size_t>(lengths[i])];
    }
}

/// Counts the lengths.
/// @throws invalid_argument as above
template <std::integral Length>
[[nodiscard]] constexpr length_counts count_lengths(std::span<const Length> lengths,
                                                    std::int64_t capacity) {
    length_counts counts;
    count_lengths(lengths, capacity, counts);
    return counts;
}

namespace detail {

/// Calls place(length, count) for every length that occurs, longest first.
template <class Place>
constexpr void for_each_length_descending(const length_counts& counts, Place place) {
    for (std::size_t s = counts.count.size(); s-- > 1;) {
        if (counts.count[s] > 0) place(static_cast<std::uint32_t>(s), counts.count[s]);
    }
}

}  // namespace detail

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
    samples_by_length() = default;
    /// As `assign`.
    template <std::integral Length>
    samples_by_length(std::span<const Length> lengths, const length_counts& counts,
                      std::uint32_t first = 0) {
        assign(lengths, counts, first);
    }

    /// Sorts the samples by counting, O(N + longest); memory is used again. `counts` must
    /// be those of `lengths`; indices begin at `first`.
    template <std::integral Length>
    void assign(std::span<const Length> lengths, const length_counts& counts,
                std::uint32_t first = 0) {
        begin_.resize(counts.count.size());
        samples_.resize(lengths.size());
        // Longest first: neighbouring placements of a bin then read neighbouring memory.
        std::uint32_t at = 0;
        for (std::size_t s = counts.count.size(); s-- > 0;) {
            begin_[s] = at;
            at += counts.count[s];
        }
        if (lengths.size() / 64 < counts.count.size()) {
            next_.assign(begin_.begin(), begin_.end());
            for (std::size_t i = 0; i < lengths.size(); ++i) {
                samples_[next_[static_cast<std::size_t>(lengths[i])]++] =
                    first + static_cast<std::uint32_t>(i);
            }
        } else {
            scatter_by_lines(lengths, first);
        }
    }

    [[nodiscard]] const std::uint32_t* of(std::size_t length) const {
        return samples_.data() + begin_[length];
    }

private:
    using line = detail::cache_line;
    static constexpr std::uint32_t last = line::size - 1;

    /// Writes through a buffer of one cache line a length, and whole lines past the
    /// cache: a plain counting sort spends most of its time on fetching the lines that it
    /// writes to.
    template <class Length>
    void scatter_by_lines(std::span<const Length> lengths, std::uint32_t first) {
        // Until the line is full, its last value is the place of the next sample.
        lines_.resize(begin_.size());
        line* const lines = lines_.data();
        const std::uint32_t* const begin = begin_.data();
        std::uint32_t* const samples = samples_.data();
        for (std::size_t length = 0; length < begin_.size(); ++length)
            lines[length].values[last] = begin[length];
        std::uint32_t index = first;
        for (const Length value : lengths) {
            const auto length = static_cast<std::size_t>(value);
            std::uint32_t* const values = lines[length].values;
            const std::uint32_t to = values[last];
            values[to % line::size] = index++;
            if (to % line::size == last) {
                if (to - begin[length] >= last) {
                    lines[length].write_to(samples + (to - last));
                } else {  // the line begins with samples of a longer length
                    copy_line(length, begin[length], to + 1);
                }
            }
            values[last] = to + 1;
        }
        line::finish_writes();
        for (std::size_t length = 0; length < begin_.size(); ++length) {
            const std::uint32_t end = lines_[length].values[last];
            const std::uint32_t line_begin = end / line::size * line::size;
            copy_line(length, std::max(line_begin, begin_[length]), end);
        }
    }

    /// Writes the places [from, end), all in one line, from the line of `length`.
    void copy_line(std::size_t length, std::uint32_t from, std::uint32_t end) {
        for (std::uint32_t to = from; to < end; ++to)
            samples_[to] = lines_[length].values[to % line::size];
    }

    std::vector<std::uint32_t> begin_;
    std::vector<std::uint32_t> next_;
    detail::large_array<line> lines_;
    detail::large_array<std::uint32_t> samples_;
};

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
