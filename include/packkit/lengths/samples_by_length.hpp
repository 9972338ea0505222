// SPDX-License-Identifier: Apache-2.0
/// @file
/// Sample indices sorted by length: which samples a plan's lengths stand for.
#pragma once

#include <packkit/detail/memory/cache_line.hpp>
#include <packkit/detail/memory/large_array.hpp>
#include <packkit/lengths/length_counts.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace packkit {

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

}  // namespace packkit
