// SPDX-License-Identifier: Apache-2.0
/// @file
/// `pattern_fit`: the packer for hard classes, never worse than first-fit and best-fit
/// decreasing.
///
/// Lengths are counted, and bins are found as patterns, many equal bins at a time:
/// 1. FFD and BFD. Most real data is done here: their bins equal the lower bound.
/// 2. A few dozen samples: bin completion, an exhaustive search.
/// 3. The longest length left is completed to a bin that is exactly full, or as full as
///    can be, with the longest others that do it; or with the two of which there are
///    most, which is what triplets need.
/// 4. The last and the most wasteful bins are packed anew in that way.
/// 5. A local search exchanges items between full bins and the last ones.
///
/// The first result at the lower bound is returned, else the best. The bins do not depend
/// on time or machine: effort is counted in steps.
#pragma once

#include <packkit/bin_list.hpp>
#include <packkit/concepts.hpp>
#include <packkit/lengths/detail/length_table.hpp>
#include <packkit/lengths/length_counts.hpp>
#include <packkit/packing/assign_samples.hpp>
#include <packkit/packing/best_fit.hpp>
#include <packkit/packing/best_fit_decreasing.hpp>
#include <packkit/packing/bound/lower_bound.hpp>
#include <packkit/packing/detail/bin_assignment.hpp>
#include <packkit/packing/detail/pattern_local_search.hpp>
#include <packkit/packing/detail/pattern_plan.hpp>
#include <packkit/packing/detail/pattern_repack.hpp>
#include <packkit/packing/detail/pattern_search.hpp>
#include <packkit/packing/first_fit.hpp>
#include <packkit/packing/first_fit_decreasing.hpp>
#include <packkit/packing/packing_plan.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace packkit {

namespace detail {

/// Steps of the searches of `pattern_fit`.
inline constexpr std::uint64_t few_items_nodes = 200'000;
inline constexpr std::uint64_t longest_nodes = 500'000;
inline constexpr std::uint64_t plentiful_nodes = 4'000'000;
inline constexpr std::uint64_t repack_nodes = 2'000'000;
inline constexpr int repack_rounds = 3;
inline constexpr std::uint64_t polish_steps = 70'000;

}  // namespace detail

/// Packs samples counted by length into the fewest bins that a search by patterns finds:
/// never more than `plan_first_fit_decreasing` and `plan_best_fit_decreasing` give, and
/// for up to a dozen samples the optimum. FFD's own plan where no bins can be saved.
///
/// @param counts lengths in [1, capacity]
/// @param bin_size most samples a bin, 0 for as many as fit
/// @throws invalid_argument if a length exceeds the capacity
///
/// Cost: FFD and the bound, which suffices for most data; at most some million steps more
/// besides O(capacity x lengths / 64), independent of the number of samples.
[[nodiscard]] inline packing_plan plan_pattern_fit(const length_counts& counts,
                                                   std::uint32_t capacity,
                                                   std::uint32_t bin_size = 0) {
    const auto table = detail::table_of(counts, capacity);
    packing_plan best = plan_first_fit_decreasing(counts, capacity, bin_size);
    const std::size_t bound = detail::best_bound(table, capacity, bin_size).bins;
    if (best.size() == bound) return best;
    if (packing_plan bfd = plan_best_fit_decreasing(counts, capacity, bin_size);
        bfd.size() < best.size()) {
        best = std::move(bfd);
    }
    detail::pattern_list patterns = detail::patterns_of(best, capacity);
    const auto keep = [&](detail::pattern_list other) {
        if (other.bins() == 0 || other.bins() >= best.size()) return;
        best = detail::plan_of(other, capacity);
        patterns = std::move(other);
    };
    if (best.size() > bound &&
        std::cmp_less_equal(detail::samples_of(table), detail::few_items)) {
        keep(detail::pack_few(counts, capacity, bin_size, bound, best.size(),
                              detail::few_items_nodes));
        return best;
    }
    const detail::pattern_list decreasing = patterns;
    for (const auto choice :
         {detail::pattern_choice::longest, detail::pattern_choice::plentiful}) {
        if (best.size() == bound) return best;
        // Steps of a scan for pairs are short.
        std::uint64_t nodes = choice == detail::pattern_choice::longest
                                  ? detail::longest_nodes
                                  : detail::plentiful_nodes;
        keep(detail::search_patterns(counts, capacity, bin_size, choice, nodes));
    }
    // Where FFD is far off, its last bins are not what is wrong with it.
    if (best.size() > bound && decreasing.bins() - bound <= bound / 500 + 5) {
        keep(detail::pattern_repack(decreasing, capacity, bin_size, bound)
                 .run(detail::repack_rounds, detail::repack_nodes));
    }
    // Neither choice is enough alone on triplets: each gets stuck on some of them.
    for (const auto choice : {detail::pool_choice::mixed, detail::pool_choice::wasteful,
                              detail::pool_choice::mixed}) {
        if (best.size() == bound) break;
        keep(detail::pattern_polish(patterns, capacity, bin_size, bound, choice)
                 .run(detail::polish_steps));
    }
    return best;
}

