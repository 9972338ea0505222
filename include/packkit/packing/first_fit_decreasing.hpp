// SPDX-License-Identifier: Apache-2.0
/// @file
/// First-fit decreasing on runs of equal bins: the textbook's bins, one by one, in time
/// that does not depend on the number of samples.
#pragma once

#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/detail/decreasing_fit.hpp>
#include <packkit/packing/packing_plan.hpp>

#include <cstdint>

namespace packkit {

namespace detail {

/// The leftmost bin with room. Filled or not, it stays the leftmost.
struct leftmost_first {
    [[nodiscard]] constexpr std::uint64_t operator()(const open_run& run) const {
        return run.first_bin;
    }
};

}  // namespace detail

/// First-fit decreasing for samples counted by length: the bins of the textbook
/// algorithm, in its order. `bin_size`: most samples a bin, 0 for as many as fit.
/// O(capacity + placements × log runs), independent of the number of samples.
template <class = void>  // costs nothing before it is called
[[nodiscard]] constexpr packing_plan plan_first_fit_decreasing(
    const length_counts& counts, std::uint32_t capacity, std::uint32_t bin_size = 0) {
    return detail::plan_decreasing_fit<detail::leftmost_first>(counts, capacity,
                                                               bin_size);
}

}  // namespace packkit
