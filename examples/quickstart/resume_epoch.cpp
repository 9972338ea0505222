// SPDX-License-Identifier: Apache-2.0
/// \file
/// Ten rows for two ranks: every rank gets the same number of steps, and a run that
/// stopped after step 2 goes on with the rows that it has not seen.

#include <packkit/sampler.hpp>

#include <iostream>
#include <set>

int main() {
    const packkit::batch_sampler sampler(10, {.ranks = 2, .seed = 42});
    std::set<std::size_t> seen;
    const auto run = [&](std::size_t first, std::size_t end) {
        for (std::size_t step = first; step < end; ++step) {
            for (std::size_t rank = 0; rank < 2; ++rank) {
                const auto bin = sampler.bin(step, 0, rank);
                std::cout << "step " << step << " rank " << rank << ": row " << *bin
                          << "\n";
                seen.insert(*bin);
            }
        }
    };
    run(0, 2);
    std::cout << "stopped; the cursor is (epoch 0, step 2)\n";
    run(2, sampler.steps_per_epoch());
    return seen.size() == 10 ? 0 : 1;
}
