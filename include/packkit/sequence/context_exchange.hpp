// SPDX-License-Identifier: Apache-2.0
/// @file
/// Which keys and values context-parallel ranks owe each other, by arithmetic from the
/// split of a row alone: no rank asks another.
///
/// A query sees the keys before it in its document, no further back than the window. A
/// rank is sent exactly the keys that some query of its own sees and that lie elsewhere;
/// gradients of keys and values take the same ways back. A document that lies on one rank
/// is sent nowhere.
#pragma once

#include <packkit/error.hpp>
#include <packkit/sequence/context_split.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace packkit {

/// Tokens [begin, end) of some list of tokens: a rank's own, or what came from another.
struct token_range {
    std::int64_t begin = 0;
    std::int64_t end = 0;

    [[nodiscard]] constexpr std::int64_t tokens() const { return end - begin; }
    friend constexpr bool operator==(const token_range&, const token_range&) = default;
};

/// What each rank sends each other one. O(ranks² + slices² of a cut document x cut
/// documents) to make.
class context_exchange {
public:
    /// @param window keys that a query sees at most, itself included; 0: all before it
    /// @throws invalid_argument for a negative window
    constexpr explicit context_exchange(context_split split, std::int64_t window = 0)
        : split_(std::move(split)), window_(window), sent_(split_.ranks() * ranks()) {
        if (window < 0) {
            detail::throw_invalid_argument("window is ", window,
                                           ", it must not be negative");
        }
        const auto documents = static_cast<std::int32_t>(split_.cu_seqlens().size()) - 1;
        std::vector<std::size_t> next(ranks(), 0);  // slice of each rank
        std::vector<held> parts;                    // of the document
        for (std::int32_t document = 0; document < documents; ++document) {
            parts.clear();
            for (std::size_t rank = 0; rank < ranks(); ++rank) {
                const auto slices = split_.slices(rank);
                for (; next[rank] < slices.size() &&
                       slices[next[rank]].document == document;
                     ++next[rank]) {
                    parts.push_back({slices[next[rank]], rank});
                }
            }
            std::sort(parts.begin(), parts.end(), [](const held& a, const held& b) {
                return a.slice.begin < b.slice.begin;
            });
            for (std::size_t to = 0; parts.size() > 1 && to < ranks(); ++to)
                add(parts, to);
        }
    }

    [[nodiscard]] constexpr std::size_t ranks() const { return split_.ranks(); }
    [[nodiscard]] constexpr const context_split& split() const { return split_; }
    [[nodiscard]] constexpr std::int64_t window() const { return window_; }

    /// What `from` sends `to`, in row order; empty for a rank and itself. Precondition
    /// here and below: ranks below `ranks()`.
    [[nodiscard]] constexpr std::span<const document_slice> sent(std::size_t from,
                                                                 std::size_t to) const {
        PACKKIT_ASSERT(from < ranks() && to < ranks());
        return sent_[from * ranks() + to];
    }
    /// Tokens of `sent`.
    [[nodiscard]] constexpr std::int64_t tokens_sent(std::size_t from,
                                                     std::size_t to) const {
        std::int64_t sum = 0;
        for (const document_slice& slice : sent(from, to))
            sum += slice.tokens();
        return sum;
    }
    /// To all others.
    [[nodiscard]] constexpr std::int64_t tokens_sent(std::size_t from) const {
        std::int64_t sum = 0;
        for (std::size_t to = 0; to < ranks(); ++to)
            sum += tokens_sent(from, to);
        return sum;
    }
    /// From all others.
    [[nodiscard]] constexpr std::int64_t tokens_received(std::size_t to) const {
        std::int64_t sum = 0;
        for (std::size_t from = 0; from < ranks(); ++from)
            sum += tokens_sent(from, to);
        return sum;
    }

    /// Where that lies among the sender's own tokens; neighbours are one range.
    [[nodiscard]] constexpr std::vector<token_range> ranges_sent(std::size_t from,
                                                                 std::size_t to) const {
        std::vector<token_range> ranges;
        const auto boundaries = split_.cu_seqlens();
        for (const document_slice& slice : sent(from, to)) {
            const auto start = static_cast<std::size_t>(slice.document);
            const std::int64_t begin =
                split_.place_of(boundaries[start] + std::int64_t{slice.begin}).index;
            if (!ranges.empty() && ranges.back().end == begin) {
                ranges.back().end += slice.tokens();
            } else {
                ranges.push_back({begin, begin + slice.tokens()});
            }
        }
        return ranges;
    }

    /// In step s of `ranks()` each rank sends to the rank s behind it (modulo ranks) and
    /// receives from the rank s before it. Whether no rank sends anything in it.
    [[nodiscard]] constexpr bool silent_step(std::size_t step) const {
        for (std::size_t from = 0; from < ranks(); ++from) {
            if (!sent(from, (from + step) % ranks()).empty()) return false;
        }
        return true;
    }
    /// Steps in which any rank sends.
    [[nodiscard]] constexpr std::size_t busy_steps() const {
        std::size_t busy = 0;
        for (std::size_t step = 1; step < ranks(); ++step)
            busy += silent_step(step) ? 0 : 1;
        return busy;
    }
    /// Whether no rank sends anything at all.
    [[nodiscard]] constexpr bool silent() const { return busy_steps() == 0; }

    /// The first key that a query at that place of its document sees.
    [[nodiscard]] constexpr std::int32_t first_key(std::int32_t query) const {
        if (window_ == 0 || window_ > query) return 0;
        return query + 1 - static_cast<std::int32_t>(window_);
    }

private:
    struct held {
        document_slice slice;
        std::size_t rank = 0;
    };

    /// What rank `to` needs of one document, whose parts are in order.
    constexpr void add(const std::vector<held>& parts, std::size_t to) {
        // Its slices' keys are [first_key(begin), end), both ascending: those of a slice
        // that the slices before it do not see begin at `seen`.
        std::int32_t seen = 0;
        for (const held& queries : parts) {
            if (queries.rank != to) continue;
            const std::int32_t first = std::max(seen, first_key(queries.slice.begin));
            for (const held& keys : parts) {
                if (keys.slice.begin >= queries.slice.begin) break;
                const std::int32_t begin = std::max(first, keys.slice.begin);
                if (keys.rank == to || begin >= keys.slice.end) continue;
                auto& list = sent_[keys.rank * ranks() + to];
                if (!list.empty() && list.back().document == keys.slice.document &&
                    list.back().end == begin) {
                    list.back().end = keys.slice.end;
                } else {
                    list.push_back({keys.slice.document, begin, keys.slice.end});
                }
            }
            seen = queries.slice.end;
        }
    }

    context_split split_;
    std::int64_t window_;
    std::vector<std::vector<document_slice>> sent_;  // from * ranks + to
};

}  // namespace packkit
