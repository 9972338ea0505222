// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// Where all readers put what they find: the lengths, checked one by one.

#include "common/errors.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace packkit::app {

/// The samples of all inputs, in the order read.
struct sample_table {
    std::vector<std::int64_t> lengths;  ///< of the samples that are not empty
    /// Index of each of them among all samples of all inputs, the empty ones counted.
    std::vector<std::uint32_t> index;
    std::uint64_t empty = 0;
};

/// Checks each length and appends it to a table.
class sample_sink {
public:
    /// @param longest_allowed a longer sample is an error (excess strategy `raise`)
    explicit sample_sink(
        std::int64_t longest_allowed = std::numeric_limits<std::int64_t>::max())
        : longest_allowed_(longest_allowed) {}

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
        const std::uint32_t index = next_index(place);
        tokens_ += length;
        table_.lengths.push_back(length);
        table_.index.push_back(index);
    }

    /// Counts a sample without a token: an empty text or a row without ids.
    template <class Place>
    void add_empty(const Place& place) {
        next_index(place);
        ++table_.empty;
    }

    /// Samples added so far, the empty ones counted.
    [[nodiscard]] std::uint64_t samples() const {
        return table_.lengths.size() + table_.empty;
    }

    [[nodiscard]] sample_table take() && { return std::move(table_); }

private:
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
