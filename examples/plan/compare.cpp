// SPDX-License-Identifier: Apache-2.0
#include "compare.hpp"

#include "blocks.hpp"
#include "command.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "common/numbers.hpp"

#include <packkit/estimate/flops.hpp>
#include <packkit/estimate/profile/systems.hpp>

#include <cmath>
#include <utility>
#include <vector>

namespace packkit::plan {
namespace {

using app::hours_text;
using app::rate_text;
using app::usage_error;

workload full_workload(const subject_texts& texts, const training_setup& setup) {
    workload work = full_rows(setup.sequence_len);
    if (!texts.samples.empty() && !texts.tokens.empty())
        throw usage_error("--samples and --tokens exclude each other");
    if (!texts.samples.empty()) {
        work.rows_per_epoch =
            static_cast<double>(app::parse_option_integer("--samples", texts.samples, 1));
    } else if (!texts.tokens.empty()) {
        const double tokens = app::parse_option_real("--tokens", texts.tokens);
        work.rows_per_epoch = std::ceil(tokens / static_cast<double>(setup.sequence_len));
        if (!(work.rows_per_epoch < 1e15))
            throw usage_error("--tokens", "more rows than can be counted");
    }
    return work;
}

}  // namespace

void add_subject_options(CLI::App& command, subject_texts& texts) {
    add_model_argument(command, texts.model);
    add_cluster_options(command, texts.gpus);
    const option_group data(command, "Data");
    data.text("--samples", texts.samples, "N",
              "Rows of an epoch, each full: steps and hours");
    data.text("--tokens", texts.tokens, "X", "The same by tokens, as in 1.5e9");
    data.text("--epochs,--num-epochs", texts.epochs, "X", "Epochs (default 1)");
    data.flag("--no-packing", texts.no_packing,
              "With --lengths: plan for one sample a row, padded");
    add_drop_last_switch(command, texts.drop_last);
    add_length_options(command, texts.lengths);
    option_group(command, "Hardware")
        .text("--memory-share", texts.memory_share, "X",
              "Of a GPU's memory that a plan may fill (default 0.95)");
    const option_group results(command, "Results");
    results.text("--convention", texts.convention, "NAME",
                 "FLOPs a token: A (default) 6N + 12Lhs, B 6(N - Vh) + 12Lhs, C 6(N - "
                 "Vh) + 6Lhs");
    const std::string systems =
        "Whose memory: " + app::name_list(names_of(named_profiles())) +
        " (default packkit-train)";
    results.text("--system", texts.system, "NAME", systems.c_str());
}

plan_subject parse_subject(const subject_texts& texts) {
    plan_subject subject;
    subject.model = choose_model(texts.model);
    subject.gpus = parse_cluster(texts.gpus);
    const model_layout layout(subject.model.shape);
    subject.parameters = layout.parameters();
    subject.active_parameters = active_parameter_count(subject.model.shape);
    subject.embedding_parameters = layout.embedding_parameters();
    app::set_given_real("--epochs", texts.epochs, subject.epochs);
    subject.drop_last = texts.drop_last;
    app::set_given_real("--memory-share", texts.memory_share, subject.memory_share);
    if (subject.memory_share > 1) {
        throw usage_error("--memory-share",
                          texts.memory_share + " is above 1: a share of the memory");
    }
    app::set_choice("--convention", "convention", texts.convention, flop_convention_names,
                    subject.convention);
    if (!texts.system.empty()) {
        subject.system = named_profiles()[app::parse_choice(
            "--system", "system", texts.system, names_of(named_profiles()))];
    }
    return subject;
}

void check_system_writes_yaml(const plan_subject& subject) {
    if (subject.system.name == packkit_train_activations.name) return;
    throw usage_error("--yaml", "writes a configuration of packkit-train; --system " +
                                    std::string(subject.system.name) +
                                    " plans for another system");
}

std::optional<length_data> set_workload(const subject_texts& texts,
                                        const training_setup& setup,
                                        plan_subject& subject,
                                        std::vector<std::string>& notes) {
    subject.packed = !texts.no_packing;
    if (!has_lengths(texts.lengths)) {
        check_no_length_options(texts.lengths);
        if (texts.no_packing)
            throw usage_error("--no-packing", "is for --lengths; none is given");
        subject.work = full_workload(texts, setup);
        return std::nullopt;
    }
    if (!texts.samples.empty() || !texts.tokens.empty()) {
        throw usage_error(texts.samples.empty() ? "--tokens" : "--samples",
                          "contradicts --lengths, which says what an epoch holds");
    }
    length_data lengths = read_lengths(texts.lengths, setup.sequence_len);
    const attention_cost cost = training_flops(subject.model.shape);
    subject.from_lengths = true;
    subject.work = texts.no_packing
                       ? padded_workload(lengths, setup.sequence_len, cost,
                                         row_padding::to_capacity, setup.micro_batch_size)
                       : packed_workload(lengths, setup.sequence_len, cost);
    note_lengths(subject.work, setup.sequence_len, notes);
    return lengths;
}

std::vector<arrangement> arrangements_of(const plan_subject& subject,
                                         const model_layout& layout,
                                         const length_data& lengths,
                                         const training_setup& setup) {
    const attention_cost cost = training_flops(subject.model.shape);
    const std::int64_t capacity = setup.sequence_len;
    std::vector<arrangement> all;
    const auto add = [&](const char* key, std::string name, workload work) {
        plan_figures figures =
            estimate(layout, setup, subject.gpus.gpu, work, options_of(subject));
        const schedule time = *schedule_of(subject, work, figures);
        all.push_back({key, std::move(name), std::move(work), std::move(figures), time});
    };
    add("packed", "packed", packed_workload(lengths, capacity, cost));
    add("padded_to_sequence_len", "padded to " + app::grouped(capacity),
        padded_workload(lengths, capacity, cost, row_padding::to_capacity,
                        setup.micro_batch_size));
    add("padded_to_longest",
        "padded to the longest of " + app::grouped(setup.micro_batch_size),
        padded_workload(lengths, capacity, cost, row_padding::to_longest,
                        setup.micro_batch_size));
    return all;
}

std::string packing_sentence(const std::vector<arrangement>& arrangements) {
    if (arrangements.size() < 2) return {};
    const arrangement& packed = arrangements[0];
    const arrangement& padded = arrangements[1];
    if (padded.time.hours <= packed.time.hours) return {};
    const double ratio = padded.time.hours / packed.time.hours;
    std::string text = "Packed, the run takes " + hours_text(packed.time.hours) +
                       "; padded to the row " + hours_text(padded.time.hours) + ", " +
                       app::fixed(ratio, 2) + " times that: packing saves " +
                       rate_text(padded.time.gpu_hours - packed.time.gpu_hours) +
                       " GPU hours";
    if (packed.time.cost)
        text += ", " + rate_text(*padded.time.cost - *packed.time.cost) + " in money";
    return text + ". Rows are " + app::percent(packed.work.efficiency) +
           " full, padded " + app::percent(padded.work.efficiency) + ".";
}

}  // namespace packkit::plan
