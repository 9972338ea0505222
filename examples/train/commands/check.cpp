// SPDX-License-Identifier: Apache-2.0
#include "commands/check.hpp"

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/tensors.hpp"
#include "checkpoint/weight_files.hpp"
#include "common/errors.hpp"
#include "common/numbers.hpp"
#include "common/problems.hpp"
#include "common/progress.hpp"
#include "config/checked_config.hpp"
#include "config/model_config.hpp"
#include "config/optimizer.hpp"
#include "data/dataset.hpp"
#include "data/tokenizer.hpp"
#include "model/model.hpp"
#include "plan/inputs.hpp"
#include "plan/mesh.hpp"
#include "plan/run_plan.hpp"

#include <packkit/error.hpp>
#include <packkit/torch/communication/communicator.hpp>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

namespace packkit::train {
namespace {

/// Lines of problems from all that is checked.
class problem_lines {
public:
    explicit problem_lines(std::vector<std::string> lines) : lines_(std::move(lines)) {}

    /// The result of work(), or nothing when it finds its input wrong.
    template <class Work>
    auto attempt(Work&& work) -> std::optional<decltype(work())> {
        try {
            return work();
        } catch (const app::usage_error& error) {
            lines_.emplace_back(error.what());
        } catch (const app::input_error& error) {
            lines_.emplace_back(error.what());
        } catch (const invalid_argument& error) { lines_.emplace_back(error.what()); }
        return std::nullopt;
    }

    /// A problem of a data file, of which only the first ones are listed.
    void add_of_file(const std::string& path, const app::input_error& error) {
        constexpr std::int64_t most = 20;
        auto& [count, line_of_rest] = of_file_[path];
        if (++count <= most + 1) {
            line_of_rest = lines_.size();
            lines_.emplace_back(error.what());
        }
        if (count > most) {
            lines_[line_of_rest] =
                path + ": and " + app::counted(count - most, "more problem");
        }
    }

    [[nodiscard]] std::vector<std::string> take() { return std::move(lines_); }

private:
    std::vector<std::string> lines_;
    std::map<std::string, std::pair<std::int64_t, std::size_t>> of_file_;
};

/// Whether reading data depends on none of the problems.
bool knows_rows(const config_problems& problems) {
    constexpr std::string_view keys[] = {"sequence_len",   "excess_length_strategy",
                                         "min_sample_len", "train_on_inputs",
                                         "eot_tokens",     "dataset_exact_deduplication"};
    return std::all_of(std::begin(keys), std::end(keys),
                       [&](std::string_view key) { return problems.sound(key); });
}

/// The entries of `datasets` that can be read.
std::vector<dataset_config> sound_datasets(const checked_config& checked,
                                           bool with_tokenizer) {
    std::vector<dataset_config> sound;
    if (!knows_rows(checked.problems)) return sound;
    const auto& datasets = checked.config.datasets;
    for (std::size_t i = 0; i < datasets.size(); ++i) {
        const bool readable = with_tokenizer || datasets[i].type == dataset_type::tokens;
        // A template of the whole file that does not exist is a problem of another key.
        const bool has_template = datasets[i].type != dataset_type::chat_template ||
                                  !datasets[i].chat.chat_template.empty();
        const bool good = datasets[i].pretraining
                              ? checked.problems.sound("pretraining_dataset")
                              : checked.problems.sound("datasets." + std::to_string(i));
        if (readable && has_template && good) sound.push_back(datasets[i]);
    }
    return sound;
}

/// Whether the keys that model and tokenizer depend on have no problem.
bool knows_model(const config_problems& problems) {
    constexpr std::string_view keys[] = {
        "base_model",   "base_model_config", "overrides_of_model_config",
        "model_config", "rope_scaling",      "revision_of_model"};
    return std::all_of(std::begin(keys), std::end(keys),
                       [&](std::string_view key) { return problems.sound(key); });
}

bool knows_tokenizer(const config_problems& problems) {
    constexpr std::string_view keys[] = {
        "tokenizer_type", "tokenizer_config",       "special_tokens",
        "tokens",         "added_tokens_overrides", "resize_token_embeddings_to_32x"};
    return std::all_of(std::begin(keys), std::end(keys),
                       [&](std::string_view key) { return problems.sound(key); });
}

/// Reads the model's config.json and the tokenizer, each as far as its keys allow it; the
/// shape is there when both or the model alone could be read.
std::pair<run_inputs, std::optional<model_shape>> check_model(
    const checked_config& checked, problem_lines& lines) {
    const train_config& config = checked.config;
    run_inputs inputs;
    std::optional<configured_model> model;
    if (knows_model(checked.problems))
        model = lines.attempt([&] { return read_configured_model(config); });
    std::optional<run_tokenizer> tokenizer;
    if (knows_tokenizer(checked.problems))
        tokenizer = lines.attempt([&] { return load_run_tokenizer(config); });
    if (tokenizer) {
        inputs.tokens = std::move(tokenizer->tokens);
        inputs.tokenizer_hash = tokenizer->hash;
    }
    if (!model) return {std::move(inputs), std::nullopt};
    if (inputs.tokens) fit_vocabulary(*model, config, *inputs.tokens);
    inputs.shape = model->shape;
    inputs.stored_vocabulary = model->stored_vocabulary;
    return {std::move(inputs), model->shape};
}

/// Reads the data sets that can be read; their problems become lines.
token_store check_data(const checked_config& checked,
                       const std::optional<model_shape>& shape, const tokenizer* tokens,
                       problem_lines& lines) {
    const train_config& config = checked.config;
    train_config readable = config;
    readable.datasets = sound_datasets(checked, tokens != nullptr);
    if (readable.datasets.empty()) return {};
    if (!shape || readable.datasets.size() < config.datasets.size())
        readable.dataset_prepared_path.clear();  // no run would have this data
    const byte_tokenizer none;
    app::progress_bar bar("reading data");
    return read_datasets(
        readable, tokens != nullptr ? *tokens : none,
        shape ? shape->vocab_size : std::numeric_limits<std::int32_t>::max(),
        [&](std::uint64_t done, std::uint64_t total) {
            bar.set_total(total);
            bar.set(done);
        },
        [&](const std::string& path, const app::input_error& error) {
            lines.add_of_file(path, error);
        });
}

/// Looks for each tensor of the model in its files; then reads them all.
void check_weights(const train_config& config, const model_shape& shape,
                   std::int64_t stored_vocabulary, problem_lines& lines) {
    const auto files = weight_files::open_folder(config.base_model);
    lt::single_communicator alone("check");
    model probe(shape, lt::mesh_view::alone(alone), {});
    bool complete = true;
    for (std::size_t u = 0; u < probe.units().size(); ++u) {
        const auto& parameters = probe.units()[u].parameters();
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            try {
                stored_type(files, parameters.info(i).name,
                            stored_shape(probe, u, i, stored_vocabulary));
            } catch (const app::input_error& error) {
                complete = false;
                lines.add_of_file(config.base_model, error);
            }
        }
    }
    if (complete) load_weights(config.base_model, probe, stored_vocabulary);
}

}  // namespace

