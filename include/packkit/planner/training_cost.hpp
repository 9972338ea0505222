// SPDX-License-Identifier: Apache-2.0
/// @file
/// What a run takes: steps, hours, GPU hours, money; packed rows against padded ones.
#pragma once

#include <packkit/error.hpp>
#include <packkit/estimate/workload.hpp>
#include <packkit/planner/evaluate.hpp>
#include <packkit/utility/batch_size.hpp>

#include <cmath>
#include <cstdint>

namespace packkit {

/// What some epochs take.
struct run_cost {
    std::int64_t steps_per_epoch = 0;
    std::int64_t steps = 0;  ///< epochs x steps_per_epoch, rounded up
    double hours = 0;
    double gpu_hours = 0;
    double price = 0;  ///< in the currency of the price an hour
};

/// The cost of a run whose epoch and step are known. All 0 for a workload without rows.
/// @param drop_last  whether an epoch's last, smaller step is left out
/// @throws invalid_argument for epochs or a price that are negative or not finite
[[nodiscard]] inline run_cost cost_of_run(const plan_figures& plan, const workload& work,
                                          double epochs = 1,
                                          double price_per_gpu_hour = 0,
                                          bool drop_last = false) {
    if (!(epochs >= 0 && price_per_gpu_hour >= 0 &&
          std::isfinite(epochs * price_per_gpu_hour))) {
        detail::throw_invalid_argument("a run of ", epochs, " epochs at ",
                                       price_per_gpu_hour,
                                       " a GPU hour, neither may be negative");
    }
    run_cost cost;
    cost.steps_per_epoch = work.steps_per_epoch(plan.setup.global_rows(), drop_last);
    cost.steps = steps_of_epochs(cost.steps_per_epoch, epochs);
    cost.hours = hours(cost.steps, plan.seconds.step);
    cost.gpu_hours = cost.hours * static_cast<double>(plan.setup.mesh.world_size());
    cost.price = cost.gpu_hours * price_per_gpu_hour;
    return cost;
}

/// The same samples in packed and in padded rows, trained the same way.
struct row_comparison {
    plan_estimate packed, padded;
    run_cost packed_cost, padded_cost;

    /// How many times longer the padded run takes. 0 if nothing is known of the rows.
    [[nodiscard]] double times_slower() const {
        return packed_cost.hours > 0 ? padded_cost.hours / packed_cost.hours : 0.0;
    }
    /// What packing saves.
    [[nodiscard]] double hours_saved() const {
        return padded_cost.hours - packed_cost.hours;
    }
    [[nodiscard]] double price_saved() const {
        return padded_cost.price - packed_cost.price;
    }
};

/// Compares packed with padded rows: `packed_rows` and `padded_rows` of the same counts.
/// @throws invalid_argument as `estimate` and `cost_of_run`
[[nodiscard]] inline row_comparison compare_rows(
    const model_layout& layout, const training_setup& setup, const device& on,
    const workload& packed, const workload& padded, double epochs = 1,
    double price_per_gpu_hour = 0, const estimate_options& options = {}) {
    row_comparison both;
    both.packed = estimate(layout, setup, on, packed, options);
    both.padded = estimate(layout, setup, on, padded, options);
    both.packed_cost = cost_of_run(both.packed, packed, epochs, price_per_gpu_hour);
    both.padded_cost = cost_of_run(both.padded, padded, epochs, price_per_gpu_hour);
    return both;
}

}  // namespace packkit
