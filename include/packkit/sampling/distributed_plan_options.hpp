// SPDX-License-Identifier: Apache-2.0
/// @file
/// How the bins of a packing become the steps of a training: their order, what balances
/// the ranks, and what fills the last step of an epoch.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace packkit {

/// In which order an epoch takes the bins, and which samples they hold.
enum class epoch_order : std::uint8_t {
    as_packed = 0,      ///< bins and their samples as the packing has them, unbalanced
    fresh_bins = 1,     ///< samples of one length change places, bins are shuffled
    shuffled_bins = 2,  ///< bins keep their samples and are shuffled
};

/// What the rows of a step are made to have in common.
enum class plan_balance : std::uint8_t {
    cost = 0,    ///< their cost: no rank waits for another
    tokens = 1,  ///< their tokens, without padding
    none = 2,    ///< nothing: steps take the bins in the order of the epoch
};

/// Names of `plan_balance`, by value.
inline constexpr std::array<std::string_view, 3> plan_balance_names = {"cost", "tokens",
                                                                       "none"};

/// "cost", "tokens" or "none".
[[nodiscard]] constexpr std::string_view to_string(plan_balance balance) {
    return plan_balance_names[static_cast<std::size_t>(balance)];
}

/// What becomes of the last step of an epoch when the bins do not fill it.
enum class last_step : std::uint8_t {
    split = 0,  ///< bins are split until they fill it
    keep = 1,   ///< bins stay whole, and rows of one step are empty
    drop = 2,   ///< the bins of that step are left out of the epoch
};

/// How a plan is made of bins.
struct distributed_plan_options {
    std::size_t global_batch = 1;  ///< bins a step, over all ranks and micro-steps
    std::uint64_t seed = 0;
    /// Most steps among which bins are exchanged to balance a step; with 1 a step keeps
    /// its bins and takes them by falling cost.
    std::size_t window = 64;
    epoch_order order = epoch_order::fresh_bins;
    plan_balance balance = plan_balance::cost;
    last_step last = last_step::split;
    /// Tokens to which rows are padded; the padding costs as a document of its own. 0:
    /// rows are not padded.
    std::uint32_t padded_row = 0;

    friend constexpr bool operator==(const distributed_plan_options&,
                                     const distributed_plan_options&) = default;
};

}  // namespace packkit
