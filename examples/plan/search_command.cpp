// SPDX-License-Identifier: Apache-2.0
// packkit-plan search: every mesh, ranked, or refused with a reason.
#include "command.hpp"
#include "compare.hpp"
#include "render.hpp"
#include "training_options.hpp"
#include "warnings.hpp"
#include "yaml.hpp"

#include "common/errors.hpp"
#include "common/numbers.hpp"

#include <packkit/planner/advice.hpp>
#include <packkit/planner/search.hpp>
#include <packkit/planner/suggestions.hpp>

#include <algorithm>
#include <memory>

namespace packkit::plan {
namespace {

using app::usage_error;

constexpr const char* description =
    "Every mesh of the GPUs with its best way to train: ranked by speed, or refused "
    "with\n"
    "a reason.";

constexpr const char* footer =
    R"(What is given is kept to, the rest is chosen for each mesh: micro-batch of 1 to 16 rows, DDP
or FSDP with and without reshard, checkpointing none, selective or full, sequence parallelism.
Without a batch one of about 4 million tokens is a good start: --min-global-tokens 4000000
chooses the accumulation that reaches it.
A plan may fill 95 % of a GPU's memory (--memory-share); the rest is left to the driver and to
fragmentation. JSON lists the plans of --top, and every refused mesh.

Examples:
  packkit-plan search llama-3-8b --gpus 8 --gpu h100-80gb --sequence-len 8192
  packkit-plan search llama-3-70b --gpus 64 --gpu h100-80gb --global-batch-size 128 --top 5
  packkit-plan search llama-3-8b --gpus 16 --gpu a100-40gb --lengths lengths.txt \
    --sequence-len 4096 --price-per-gpu-hour 1.8 --epochs 3 --html search.html
  packkit-plan search llama-2-7b --gpus 8 --gpu a100-80gb --tensor-parallel-size 1 \
    --context-parallel-size 1 --activation-checkpointing none --yaml run.yaml

Exit status: 0 done, also where nothing fits (suggestions say what would), 1 failed, 2 wrong
usage or wrong input.)";

struct search_texts {
    subject_texts subject;
    training_texts training;
    std::string top, min_tokens, max_tokens, html;
    yaml_texts yaml;
    output_texts output;
};

/// Whole tokens, also as 4e6.
std::optional<std::int64_t> tokens_of(const char* option, const std::string& text) {
    if (text.empty()) return std::nullopt;
    const double tokens = app::parse_option_real(option, text);
    if (!(tokens >= 1 && tokens < 9e15)) {
        throw usage_error(
            option, app::in_quotes(text) + " is no number of tokens; expected 1 or more");
    }
    return static_cast<std::int64_t>(tokens);
}

search_options options_of(const search_texts& texts, const training_choice& choice,
                          const plan_subject& subject) {
    search_options options;
    const training_setup& setup = choice.setup;
    options.gpus = subject.gpus.gpus;
    options.gpus_per_node = subject.gpus.gpus_per_node;
    options.sequence_len = setup.sequence_len;
    options.precision = setup.precision;
    options.optimizer = setup.optimizer;
    options.offload_optimizer = setup.offload_optimizer;
    options.fixed = choice.mesh;
    if (choice.micro_batch_size) options.micro_batch_sizes = {*choice.micro_batch_size};
    if (choice.sharding_given) options.shardings = {setup.sharding};
    if (!setup.reshard_after_forward) options.reshard_after_forward = {false};
    if (choice.checkpointing_given) options.checkpointings = {setup.checkpointing};
    if (setup.sequence_parallel) options.sequence_parallel = {true};
    options.global_batch_size = choice.global_batch_size;
    options.gradient_accumulation_steps = choice.accumulation;
    options.min_global_tokens = tokens_of("--min-global-tokens", texts.min_tokens);
    options.max_global_tokens = tokens_of("--max-global-tokens", texts.max_tokens);
    options.one_row_with_cp = one_row_with_cp(subject);
    options.estimates = options_of(subject);
    return options;
}

/// Refuses fixed sizes that no mesh can have, as estimate does.
void check_fixed_mesh(const training_choice& choice, const plan_subject& subject) {
    const mesh_request& fixed = choice.mesh;
    if (fixed.dp_replicate && fixed.dp_shard && fixed.cp && fixed.tp) {
        static_cast<void>(resolve_mesh(subject.gpus.gpus, fixed));
    } else {
        static_cast<void>(ranks_left(subject.gpus.gpus, fixed));
    }
}

/// The first plan that packkit-train runs.
const plan_estimate& runnable_plan(const search_report& report) {
    const model_shape& shape = report.subject.model.shape;
    const auto& plans = report.found.plans;
    if (plans.empty())
        throw usage_error("--yaml", "no plan fits, so there is none to write");
    const auto found =
        std::find_if(plans.begin(), plans.end(), [&](const plan_estimate& plan) {
            return trainer_gaps(plan.setup, shape).empty();
        });
    if (found == plans.end()) check_trainer_runs(plans.front().setup, shape);
    return *found;
}

std::string yaml_text(const search_texts& texts, search_report& report) {
    const plan_estimate& plan = runnable_plan(report);
    const auto rank = &plan - report.found.plans.data() + 1;
    if (rank > 1) {
        report.notes.push_back("The configuration is of plan " + std::to_string(rank) +
                               ", " + mesh_text(plan.setup.mesh) +
                               ": the first that packkit-train runs.");
    }
    return render_yaml(
        texts.yaml,
        {report.subject, plan,
         has_lengths(texts.subject.lengths) ? &texts.subject.lengths : nullptr,
         ", number " + std::to_string(rank) + " of a search"});
}

void run(const search_texts& texts) {
    check_output_paths({{"--output", texts.output.output},
                        {"--html", texts.html},
                        {"--yaml", texts.yaml.path}},
                       texts.subject.lengths.paths);
    const app::output_format format = parse_format(texts.output);
    search_report report;
    plan_subject& subject = report.subject;
    subject = parse_subject(texts.subject);
    if (!texts.yaml.path.empty()) check_system_writes_yaml(subject);
    const training_choice choice =
        parse_training(texts.training, subject.model, subject.gpus);
    check_fixed_mesh(choice, subject);
    const search_options options = options_of(texts, choice, subject);
    report.notes = choice.notes;
    const auto lengths = set_workload(texts.subject, choice.setup, subject, report.notes);
    constexpr std::int64_t usual = 10;
    constexpr std::int64_t most = 1 << 20;
    const bool table =
        format == app::output_format::table || format == app::output_format::markdown;
    report.shown =
        static_cast<std::size_t>(app::parse_given_integer("--top", texts.top, 1, most)
                                     .value_or(table ? usual : most));

    const model_layout layout(subject.model.shape);
    report.found = search(layout, subject.gpus.gpu, options, subject.work);
    if (report.found.plans.empty()) {
        for (suggestion& one : suggest(layout, subject.gpus.gpu, options, subject.work))
            report.suggestions.push_back(std::move(one.text));
    } else {
        estimate_report best;
        best.plan = report.found.plans.front();
        best.subject = subject;
        best.time = schedule_of(subject, subject.work, best.plan);
        if (lengths) {
            best.arrangements =
                arrangements_of(subject, layout, *lengths, best.plan.setup);
        }
        report.warnings = all_warnings(subject, best.plan);
        for (advice& one :
             advise(layout, subject.gpus.gpu, options, subject.work, report.found))
            report.advice.push_back(std::move(one.text));
        if (std::string sentence = packing_sentence(best.arrangements); !sentence.empty())
            report.advice.push_back(std::move(sentence));
        report.best = std::move(best);
    }

    std::vector<output_file> files;
    if (!texts.yaml.path.empty())
        files.push_back({texts.yaml.path, yaml_text(texts, report)});
    if (!texts.html.empty()) files.push_back({texts.html, search_html(report)});
    write_outputs(texts.output, render(report, format), files);
}

}  // namespace

void add_search_command(CLI::App& program, action& chosen) {
    const auto texts = std::make_shared<search_texts>();
    CLI::App& command = add_command(program, "search", description, footer, chosen,
                                    [texts] { run(*texts); });
    add_subject_options(command, texts->subject);
    add_training_options(command, texts->training);
    option_group group(command, "Search");
    group.text("--top", texts->top, "N",
               "Plans to list (default: 10 in tables, all in JSON and CSV)");
    group.text("--min-global-tokens", texts->min_tokens, "X",
               "Accumulate until a step has as many tokens, as 4e6");
    group.text("--max-global-tokens", texts->max_tokens, "X",
               "Refuse meshes whose step has more");
    add_output_options(command, texts->output);
    option_group(command, "Results")
        .text("--html", texts->html, "FILE", "Write a self-contained report with plots");
    add_yaml_options(command, texts->yaml);
}

}  // namespace packkit::plan
