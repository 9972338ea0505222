// SPDX-License-Identifier: Apache-2.0
/// @file
/// How a distributed plan is read by a number of ranks: which rank takes which bin of a
/// step, its samples, hashes to compare, and the share of time that ranks are idle.
#pragma once

#include <packkit/error.hpp>
#include <packkit/model/document_cost.hpp>
#include <packkit/sampling/cursor.hpp>
#include <packkit/sampling/distributed_plan.hpp>
#include <packkit/utility/hash.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace packkit {

/// Which rank takes which bin of a step.
enum class row_assignment : std::uint8_t {
    /// In turn, from another rank in each step and back in every other micro-step, so
    /// that ranks get equal shares.
    in_turn,
    /// Micro-step by micro-step, rank by rank: the bins of a step are in one order
    /// however it is divided into micro-steps and ranks, as reproducible sums need it.
    in_order,
};

/// Micro-steps that `ranks` need for a global batch. @throws invalid_argument for 0 ranks
[[nodiscard]] constexpr std::size_t micro_steps_of(std::size_t global_batch,
                                                   std::size_t ranks) {
    if (ranks == 0) detail::throw_invalid_argument("ranks is 0, it must be positive");
    return global_batch / ranks + (global_batch % ranks != 0 ? 1 : 0);
}

/// Which of the `global_batch` bins of a step a rank takes at a micro-step; none is an
/// empty row. Micro-steps take neighbours; assigned in turn, from rank `turn` upwards and
/// back. A rank misses at most one row, every bin is taken once. O(1).
/// @throws invalid_argument for a micro-step or rank out of range
[[nodiscard]] constexpr std::optional<std::size_t> slot_of_rank(
    std::size_t global_batch, std::size_t ranks, std::size_t micro_step, std::size_t rank,
    std::uint64_t turn = 0, row_assignment assignment = row_assignment::in_turn) {
    const std::size_t micro_steps = micro_steps_of(global_batch, ranks);
    if (micro_step >= micro_steps || rank >= ranks) {
        detail::throw_invalid_argument("micro-step ", micro_step, " of rank ", rank,
                                       ", there are ", micro_steps, " of ", ranks,
                                       " ranks");
    }
    std::size_t place = rank;
    if (assignment == row_assignment::in_turn) {
        const auto start = static_cast<std::size_t>(turn % ranks);
        place = rank >= start ? rank - start : rank + (ranks - start);
        if (micro_step % 2 != 0) place = ranks - 1 - place;
    }
    const std::size_t slot = micro_step * ranks + place;
    if (slot >= global_batch) return std::nullopt;
    return slot;
}

/// Reads a plan, as one of `ranks` ranks. Keeps the window it is in, so that going
/// through an epoch sorts each window once; any order of questions gives the same
/// answers. For one thread; the plan outlives it.
template <bin_cost Cost>
class plan_reader {
public:
    /// A plan that keeps the order of the packing is always read in order.
    /// @throws invalid_argument for 0 ranks
    plan_reader(const distributed_plan<Cost>& plan, std::size_t ranks,
                row_assignment assignment = row_assignment::in_turn)
        : plan_(&plan),
          ranks_(ranks),
          micro_steps_(micro_steps_of(plan.global_batch(), ranks)),
          assignment_(plan.options().order == epoch_order::as_packed
                          ? row_assignment::in_order
                          : assignment) {}
    plan_reader(const distributed_plan<Cost>&&, std::size_t,
                row_assignment = row_assignment::in_turn) = delete;

    [[nodiscard]] const distributed_plan<Cost>& plan() const { return *plan_; }
    [[nodiscard]] std::size_t ranks() const { return ranks_; }
    /// Micro-steps a step: ceil(global batch / ranks).
    [[nodiscard]] std::size_t micro_steps() const { return micro_steps_; }

    /// The bins of a step over all ranks, in the order of the plan's window. Valid until
    /// the next question.
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
                                       plan_->turn_of(at), assignment_);
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
    row_assignment assignment_;
    plan_window window_;
};

