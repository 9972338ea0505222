// SPDX-License-Identifier: Apache-2.0
/// @file
/// `pack(lengths, capacity)`: samples of different lengths into rows of one capacity.
///
/// ```cpp
/// std::vector<int> lengths = {900, 3000, 1500, 2000, 700};
/// for (auto bin : packkit::pack(lengths, 4096)) {  // indices of the samples of one row
///     for (auto sample : bin) std::cout << sample << ' ';
/// }
/// ```
#pragma once

#include <packkit/bin_list.hpp>
#include <packkit/concepts.hpp>
#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>
#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/assign_samples.hpp>
#include <packkit/packing/best_fit.hpp>
#include <packkit/packing/best_fit_decreasing.hpp>
#include <packkit/packing/detail/bin_assignment.hpp>
#include <packkit/packing/first_fit.hpp>
#include <packkit/packing/first_fit_decreasing.hpp>
#include <packkit/packing/next_fit.hpp>
#include <packkit/packing/packing_plan.hpp>
#include <packkit/packing/worst_fit.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace packkit {

/// First fit in the order given: the lowest-numbered bin with room. At most 1.7 OPT bins
/// (Dósa and Sgall 2013).
struct first_fit {
    static constexpr std::string_view name = "first_fit";
    template <std::same_as<std::int64_t> Length>
    constexpr void operator()(std::span<const Length> lengths, bin_limits limits,
                              std::uint32_t first, bin_list<>& bins) const {
        detail::pack_in_order(assign_first_fit<>, lengths, limits, first, bins);
    }
};

/// First-fit decreasing (FFD): the longest first, ties by index. At most 11/9 OPT + 6/9
/// bins (Dósa 2007, doi:10.1007/978-3-540-74450-4_1), if items a bin are not limited.
struct first_fit_decreasing {
    static constexpr std::string_view name = "first_fit_decreasing";
    template <std::integral Length>
    constexpr void operator()(std::span<const Length> lengths, bin_limits limits,
                              std::uint32_t first, bin_list<>& bins,
                              pack_workspace* workspace = nullptr) const {
        detail::pack_by_length(plan<>, assign_first_fit<>, lengths, limits, first, bins,
                               workspace);
    }
    /// The plan alone.
    template <class = void>
    [[nodiscard]] static constexpr packing_plan plan(const length_counts& counts,
                                                     std::uint32_t capacity,
                                                     std::uint32_t bin_size = 0) {
        return plan_first_fit_decreasing(counts, capacity, bin_size);
    }
};

/// Best fit in the order given: the fullest bin with room, lowest-numbered among equals.
struct best_fit {
    static constexpr std::string_view name = "best_fit";
    template <std::same_as<std::int64_t> Length>
    void operator()(std::span<const Length> lengths, bin_limits limits,
                    std::uint32_t first, bin_list<>& bins) const {
        detail::pack_in_order(assign_best_fit<>, lengths, limits, first, bins);
    }
};

/// Best-fit decreasing (BFD): the longest first, ties by index. Has the bound of FFD
/// (Johnson 1973).
struct best_fit_decreasing {
    static constexpr std::string_view name = "best_fit_decreasing";
    template <std::integral Length>
    constexpr void operator()(std::span<const Length> lengths, bin_limits limits,
                              std::uint32_t first, bin_list<>& bins,
                              pack_workspace* workspace = nullptr) const {
        detail::pack_by_length(plan<>, assign_best_fit<>, lengths, limits, first, bins,
                               workspace);
    }
    /// The plan alone.
    template <class = void>
    [[nodiscard]] static constexpr packing_plan plan(const length_counts& counts,
                                                     std::uint32_t capacity,
                                                     std::uint32_t bin_size = 0) {
        return plan_best_fit_decreasing(counts, capacity, bin_size);
    }
};

/// Next fit: the order of the samples is kept, as `sample_packing_sequentially` does.
/// Fewer than 2 OPT bins.
struct next_fit {
    static constexpr std::string_view name = "next_fit";
    template <std::same_as<std::int64_t> Length>
    constexpr void operator()(std::span<const Length> lengths, bin_limits limits,
                              std::uint32_t first, bin_list<>& bins) const {
        detail::pack_in_order(assign_next_fit, lengths, limits, first, bins);
    }
};

