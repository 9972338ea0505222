// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The lower bounds of packkit/lower_bound.hpp from counted lengths.

#include <packkit/packing_plan.hpp>

#include <cstddef>
#include <cstdint>

namespace packkit::app {

/// The greater of L1 and L2 of the counted lengths: no packing has fewer bins.
/// O(capacity). Precondition: no length exceeds the capacity, the sum fits 63 bits.
std::size_t counted_lower_bound(const length_counts& counts, std::int64_t capacity);

}  // namespace packkit::app
