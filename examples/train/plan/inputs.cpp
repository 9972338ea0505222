// SPDX-License-Identifier: Apache-2.0
#include "plan/inputs.hpp"

#include "common/progress.hpp"
#include "config/model_config.hpp"
#include "data/held_out.hpp"
#include "plan/mesh.hpp"

#include <optional>
#include <utility>

namespace packkit::train {

void take_samples(token_store samples, const train_config& config, run_inputs& inputs) {
    auto [training, evaluation] = hold_out(std::move(samples), config);
    inputs.samples = std::move(training);
    inputs.evaluation = std::move(evaluation);
    inputs.content_hash = inputs.samples.content_hash();
}

run_inputs read_inputs(const train_config& config, const mesh_shape& mesh,
                       bool show_progress) {
    run_inputs inputs;
    inputs.shape = read_model_config(config.base_model);
    check_cut(inputs.shape, mesh);
    inputs.model_config = read_model_document(config.base_model);
    // Rows of ids need none; nobody asks this one then.
    inputs.tokens =
        load_tokenizer(config.tokenizer_type.empty() ? "bytes" : config.tokenizer_type);
    std::optional<app::progress_bar> bar;
    if (show_progress) bar.emplace("reading data");
    take_samples(read_datasets(config, *inputs.tokens, inputs.shape.vocab_size,
                               [&](std::uint64_t done, std::uint64_t total) {
                                   if (!bar) return;
                                   bar->set_total(total);
                                   bar->set(done);
                               }),
                 config, inputs);
    return inputs;
}

}  // namespace packkit::train