/// Worst-fit decreasing: the longest first, each into the bin with the most room.
struct worst_fit_decreasing {
    static constexpr std::string_view name = "worst_fit_decreasing";
    template <std::same_as<std::int64_t> Length>
    constexpr void operator()(std::span<const Length> lengths, bin_limits limits,
                              std::uint32_t first, bin_list<>& bins) const {
        detail::pack_decreasing(assign_worst_fit<>, lengths, limits, first, bins);
    }
};

/// Limits of a packing beside the capacity.
struct pack_limits {
    /// Samples a group; groups are packed independently and concatenated, so no bin holds
    /// samples of two groups (`sample_packing_group_size`). 0: one group.
    std::size_t group_size = 0;
    /// Most items a bin (`sample_packing_bin_size`). 0: as many as fit.
    std::size_t bin_size = 0;

    friend constexpr bool operator==(const pack_limits&, const pack_limits&) = default;
};

namespace detail {

/// Packs group after group.
template <class Lengths, class Policy, class Proj>
constexpr void pack_groups(const Lengths& lengths, std::int64_t capacity,
                           const Policy& policy, pack_limits limits, Proj& proj,
                           bin_list<>& bins, pack_workspace* workspace) {
    check_capacity(capacity);
    const auto held = contiguous_integers(lengths, proj);
    const std::span all(held);
    check_sample_count(all.size());
    const std::size_t group = limits.group_size == 0 ? all.size() : limits.group_size;
    bins.reserve(0, all.size());
    for (std::size_t first = 0; first < all.size();) {
        const std::size_t count = std::min(group, all.size() - first);
        apply_policy(policy, all.subspan(first, count),
                     bin_limits{capacity, limits.bin_size},
                     static_cast<std::uint32_t>(first), bins, workspace);
        first += count;
    }
}

}  // namespace detail

/// Packs samples into bins of `capacity` tokens: every sample goes into exactly one bin,
/// no bin holds more than `capacity` tokens or `limits.bin_size` samples.
///
/// @param lengths tokens of each sample: any sized range of integers
/// @param capacity tokens a bin (`sequence_len`)
/// @param policy how samples are placed; see the policies above and `packing_policy`
/// @param limits group size and bin size
/// @param proj reads the length of an element, as `&sample::tokens` does
/// @return bins in the order they were opened, group after group; each lists the indices
///   of its samples in the order they were placed
/// @throws invalid_argument if the capacity or a length is not positive, a length exceeds
///   the capacity (see lengths/excess_length.hpp), or there are 2^32 samples or more
///
/// O(N) for `next_fit`, and for the first-fit and best-fit decreasing of more samples
/// than a quarter of the capacity, which are placed by length; else O(N log N). The
/// result depends on nothing but the arguments. Usable in constant expressions, with
/// `best_fit` and `best_fit_decreasing` excepted.
template <class Lengths, class Policy = first_fit_decreasing, class Proj = std::identity>
    requires length_range<const Lengths&, Proj> && packing_policy<Policy>
[[nodiscard]] constexpr bin_list<> pack(const Lengths& lengths, std::int64_t capacity,
                                        Policy policy = {}, pack_limits limits = {},
                                        Proj proj = {}) {
    bin_list<> bins;
    detail::pack_groups(lengths, capacity, policy, limits, proj, bins, nullptr);
    return bins;
}

/// `pack` into a list that is cleared first, with memory that is used again: packing as
/// many samples a second time allocates little. (Policies that do not pack by length use
/// no workspace.)
/// @throws invalid_argument as `pack` does; the list then holds nothing of use
template <class Lengths, class Policy = first_fit_decreasing, class Proj = std::identity>
    requires length_range<const Lengths&, Proj> && packing_policy<Policy>
constexpr void pack_into(bin_list<>& bins, pack_workspace& workspace,
                         const Lengths& lengths, std::int64_t capacity,
                         Policy policy = {}, pack_limits limits = {}, Proj proj = {}) {
    bins.clear();
    detail::pack_groups(lengths, capacity, policy, limits, proj, bins, &workspace);
}

}  // namespace packkit
