// SPDX-License-Identifier: Apache-2.0
#pragma once
/// @file
/// What packkit-pack finds out, as a value; the renderers turn it into text.

#include "settings.hpp"

#include <packkit/bin_list.hpp>
#include <packkit/lengths/excess_length.hpp>
#include <packkit/lengths/summary.hpp>
#include <packkit/packing/efficiency.hpp>
#include <packkit/sampling/imbalance.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace packkit::app {

/// Buckets of how full the bins are: 5 % each, a full bin in the last.
inline constexpr std::size_t fill_buckets = 20;

/// Rows that the report draws, spread evenly over the packing.
inline constexpr std::size_t drawn_rows = 40;

/// What the ranks wait for each other when each takes a row a step.
struct rank_balance {
    std::vector<double> tokens;     ///< of each rank
    std::vector<double> attention;  ///< sum of squared lengths of each rank
    double idle = 0;                ///< share of the ranks' time spent waiting
};

/// A row as it is drawn.
struct drawn_row {
    std::size_t row = 0;
    std::vector<std::uint32_t> lengths;
};

struct algorithm_result {
    std::string algorithm;
    std::size_t bins = 0;
    double efficiency = 0;
    std::int64_t padding_tokens = 0;
    std::size_t lower_bound = 0;  ///< no packing has fewer bins
    std::string bound;            ///< which bound that is, as in packkit::named_bound
    std::size_t gap_bins = 0;     ///< bins above the lower bound
    bool optimal = false;         ///< proved: no bin above the lower bound
    double seconds = 0;           ///< of the packing alone
    double ns_per_sample = 0;
    bool sample_indices = true;  ///< the time includes saying which sample goes where
    double rank_imbalance = 0;
    double attention_imbalance = 0;

    std::array<std::size_t, fill_buckets> fill{};  ///< bins by how full they are
    rank_balance dealt;                            ///< bins dealt to the ranks in turn
    rank_balance shuffled;  ///< the same in a random order; empty for one rank, as next
    rank_balance balanced;  ///< bins of like cost in one step
    std::vector<drawn_row> drawn;
};

struct advice {
    bool sample_packing = false;
    double sample_packing_eff_est = 1;
    std::int64_t sequence_len = 0;
    std::int64_t steps_per_epoch = 0;  ///< of the advised rows, the last batch kept
    /// What Axolotl computes from the estimate before it has packed anything.
    std::int64_t axolotl_estimated_steps = 0;
    std::string algorithm;  ///< the one whose figures these are: fewest bins
    std::string reason;
};

/// What became of samples above the capacity.
struct excess_report {
    excess_length_strategy strategy = excess_length_strategy::drop;
    std::size_t samples = 0;
    std::int64_t longest = 0;  ///< 0 when there are none
    std::int64_t dropped_tokens = 0;
    std::int64_t cut_tokens = 0;
};

/// The result for one capacity.
struct capacity_report {
    std::int64_t capacity = 0;
    std::size_t samples = 0;  ///< packed; those left out are not among them
    std::size_t items =
        0;  ///< what was packed: more than the samples when some were split
    std::int64_t tokens = 0;  ///< of the items
    std::size_t skipped_overlong = 0;
    std::size_t skipped_empty = 0;
    excess_report excess;
    length_summary lengths;  ///< of the items
    std::vector<histogram_bucket> histogram;
    std::vector<algorithm_result> results;
    double pad_to_capacity = 0;
    double pad_to_longest = 0;  ///< in micro-batches as set
    /// The same in micro-batches of `shown_batch`: as set, or where that is one sample,
    /// which needs no padding, of a size that says something.
    double pad_to_longest_shown = 0;
    std::size_t shown_batch = 1;
    packkit::app::advice advice;
};

/// The whole result.
struct report {
    std::vector<capacity_report> capacities;
    std::size_t chosen = 0;       ///< the capacity that is reported first
    std::size_t recommended = 0;  ///< the one that loses least, then fills best
    /// All samples by length, those above a capacity as well; buckets grow with the
    /// length when the lengths span much.
    std::vector<histogram_bucket> all_lengths;
    bool log_lengths = false;
    /// Algorithms that were not named and would have taken long.
    std::vector<std::string_view> left_out;
    /// Bins of the first algorithm at the chosen capacity, when they were asked for;
    /// indices are those of the inputs.
    bin_list<> bins;

    [[nodiscard]] const capacity_report& main() const { return capacities[chosen]; }
};

/// Result of that algorithm with the fewest bins, the first among equals.
const algorithm_result& best_result(const capacity_report& capacity);

}  // namespace packkit::app
