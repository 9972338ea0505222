// SPDX-License-Identifier: Apache-2.0
#include "run/rank_step.hpp"

#include <packkit/torch/communication/reproducible_sum.hpp>

namespace packkit::train {

rank_step prepare_step(const run_plan& plan, std::int64_t step, std::int64_t data_rank) {
    const data_plan& data = *plan.data;
    rank_step work{data.step(step), {}, {}};
    for (std::int64_t micro = 0; micro < data.micro_steps(); ++micro) {
        // Canonical sums take them in the order of their tree.
        const auto number = plan.config.canonical_reduction
                                ? lt::bit_reversed(micro, data.micro_steps())
                                : micro;
        const auto content = data.content(step, number, data_rank);
        work.mine += content.work;
        work.micro_batches.push_back(collate(content, plan.inputs.samples));
    }
    return work;
}

}  // namespace packkit::train
