// SPDX-License-Identifier: Apache-2.0
#include "evaluate.hpp"

#include "common/numbers.hpp"

#include <packkit/utility/batch_size.hpp>

#include <cstdint>
#include <string>

namespace packkit::app {
namespace {

/// Packing is advised when it saves at least this share of the rows: less is eaten up by
/// the loss of freedom in choosing batches.
constexpr double worthwhile_saving = 0.1;

std::string reason_for(const capacity_report& capacity, const algorithm_result& best,
                       const settings& options, bool packing) {
    const std::string rows = grouped(std::uint64_t{capacity.items}) + " samples in " +
                             grouped(std::uint64_t{best.bins}) + " rows of " +
                             std::to_string(capacity.capacity);
    const double saving =
        1.0 - static_cast<double>(best.bins) / static_cast<double>(capacity.items);
    if (!packing) {
        std::string reason = rows + " save only " + percent(saving, 1) + " of the rows";
        const double fill =
            capacity.lengths.mean / static_cast<double>(capacity.capacity);
        if (fill > 0.5) {
            reason += ": the samples are near the limit already, " + percent(fill, 1) +
                      " of it on average";
        }
        return reason;
    }
    std::string reason = rows + " (" + fixed(1.0 / (1.0 - saving), 1) +
                         " times fewer): " + percent(best.efficiency) +
                         " of the positions hold tokens, against " +
                         percent(capacity.pad_to_capacity) + " padded to " +
                         std::to_string(capacity.capacity);
    if (options.micro_batch_size > 1) {
        return reason + " and " + percent(capacity.pad_to_longest) +
               " padded to the longest of each micro-batch of " +
               std::to_string(options.micro_batch_size);
    }
    return reason + "; a micro-batch of 1 needs no padding, but holds only " +
           fixed(capacity.lengths.mean, 0) + " tokens on average";
}

}  // namespace

advice advise(const capacity_report& capacity, const settings& options) {
    const algorithm_result& best = best_result(capacity);
    advice result;
    result.algorithm = best.algorithm;
    result.sequence_len = capacity.capacity;
    result.sample_packing =
        static_cast<double>(best.bins) <=
        (1.0 - worthwhile_saving) * static_cast<double>(capacity.items);
    result.sample_packing_eff_est = rounded_efficiency(best.efficiency);
    const auto rows =
        static_cast<std::int64_t>(result.sample_packing ? best.bins : capacity.items);
    const std::int64_t global =
        batch_size{static_cast<std::int64_t>(options.micro_batch_size),
                   static_cast<std::int64_t>(options.gradient_accumulation_steps),
                   static_cast<std::int64_t>(options.ranks)}
            .global();
    result.steps_per_epoch = steps_per_epoch(rows, global, false);
    result.axolotl_estimated_steps = estimated_steps(
        capacity.tokens, result.sample_packing_eff_est, capacity.capacity, global);
    result.reason = reason_for(capacity, best, options, result.sample_packing);
    if (capacity.excess.samples > 0) {
        result.reason += "; " + grouped(std::uint64_t{capacity.excess.samples}) +
                         " samples are longer than " + std::to_string(capacity.capacity) +
                         ": sequence_len " + std::to_string(capacity.excess.longest) +
                         " would hold them all";
    }
    if (rows < global) {
        result.reason += "; the global batch of " + grouped(global) +
                         " rows is larger than the whole epoch";
    }
    return result;
}

}  // namespace packkit::app
