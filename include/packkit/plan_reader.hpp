// SPDX-License-Identifier: Apache-2.0
/// @file
/// How a distributed plan is read by a number of ranks: which rank takes which bin of a
/// step, its samples, hashes to compare, and how long ranks wait for each other.
#pragma once

#include <packkit/attention_cost.hpp>
#include <packkit/distributed_plan.hpp>
#include <packkit/error.hpp>
#include <packkit/hash.hpp>
#include <packkit/sampler.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace packkit {

/// Micro-steps that `ranks` need for a global batch. @throws invalid_argument for 0 ranks
[[nodiscard]] constexpr std::size_t micro_steps_of(std::size_t global_batch,
                                                   std::size_t ranks) {
    if (ranks == 0) detail::throw_invalid_argument("ranks is 0, it must be positive");
    return global_batch / ranks + (global_batch % ranks != 0 ? 1 : 0);
}

/// Which of the `global_batch` bins of a step, dearest first, a rank takes at a
/// micro-step; none is an empty row. Micro-steps take neighbours, in turn from rank
/// `turn` upwards and back, so that ranks get equal shares over the micro-steps; a rank
/// misses at most one row. Every bin is taken once. O(1).
/// @throws invalid_argument for a micro-step or rank out of range
[[nodiscard]] constexpr std::optional<std::size_t> slot_of_rank(std::size_t global_batch,
                                                                std::size_t ranks,
                                                                std::size_t micro_step,
                                                                std::size_t rank,
                                                                std::uint64_t turn = 0) {
    const std::size_t micro_steps = micro_steps_of(global_batch, ranks);
    if (micro_step >= micro_steps || rank >= ranks) {
        detail::throw_invalid_argument("micro-step ", micro_step, " of rank ", rank,
                                       ", there are ", micro_steps, " of ", ranks,
                                       " ranks");
    }
    const auto start = static_cast<std::size_t>(turn % ranks);
    const std::size_t place = rank >= start ? rank - start : rank + (ranks - start);
    const std::size_t slot =
        micro_step * ranks + (micro_step % 2 == 0 ? place : ranks - 1 - place);
    if (slot >= global_batch) return std::nullopt;
    return slot;
}

/// Reads a plan, as one of `ranks` ranks. Keeps the window it is in, so that going
/// through an epoch sorts each window once; any order of questions gives the same
/// answers. For one thread; the plan outlives it.
template <bin_cost Cost>
class plan_reader {
public:
    /// @throws invalid_argument for 0 ranks
    plan_reader(const distributed_plan<Cost>& plan, std::size_t ranks)
        : plan_(&plan),
          ranks_(ranks),
          micro_steps_(micro_steps_of(plan.global_batch(), ranks)) {}
    plan_reader(const distributed_plan<Cost>&&, std::size_t) = delete;

    [[nodiscard]] const distributed_plan<Cost>& plan() const { return *plan_; }
    [[nodiscard]] std::size_t ranks() const { return ranks_; }
    /// Micro-steps a step: ceil(global batch / ranks).
    [[nodiscard]] std::size_t micro_steps() const { return micro_steps_; }

    /// The bins of a step over all ranks, dearest first. Valid until the next question.
    /// @throws invalid_argument for a step past the epoch's end
    [[nodiscard]] std::span<const std::uint32_t> bins_of_step(cursor at) {
        if (!window_.holds(at)) window_ = plan_->window_at(at);
        const std::size_t step = static_cast<std::size_t>(at.step) - window_.first_step;
        return std::span<const std::uint32_t>(window_.bins)
            .subspan(step * plan_->global_batch(), plan_->global_batch());
    }

    /// The bin of a rank at a micro-step; none is an empty row.
    /// @throws invalid_argument for a step, micro-step or rank out of range
    [[nodiscard]] std::optional<std::uint32_t> bin(cursor at, std::size_t micro_step,
                                                   std::size_t rank) {
        const auto bins = bins_of_step(at);
        const auto slot = slot_of_rank(plan_->global_batch(), ranks_, micro_step, rank,
                                       plan_->turn_of(at));
        if (!slot) return std::nullopt;
        return bins[*slot];
    }

    /// The samples of a rank's row: O(items of the row) once the window is there. Empty
    /// for an empty row. @throws invalid_argument as `bin`
    [[nodiscard]] std::vector<std::uint32_t> row(cursor at, std::size_t micro_step,
                                                 std::size_t rank) {
        const auto number = bin(at, micro_step, rank);
        if (!number) return {};
        return plan_->samples_of(*number, at.epoch);
    }

    /// All samples of a step, bin after bin: the same for any number of ranks.
    /// @throws invalid_argument for a step past the epoch's end
    [[nodiscard]] std::vector<std::uint32_t> samples_of_step(cursor at) {
        std::vector<std::uint32_t> out;
        for (const std::uint32_t number : bins_of_step(at))
            plan_->append_samples(number, at.epoch, out);
        return out;
    }

    /// Hash of the rows of a step, to compare between ranks: the same for any number of
    /// ranks. O(samples of the step). @throws invalid_argument as above
    [[nodiscard]] std::uint64_t step_hash(cursor at) {
        word_hash hash;
        std::vector<std::uint32_t> row;
        for (const std::uint32_t number : bins_of_step(at)) {
            row.clear();
            plan_->append_samples(number, at.epoch, row);
            hash.add(row.size());
            for (const std::uint32_t sample : row)
                hash.add(sample);
        }
        return hash.value();
    }

private:
    const distributed_plan<Cost>* plan_;
    std::size_t ranks_;
    std::size_t micro_steps_;
    plan_window window_;
};

/// Share of an epoch's rank time that is spent waiting, if ranks meet after every
/// micro-step: 1 - Σ cost / (ranks * Σ over micro-steps of the dearest row). 0 for no
/// cost.
/// @throws invalid_argument for 0 ranks
template <bin_cost Cost>
[[nodiscard]] double rank_idle(const distributed_plan<Cost>& plan, std::uint64_t epoch,
                               std::size_t ranks) {
    plan_reader reader(plan, ranks);
    double cost = 0;
    double dearest = 0;
    for (std::size_t step = 0; step < plan.steps_per_epoch(); ++step) {
        const auto bins = reader.bins_of_step({epoch, step});
        for (std::size_t first = 0; first < bins.size(); first += ranks) {
            // Dearest first, so the first of a micro-step is its dearest.
            dearest += static_cast<double>(plan.cost_of(bins[first], epoch));
            for (std::size_t i = first; i < std::min(first + ranks, bins.size()); ++i)
                cost += static_cast<double>(plan.cost_of(bins[i], epoch));
        }
    }
    return dearest == 0 ? 0 : 1 - cost / (static_cast<double>(ranks) * dearest);
}

}  // namespace packkit
