// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Where all readers put what they find: the lengths, checked one by one.

#include "sample_table.hpp"

#include "common/errors.hpp"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>

namespace packkit::app {

/// Checks each length and appends it to a table.
class sample_sink {
public:
    /// @param longest_allowed a longer sample is an error (excess strategy `raise`)
    explicit sample_sink(
        std::int64_t longest_allowed = std::numeric_limits<std::int64_t>::max())
        : longest_allowed_(longest_allowed) {}

    /// Makes room for samples whose number is known before they are read. A number that
    /// comes from a broken file does no harm: room is made for 2^26 at most.
    void expect(std::uint64_t samples) {
        constexpr std::uint64_t most = std::uint64_t{1} << 26U;
        table_.lengths.reserve(table_.lengths.size() +
                               static_cast<std::size_t>(std::min(samples, most)));
    }

    /// Adds a sample. `place()` gives its place for a message and is called only then.
    /// @throws input_error for a length below 1 or above the longest allowed
    template <class Place>
    void add(std::int64_t length, const Place& place) {
        if (length < 1) refuse_small(length, place());
        if (length > longest_allowed_) refuse_long(length, place());
        if (length > std::numeric_limits<std::int64_t>::max() - tokens_) {
            throw input_error(place(), "length " + std::to_string(length) +
                                           " brings the sum of all lengths above 2^63");
        }
        next_index(place);
        tokens_ += length;
        table_.append(length);
    }

    /// Adds samples of which most are expected to be in order. `place(i)` gives the place
    /// of the i-th. @throws input_error as add(), and for one that does not fit 64 bits
    template <std::integral Length, class Place>
    void add_all(std::span<const Length> lengths, const Place& place) {
        constexpr std::size_t piece = 4096;  // stays in the cache between the two passes
        for (std::size_t first = 0; first < lengths.size(); first += piece) {
            const auto part =
                lengths.subspan(first, std::min(piece, lengths.size() - first));
            if (!add_plain(part)) {
                for (std::size_t i = 0; i < part.size(); ++i) {
                    const auto at = [&] { return place(first + i); };
                    if (!std::in_range<std::int64_t>(part[i])) {
                        throw input_error(at(), "length " + std::to_string(part[i]) +
                                                    " does not fit 64 bits with a sign"
                                                    "; expected a whole number ≥ 1");
                    }
                    add(static_cast<std::int64_t>(part[i]), at);
                }
            }
        }
    }

    /// Counts a sample without a token: an empty text or a row without ids.
    template <class Place>
    void add_empty(const Place& place) {
        table_.empty.push_back(next_index(place));
    }

    /// Samples added so far, the empty ones counted.
    [[nodiscard]] std::uint64_t samples() const {
        return table_.lengths.size() + table_.empty.size();
    }

    [[nodiscard]] sample_table take() && { return std::move(table_); }

private:
    /// Appends them all if each is a length that needs no second look.
    template <std::integral Length>
    bool add_plain(std::span<const Length> lengths) {
        const auto limit = static_cast<std::uint64_t>(
            std::min(longest_allowed_, std::int64_t{sample_table::longest_stored - 1}));
        bool plain = true;
        std::uint64_t sum = 0;
        for (const Length length : lengths) {
            // A negative length is a huge one here, and 0 - 1 as well.
            plain &= static_cast<std::uint64_t>(length) - 1 < limit;
            sum += static_cast<std::uint64_t>(length);
        }
        const std::uint64_t room = std::numeric_limits<std::uint32_t>::max() - samples();
        const auto tokens = static_cast<std::uint64_t>(tokens_);
        if (!plain || lengths.size() > room ||
            sum > std::numeric_limits<std::int64_t>::max() - tokens) {
            return false;
        }
        tokens_ += static_cast<std::int64_t>(sum);
        table_.lengths.insert(table_.lengths.end(), lengths.begin(), lengths.end());
        return true;
    }

    template <class Place>
    std::uint32_t next_index(const Place& place) {
        if (samples() >= std::numeric_limits<std::uint32_t>::max()) {
            throw input_error(place(), "more than 4,294,967,295 samples");
        }
        return static_cast<std::uint32_t>(samples());
    }

    [[noreturn]] static void refuse_small(std::int64_t length, const std::string& place) {
        throw input_error(place, "length " + std::to_string(length) +
                                     (length == 0 ? " is zero" : " is negative") +
                                     "; expected a whole number ≥ 1");
    }
    [[noreturn]] void refuse_long(std::int64_t length, const std::string& place) const {
        throw input_error(place, "length " + std::to_string(length) +
                                     " is above the capacity " +
                                     std::to_string(longest_allowed_) +
                                     "; --excess-length-strategy raise allows none");
    }

    std::int64_t longest_allowed_;
    std::int64_t tokens_ = 0;
    sample_table table_;
};

}  // namespace packkit::app