/// How `rank_idle` looks at a plan.
struct rank_idle_options {
    std::optional<plan_balance> balance = {};  ///< for comparisons, instead of the plan's
    std::size_t rows = 1;  ///< bins that a rank takes before all wait for each other
    /// Most steps to look at, in whole windows spread over the epoch; one window at
    /// least.
    std::size_t most_steps = std::numeric_limits<std::size_t>::max();
};

/// Share of an epoch's rank time that is idle if ranks wait for each other after every so
/// many rows: 1 - Σ cost / (ranks * Σ of the most expensive rank's rows). 0 for no cost.
/// @throws invalid_argument for 0 ranks or rows
template <bin_cost Cost>
[[nodiscard]] double rank_idle(const distributed_plan<Cost>& plan, std::uint64_t epoch,
                               std::size_t ranks, const rank_idle_options& options = {}) {
    const std::size_t batch = plan.global_batch();
    const std::size_t rows = micro_steps_of(batch, ranks);
    const std::size_t waits = micro_steps_of(rows, options.rows);
    const std::size_t steps = plan.steps_per_epoch();
    const std::size_t every =
        steps == 0 ? 1 : (steps - 1) / std::max<std::size_t>(options.most_steps, 1) + 1;
    const auto assignment = plan.options().order == epoch_order::as_packed
                                ? row_assignment::in_order
                                : row_assignment::in_turn;
    double cost = 0, most_expensive = 0;
    std::vector<double> of_rank(ranks);
    const auto add_step = [&](std::span<const std::uint32_t> bins, std::uint64_t turn) {
        for (std::size_t wait = 0; wait < waits; ++wait) {
            std::fill(of_rank.begin(), of_rank.end(), 0.0);
            const std::size_t end = std::min(rows, (wait + 1) * options.rows);
            for (std::size_t row = wait * options.rows; row < end; ++row) {
                for (std::size_t rank = 0; rank < ranks; ++rank) {
                    const auto slot =
                        slot_of_rank(batch, ranks, row, rank, turn, assignment);
                    if (!slot) continue;
                    const auto one = plan.cost_of(bins[*slot], epoch);
                    of_rank[rank] += static_cast<double>(one);
                    cost += static_cast<double>(one);
                }
            }
            most_expensive += *std::max_element(of_rank.begin(), of_rank.end());
        }
    };
    for (std::size_t step = 0; step < steps;) {
        const plan_window window = plan.window_at({epoch, step}, options.balance);
        for (std::size_t s = 0; s < window.steps; ++s) {
            add_step(std::span(window.bins).subspan(s * batch, batch),
                     plan.turn_of({epoch, window.first_step + s}));
        }
        step = window.first_step + window.steps * every;
    }
    if (most_expensive == 0) return 0;
    return 1 - cost / (static_cast<double>(ranks) * most_expensive);
}

/// Idle shares of ranks with and without balance.
struct idle_shares {
    double planned = 0;     ///< with the plan's balance
    double unbalanced = 0;  ///< with the same bins in the order of the epoch
};

/// Idle shares in the first epoch, estimated where it is long from some of its windows:
/// from about 2^17 bins, or one window where that has more. O(bins * log window).
/// @param rows bins that a rank takes before all ranks wait for each other
/// @throws invalid_argument for 0 ranks or rows
template <bin_cost Cost>
[[nodiscard]] idle_shares estimate_rank_idle(const distributed_plan<Cost>& plan,
                                             std::size_t ranks, std::size_t rows) {
    constexpr std::size_t most_bins = 1 << 17;
    const std::size_t most_steps =
        std::max<std::size_t>(1, most_bins / plan.global_batch());
    return {rank_idle(plan, 0, ranks, {std::nullopt, rows, most_steps}),
            rank_idle(plan, 0, ranks, {plan_balance::none, rows, most_steps})};
}

}  // namespace packkit
