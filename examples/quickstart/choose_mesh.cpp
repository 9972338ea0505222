// SPDX-License-Identifier: Apache-2.0
/// \file
/// Which mesh to train Llama-3 8B on, on 16 H100: the three fastest, why one was refused,
/// and why the first is the first.

#include <packkit/model/presets.hpp>
#include <packkit/planner.hpp>

#include <iostream>

int main() {
    const packkit::model_layout model(packkit::find_model("llama-3-8b")->shape);
    const packkit::device& h100 = *packkit::find_device("h100-80gb");
    const auto rows =
        packkit::full_rows(8192);  // or packed_rows(counts_of_lengths, 8192)
    packkit::search_options options;
    options.gpus = 16;
    options.sequence_len = 8192;

    const auto found = packkit::search(model, h100, options, rows);
    for (std::size_t i = 0; i < 3 && i < found.plans.size(); ++i) {
        const auto& plan = found.plans[i];
        std::cout << to_string(plan.setup.mesh) << ": "
                  << static_cast<int>(plan.tokens_per_second_per_gpu) << " tokens/s/GPU, "
                  << (plan.memory.bytes.total() >> 30) << " GiB\n";
    }
    for (const auto& refused : found.rejected) {
        if (refused.setup.mesh == packkit::mesh_shape{16, 1, 1, 1})
            std::cout << "DDP " << refused.reason << "\n";
    }
    for (const auto& advice : packkit::advise(model, h100, options, rows, found))
        std::cout << "- " << advice.text << "\n";
    const auto meshes = packkit::factorizations(16).size();
    return found.plans.size() + found.rejected.size() == meshes ? 0 : 1;
}
