// SPDX-License-Identifier: Apache-2.0
#include "plan/inputs.hpp"

#include "common/input_file.hpp"
#include "common/model_config.hpp"
#include "common/progress.hpp"
#include "config/model_config.hpp"
#include "data/held_out.hpp"
#include "plan/mesh.hpp"

#include <filesystem>
#include <optional>
#include <utility>

namespace packkit::train {
namespace {

namespace fs = std::filesystem;
constexpr const char* generation_name = "generation_config.json";

/// The model's generation_config.json; "" where it has none.
std::string generation_config(const train_config& config, const tokenizer& tokens) {
    const auto file =
        fs::path(app::model_config_file(config_folder(config))).parent_path() /
        generation_name;
    std::error_code ignored;
    if (!fs::is_regular_file(file, ignored)) return {};
    std::string text = app::read_file(file.string());
    const auto& changes = config.token_changes;
    if (changes.bos_token.empty() && changes.eos_token.empty()) return text;
    static_cast<void>(
        app::parse_json(text, file.string()));  // says what is wrong with it
    auto document = app::ordered_json::parse(text);
    put_token_ids(document, config, tokens);
    return document.dump(2) + "\n";
}

}  // namespace

run_inputs read_model_inputs(const train_config& config) {
    run_inputs inputs;
    auto model = read_configured_model(config);
    auto tokenizer = load_run_tokenizer(config);
    fit_vocabulary(model, config, *tokenizer.tokens);
    inputs.companions = std::move(tokenizer.files);
    if (auto text = generation_config(config, *tokenizer.tokens); !text.empty())
        inputs.companions[generation_name] = std::move(text);
    inputs.shape = model.shape;
    inputs.model_config = std::move(model.document);
    inputs.stored_vocabulary = model.stored_vocabulary;
    inputs.tokens = std::move(tokenizer.tokens);
    inputs.tokenizer_hash = std::move(tokenizer.hash);
    return inputs;
}

void take_samples(token_store samples, const train_config& config, run_inputs& inputs) {
    auto [training, evaluation] = hold_out(std::move(samples), config);
    inputs.samples = std::move(training);
    inputs.evaluation = std::move(evaluation);
    inputs.content_hash = inputs.samples.content_hash();
}

run_inputs read_inputs(const train_config& config, const mesh_shape& mesh,
                       bool is_first) {
    run_inputs inputs = read_model_inputs(config);
    check_cut(inputs.shape, mesh);
    if (!is_first) inputs.companions.clear();
    std::optional<app::progress_bar> bar;
    if (is_first) bar.emplace("reading data");
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
