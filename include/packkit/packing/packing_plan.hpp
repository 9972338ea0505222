// SPDX-License-Identifier: Apache-2.0
/// @file
/// A packing by lengths instead of samples: runs of equal bins.
///
/// Packing looks at lengths only, and there are few distinct ones. A plan therefore
/// names, for runs of neighbouring bins with the same content, how many samples of which
/// length each bin takes: some thousand records whatever the number of samples. Which
/// sample goes where follows by arithmetic: samples of one length are handed out in index
/// order.
#pragma once

#include <packkit/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace packkit {

/// Samples of one length in each bin of a run.
struct placement {
    std::uint32_t length = 0;
    std::uint32_t per_bin = 0;    ///< samples of that length in each bin
    std::uint32_t first_bin = 0;  ///< the bin that takes the samples from `start` on
    std::uint32_t start = 0;      ///< rank among the samples of that length
    std::uint32_t before =
        0;  ///< the placement under this one; itself when it is the first
};

/// Neighbouring bins with the same lengths.
struct bin_run {
    std::uint32_t first_bin = 0;
    std::uint32_t bins = 0;
    std::uint32_t last_placement = 0;  ///< of its bins; the others follow by `before`
    std::uint32_t items = 0;           ///< samples in each bin
};

/// Which lengths each bin takes. Made by `plan_first_fit_decreasing` and its like.
class packing_plan {
public:
    packing_plan() = default;
    /// `runs` in bin order, together the bins 0 … n − 1.
    constexpr packing_plan(std::vector<bin_run> runs, std::vector<placement> placements)
        : runs_(std::move(runs)), placements_(std::move(placements)) {}

    /// Number of bins.
    [[nodiscard]] constexpr std::size_t size() const {
        return runs_.empty() ? 0
                             : std::size_t{runs_.back().first_bin} + runs_.back().bins;
    }
    [[nodiscard]] constexpr std::span<const bin_run> runs() const { return runs_; }

    /// Placements of a run, in the order in which they were made. O(placements of the
    /// run).
    [[nodiscard]] constexpr std::vector<placement> placements_of(
        const bin_run& run) const {
        std::vector<placement> chain;
        placements_of(run, chain);
        return chain;
    }

    /// The same into a vector that is used again.
    constexpr void placements_of(const bin_run& run,
                                 std::vector<placement>& chain) const {
        chain.clear();
        for (std::uint32_t at = run.last_placement;; at = placements_[at].before) {
            chain.push_back(placements_[at]);
            if (placements_[at].before == at) break;
        }
        std::reverse(chain.begin(), chain.end());
    }

    /// The run that holds bin `bin`. O(log runs). @throws invalid_argument past the end
    [[nodiscard]] constexpr const bin_run& run_of(std::size_t bin) const {
        if (bin >= size()) {
            detail::throw_invalid_argument("bin ", bin, " of a plan of ", size(),
                                           " bins");
        }
        const auto after = std::upper_bound(
            runs_.begin(), runs_.end(), bin,
            [](std::size_t b, const bin_run& run) { return b < run.first_bin; });
        return *(after - 1);
    }

private:
    std::vector<bin_run> runs_;
    std::vector<placement> placements_;
};

}  // namespace packkit
