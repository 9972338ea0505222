// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// The packing algorithms by name.

#include <packkit/bins.hpp>
#include <packkit/multipack.hpp>

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

/// All names, in the order of `--algorithm all`. `axolotl` is what Axolotl's multipack
/// sampler makes of the same order: first fit without sorting, groups of 100,000 samples,
/// at most 200 samples a bin; next fit over everything when sequential.
std::vector<std::string_view> algorithm_names();

/// Packs with the algorithm of that name. @throws std::logic_error for an unknown one,
/// packkit::invalid_argument as packkit::pack
bin_list<> run_algorithm(std::string_view name, std::span<const std::int64_t> lengths,
                         std::int64_t capacity, const algorithm_options& options);

}  // namespace packkit::app