/// Packs by patterns: `plan_pattern_fit` as a policy of `pack`. Inside a bin longest
/// first, equal lengths by index. Up to 40 samples are searched exhaustively, whatever
/// the capacity; more of them are counted by length, except under a capacity of 2^24 and
/// more, where the better of FFD and BFD is taken unless samples are as many.
struct pattern_fit {
    static constexpr std::string_view name = "pattern_fit";

    template <std::integral Length>
    void operator()(std::span<const Length> lengths, bin_limits limits,
                    std::uint32_t first, bin_list<>& bins,
                    pack_workspace* workspace = nullptr) const {
        if (lengths.size() > detail::few_items &&
            (limits.capacity < std::int64_t{1} << 24 ||
             detail::few_lengths(lengths.size(), limits))) {
            pack_workspace own;
            detail::pack_counted(plan, lengths, limits, first, bins,
                                 workspace != nullptr ? *workspace : own);
        } else {
            detail::check_lengths(lengths, limits.capacity, first);
            place(detail::as_int64(lengths), limits, first, bins);
        }
    }

    /// The plan alone.
    [[nodiscard]] static packing_plan plan(const length_counts& counts,
                                           std::uint32_t capacity,
                                           std::uint32_t bin_size = 0) {
        return plan_pattern_fit(counts, capacity, bin_size);
    }

private:
    /// Item by item.
    static void place(std::span<const std::int64_t> lengths, bin_limits limits,
                      std::uint32_t first, bin_list<>& bins) {
        const std::vector<std::uint32_t> order = detail::decreasing_order(lengths);
        std::vector<std::int64_t> sorted(lengths.size(), 0);
        for (std::size_t k = 0; k < order.size(); ++k)
            sorted[k] = lengths[order[k]];
        const std::span<const std::int64_t> all(sorted);
        std::vector<std::uint32_t> bin_of(lengths.size(), 0);
        std::size_t count = assign_first_fit(all, limits, bin_of);
        std::vector<std::uint32_t> other(lengths.size(), 0);
        if (const std::size_t best_fit = assign_best_fit(all, limits, other);
            best_fit < count) {
            count = best_fit;
            bin_of = other;
        }
        // Above, sums of lengths might exceed int64.
        constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max() / 64;
        if (lengths.size() <= detail::few_items && limits.capacity <= most) {
            const std::size_t bound =
                detail::best_bound(detail::table_of(all, limits.capacity),
                                   limits.capacity, limits.bin_size)
                    .bins;
            count = detail::pack_few(all, limits.capacity, limits.bin_size, bound, count,
                                     detail::few_items_nodes, bin_of);
        }
        detail::append_placed<std::uint32_t>(
            std::span<const std::uint32_t>(bin_of), count, first,
            [&order](std::size_t k) { return order[k]; }, bins);
    }
};

}  // namespace packkit
