// SPDX-License-Identifier: Apache-2.0
// packkit-plan estimate: one way to train, in full.
#include "command.hpp"
#include "compare.hpp"
#include "render.hpp"
#include "training_options.hpp"
#include "warnings.hpp"
#include "yaml.hpp"

#include "common/errors.hpp"
#include "common/numbers.hpp"

#include <memory>

namespace packkit::plan {
namespace {

constexpr const char* description =
    "One way to train: does it fit, what does it send, how fast, how long.";

constexpr const char* footer =
    R"(Bytes and seconds are of one GPU and one optimizer step. What is not set of the mesh follows
from --gpus: FSDP over all data-parallel ranks. Memory is that of packkit-train. A plan fits if it
fills at most 95 % of a GPU's memory (--memory-share); the rest is left to the driver and to
fragmentation.
With --lengths the rows are packed samples, and padding is compared with it.

Examples:
  packkit-plan estimate llama-3-8b --gpus 8 --gpu h100-80gb --sequence-len 8192
  packkit-plan estimate llama-3-70b --gpus 64 --gpu h100-80gb --tensor-parallel-size 8 \
    --sequence-parallel --activation-checkpointing full --global-batch-size 64
  packkit-plan estimate model/config.json --gpus 2 --gpu cpu --sequence-len 512 \
    --precision fp32 --lengths lengths.txt --yaml run.yaml --dataset data.jsonl
  packkit-plan estimate llama-2-7b --gpus 16 --gpu-memory-gb 64 --peak-tflops 280 \
    --link-gbps 200 --format json

Exit status: 0 done, also where the plan does not fit (read "fits"), 1 failed, 2 wrong usage
or wrong input.)";

struct estimate_texts {
    subject_texts subject;
    training_texts training;
    std::string html;
    yaml_texts yaml;
    output_texts output;
};

void run(const estimate_texts& texts) {
    check_output_paths({{"--output", texts.output.output},
                        {"--html", texts.html},
                        {"--yaml", texts.yaml.path}},
                       texts.subject.lengths.paths);
    const app::output_format format = parse_format(texts.output);
    estimate_report report;
    plan_subject& subject = report.subject;
    subject = parse_subject(texts.subject);
    training_choice choice = parse_training(texts.training, subject.model, subject.gpus);
    const training_setup setup = complete_setup(choice, subject.model, subject.gpus);
    if (!texts.yaml.path.empty()) {
        check_system_writes_yaml(subject);
        check_trainer_runs(setup, subject.model.shape);
    }
    report.notes = choice.notes;
    const auto lengths = set_workload(texts.subject, setup, subject, report.notes);

    const model_layout layout(subject.model.shape);
    report.plan =
        estimate(layout, setup, subject.gpus.gpu, subject.work, options_of(subject));
    report.time = schedule_of(subject, subject.work, report.plan);
    if (lengths) report.arrangements = arrangements_of(subject, layout, *lengths, setup);
    report.warnings = all_warnings(subject, report.plan);
    report.advice = plan_advice(subject, layout, report.plan);
    if (std::string sentence = packing_sentence(report.arrangements); !sentence.empty())
        report.advice.push_back(std::move(sentence));

    std::vector<output_file> files;
    if (!texts.html.empty()) files.push_back({texts.html, estimate_html(report)});
    if (!texts.yaml.path.empty()) {
        const yaml_run config{subject, report.plan,
                              lengths ? &texts.subject.lengths : nullptr, ""};
        files.push_back({texts.yaml.path, render_yaml(texts.yaml, config)});
    }
    write_outputs(texts.output, render(report, format), files);
}

}  // namespace

void add_estimate_command(CLI::App& program, action& chosen) {
    const auto texts = std::make_shared<estimate_texts>();
    CLI::App& command = add_command(program, "estimate", description, footer, chosen,
                                    [texts] { run(*texts); });
    add_subject_options(command, texts->subject);
    add_training_options(command, texts->training);
    add_output_options(command, texts->output);
    option_group(command, "Results")
        .text("--html", texts->html, "FILE", "Write a self-contained report with plots");
    add_yaml_options(command, texts->yaml);
}

}  // namespace packkit::plan