void check_mesh(const train_config& config, std::int64_t processes) {
    const auto mesh = choose_mesh(config, processes);
    if (mesh.tp > 1) check_cut(read_configured_model(config).shape, mesh);
}

int check(const std::string& path, std::span<const std::string> overrides,
          std::int64_t processes, const check_options& options) {
    const checked_config checked = check_config(path, overrides);
    const auto& config = checked.config;
    const auto& problems = checked.problems;
    for (const auto& note : config.notes) {
        std::fprintf(stderr, "note: %s\n", note.c_str());
    }
    for (const auto& warning : config.warnings) {
        std::fprintf(stderr, "warning: %s\n", warning.c_str());
    }
    if (problems.sound("optimizer")) {
        if (const auto note = optimizer_note(config, std::nullopt))
            std::fprintf(stderr, "note: %s\n", note->c_str());
    }
    problem_lines lines(problems.lines());
    std::optional<mesh_shape> mesh;
    const bool knows_mesh = problems.sound("dp_replicate_size") &&
                            problems.sound("dp_shard_size") &&
                            problems.sound("context_parallel_size") &&
                            problems.sound("sequence_parallel_degree") &&
                            problems.sound("tensor_parallel_size") &&
                            problems.sound("gradient_accumulation_steps");
    if (knows_mesh) mesh = lines.attempt([&] { return choose_mesh(config, processes); });
    auto [inputs, shape] = check_model(checked, lines);
    if (mesh && shape) {
        lines.attempt([&] { return check_cut(*shape, *mesh), true; });
    }
    auto samples = lines.attempt(
        [&] { return check_data(checked, shape, inputs.tokens.get(), lines); });
    std::string head;
    if (shape && !config.random_init_weights && problems.sound("random_init_weights")) {
        lines.attempt([&] {
            check_weights(config, *shape, inputs.stored_vocabulary, lines);
            head = unused_head_warning(config.base_model, *shape);
            return true;
        });
    }
    if (auto found = lines.take(); !found.empty())
        throw app::input_problems(std::move(found));
    take_samples(std::move(*samples), config, inputs);
    const auto plan = make_run_plan(config, inputs, *mesh);
    if (const auto note = mesh_note_of(config, processes); !note.empty())
        std::fprintf(stderr, "%s\n", note.c_str());
    const dataset_report& report = inputs.samples.report();
    for (const auto& warning : warnings_of(report, config)) {
        std::fprintf(stderr, "warning: %s\n", warning.c_str());
    }
    std::fprintf(stderr, "%s\n", summary_of(report).c_str());
    if (!head.empty()) std::fprintf(stderr, "warning: %s\n", head.c_str());
    const std::string summary =
        "no problem found: " + app::counted(inputs.samples.report().samples, "sample") +
        ", " + app::counted(plan.data->total_steps(), "step") + " on " +
        to_string(*mesh) + ", row efficiency " + app::fixed(plan.data->efficiency(), 4) +
        ", activation checkpointing " +
        std::string(to_string(config.gradient_checkpointing));
    const auto* const tokens =
        config.tokenizer_type.empty() ? nullptr : inputs.tokens.get();
    app::write_stdout(check_report(checked, inputs.samples, tokens, summary, options,
                                   isatty(STDOUT_FILENO) != 0));
    return app::exit_done;
}

}  // namespace packkit::train
