// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The packing algorithms by name.

#include <packkit/bin_list.hpp>
#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/pack.hpp>
#include <packkit/packing/packing_plan.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace packkit::app {

/// What the user may set about a packing beside its capacity.
struct algorithm_options {
    std::optional<std::size_t> group_size;
    std::optional<std::size_t> bin_size;
    bool sequential = false;
};

/// A way to pack.
struct algorithm {
    std::string_view name;

    /// Packs. @throws packkit::invalid_argument as packkit::pack
    bin_list<> (*run)(std::span<const std::uint32_t> lengths, std::int64_t capacity,
                      const algorithm_options& options);

    /// The same bins by lengths alone, in time that does not depend on the number of
    /// samples; null for algorithms that look at each sample.
    packing_plan (*plan)(const length_counts& counts, std::uint32_t capacity,
                         std::uint32_t bin_size) = nullptr;

    /// Whether it runs unasked on many samples: some milliseconds however many they are.
    bool quick = false;
};

/// All of them, in the order of `--algorithms all`. `axolotl` is what Axolotl's multipack
/// sampler makes of the same order: first fit without sorting, groups of 100,000 samples,
/// at most 200 samples a bin; next fit over everything when sequential.
std::span<const algorithm> all_algorithms();

/// Their names.
std::vector<std::string_view> algorithm_names();

/// The algorithm of that name. @throws std::logic_error for an unknown one
const algorithm& find_algorithm(std::string_view name);

}  // namespace packkit::app
