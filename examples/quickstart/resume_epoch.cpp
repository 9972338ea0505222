// SPDX-License-Identifier: Apache-2.0
/// \file
/// Ten samples for two ranks: every rank gets the same number of steps, and a run that
/// stopped after step 2 goes on with the samples that it has not seen.

#include <packkit/packing/pack.hpp>
#include <packkit/sampling/plan_reader.hpp>

#include <iostream>
#include <set>
#include <vector>

int main() {
    const std::vector<int> lengths = {3, 9, 4, 7, 5, 8, 2, 6, 9, 5};
    const auto plan = packkit::make_distributed_plan(lengths, 10, {.global_batch = 2});
    std::set<std::uint32_t> seen;
    const auto run = [&](std::size_t first, std::size_t end) {
        packkit::plan_reader reader(plan, 2);
        for (std::size_t step = first; step < end; ++step) {
            for (std::size_t rank = 0; rank < 2; ++rank) {
                std::cout << "step " << step << " rank " << rank << ": samples";
                for (const auto sample : reader.row({0, step}, 0, rank)) {
                    std::cout << " " << sample;
                    seen.insert(sample);
                }
                std::cout << "\n";
            }
        }
    };
    run(0, 2);
    std::cout << "stopped; the cursor is (epoch 0, step 2)\n";
    run(2, plan.steps_per_epoch());
    return seen.size() == 10 ? 0 : 1;
}
