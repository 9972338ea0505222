// SPDX-License-Identifier: Apache-2.0
#include "record/report.hpp"

#include "common/table.hpp"

#include "common/json.hpp"
#include "common/numbers.hpp"
#include "plan/run_plan.hpp"
#include "record/run_log.hpp"

#include <packkit/packing/efficiency.hpp>

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace packkit::train {
namespace {

/// "+1.25 %", "equal", or "-" where nothing was predicted.
std::string deviation(std::int64_t predicted, std::int64_t measured) {
    if (predicted == measured) return "equal";
    if (predicted == 0) return "-";
    const double share =
        static_cast<double>(measured - predicted) / static_cast<double>(predicted);
    return (share > 0 ? "+" : "") + app::percent(share);
}

}  // namespace

std::string to_log_line(const prediction& predicted) {
    const auto sent = predicted.communication.total();
    std::string text = fmt::format(
        "predicted: {} bytes of tensors at the peak ({}), {} bytes sent a step in {} "
        "collectives (",
        app::grouped(predicted.memory.bytes.total()), to_string(predicted.memory.at),
        app::grouped(sent.total()), app::grouped(sent.collectives));
    for (const auto& [name, bytes] : collectives_of(sent)) {
        if (bytes != 0) text += fmt::format("{} {}, ", name, app::grouped(bytes));
    }
    text.resize(text.size() - 2);
    return text + (sent.total() > 0 ? ")" : "");
}

std::string comparison_text(const prediction& predicted, const step_metrics& step,
                            const step_metrics& largest) {
    app::table table({{"bytes of rank 0", app::alignment::left},
                      {"predicted"},
                      {"measured"},
                      {"deviation"}});
    const auto row = [&](const std::string& name, std::int64_t expected,
                         std::int64_t found) {
        if (expected == 0 && found == 0) return;
        table.add_row({name, app::grouped(expected), app::grouped(found),
                       deviation(expected, found)});
    };
    const auto sent = collectives_of(predicted.communication.total());
    const auto counted = collectives_of(step.sent);
    for (std::size_t i = 0; i < sent.size(); ++i)
        row(std::string("sent a step: ") + sent[i].first, sent[i].second,
            counted[i].second);
    const auto& held = largest.allocated_bytes;
    const auto& expected = predicted.memory.bytes;
    row("peak memory", expected.total(), held.total);
    if (held.parts.total() > 0) {
        const auto parts = components_of(expected);
        const auto found = components_of(held.parts);
        for (std::size_t i = 0; i < parts.size(); ++i)
            row(std::string("  ") + parts[i].first, parts[i].second, found[i].second);
        row("  other", 0, held.other);
    }
    if (predicted.library_workspace == 0 && largest.library_workspace_bytes == 0)
        return table.to_text();
    return table.to_text() +
           fmt::format(
               "workspace of library kernels, beside the peak: {} of at most {}\n",
               app::bytes_text(largest.library_workspace_bytes),
               app::bytes_text(predicted.library_workspace));
}

namespace {

template <class... Values>
std::string line(std::string_view name, fmt::format_string<Values...> value,
                 Values&&... values) {
    return fmt::format("{:<12}{}\n", name,
                       fmt::format(value, std::forward<Values>(values)...));
}

/// What activation checkpointing does in packkit-train.
std::string recomputed_by(checkpointing_kind kind) {
    switch (kind) {
        case checkpointing_kind::none:
            return "nothing";
        case checkpointing_kind::selective:
            return "norms and activations (selective checkpointing)";
        case checkpointing_kind::full:
            return "blocks (full checkpointing)";
    }
    throw invalid_argument("checkpointing_kind has no such value");
}

std::string memory_table(const memory_bytes& held) {
    app::table table({{"memory of a rank", app::alignment::left},
                      {"bytes"},
                      {"share", app::alignment::left}});
    const auto row = [&](const std::string& name, std::int64_t bytes) {
        const double share =
            static_cast<double>(bytes) / static_cast<double>(held.total());
        table.add_row({name, app::grouped(bytes),
                       app::padded(app::percent(share, 1), 8, app::alignment::right) +
                           " " + app::text_bar(share, 40)});
    };
    for (const auto& [name, bytes] : components_of(held))
        row(name, bytes);
    row("total", held.total());
    return table.to_text();
}

std::string traffic_table(const communication_estimate& sent) {
    std::vector<app::table::column> columns = {
        {"bytes sent a step over", app::alignment::left}};
    for (const auto& [name, bytes] : collectives_of({}))
        columns.push_back({name});
    columns.push_back({"collectives"});
    app::table table(std::move(columns));
    const std::array<std::pair<const char*, collective_bytes>, 6> rows = {
        {{"dp_replicate", sent.dp_replicate},
         {"dp_shard x cp", sent.dp_shard},
         {"cp", sent.cp},
         {"tp", sent.tp},
         {"all ranks", sent.world},
         {"total", sent.total()}}};
    for (const auto& [name, of_group] : rows) {
        if (of_group.collectives == 0) continue;
        std::vector<std::string> cells = {name};
        for (const auto& [collective, bytes] : collectives_of(of_group))
            cells.push_back(app::grouped(bytes));
        cells.push_back(app::grouped(of_group.collectives));
        table.add_row(std::move(cells));
    }
    return table.rows() == 0 ? "nothing is sent: there is one rank\n" : table.to_text();
}

/// Efficiency if every sample had a row of sequence_len.
double padded_efficiency(const run_plan& plan) {
    return padded_to_capacity_efficiency(plan.data->samples().lengths(),
                                         plan.config.sequence_len);
}

std::vector<std::string> warnings_of(const run_plan& plan, const plan_estimate& figures) {
    auto warnings = plan.config.warnings;
    warnings.insert(warnings.end(), figures.warnings.begin(), figures.warnings.end());
    return warnings;
}

std::string text_of(const run_plan& plan, const plan_estimate& figures) {
    const training_setup& setup = plan.setup;
    const data_plan& data = *plan.data;
    std::string text =
        line("model", "{} parameters, {}", app::grouped(plan.layout.parameters()),
             to_string(setup.precision)) +
        line("mesh", "{}, {} ranks, {}", to_string(setup.mesh),
             app::grouped(setup.mesh.world_size()),
             setup.sharding == sharding_kind::fsdp ? "FSDP" : "DDP") +
        line("recomputes", "{}", recomputed_by(setup.checkpointing)) +
        line("batch",
             "micro_batch_size {} x gradient_accumulation_steps {} x {} data-parallel "
             "ranks = {} rows of {} tokens",
             app::grouped(setup.micro_batch_size),
             app::grouped(setup.gradient_accumulation_steps),
             app::grouped(setup.mesh.data_parallel_size()),
             app::grouped(setup.global_rows()), app::grouped(setup.sequence_len)) +
        line("packing",
             "{} samples, {} tokens in {} bins of {}: efficiency {} (one sample a row: "
             "{})",
             app::grouped(plan.predicted.rows.samples),
             app::grouped(plan.predicted.rows.tokens),
             app::grouped(static_cast<std::int64_t>(data.plan().bins())),
             app::grouped(data.row_capacity()), app::fixed(data.efficiency(), 4),
             app::fixed(padded_efficiency(plan), 4)) +
        line("steps", "{}, of {} an epoch", app::grouped(data.total_steps()),
             app::grouped(data.steps_per_epoch())) +
        line("balance", "{}", idle_text(data.idle())) +
        line("speed", "about {} a step, {} tokens a second and rank on this machine",
             app::duration_text(figures.seconds.step),
             app::fixed(figures.tokens_per_second_per_gpu, 0)) +
        line("memory", "{} of tensors a rank at the peak ({}): {} in {}",
             app::bytes_text(figures.memory.bytes.total()), to_string(figures.memory.at),
             figures.fits ? "fits" : "does not fit",
             app::bytes_text(figures.capacity_bytes));
    if (plan.predicted.library_workspace > 0) {
        text += line("workspace",
                     "up to {} more for library kernels (oneDNN's copies and "
                     "accumulators)",
                     app::bytes_text(plan.predicted.library_workspace));
    }
    text += "\n" + memory_table(figures.memory.bytes) + "\n" +
            traffic_table(plan.predicted.communication);
    for (const auto& warning : warnings_of(plan, figures))
        text += "\nwarning: " + warning;
    return text.back() == '\n' ? text : text + "\n";
}

std::string json_of(const run_plan& plan, const plan_estimate& figures) {
    const training_setup& setup = plan.setup;
    const data_plan& data = *plan.data;
    const auto idle = data.idle();
    auto memory = to_object(components_of(figures.memory.bytes));
    memory["total"] = figures.memory.bytes.total();
    memory["capacity"] = figures.capacity_bytes;
    const auto sent = plan.predicted.communication.total();
    const app::ordered_json object = {
        {"model",
         {{"name", plan.config.base_model},
          {"parameters", plan.layout.parameters()},
          {"embedding_parameters", plan.layout.embedding_parameters()}}},
        {"mesh",
         {{"dp_replicate", setup.mesh.dp_replicate},
          {"dp_shard", setup.mesh.dp_shard},
          {"cp", setup.mesh.cp},
          {"tp", setup.mesh.tp},
          {"world", setup.mesh.world_size()}}},
        {"sharding", to_string(setup.sharding)},
        {"precision", to_string(setup.precision)},
        {"activation_checkpointing", to_string(setup.checkpointing)},
        {"batch",
         {{"global_samples", setup.global_rows()},
          {"global_tokens", setup.global_rows() * setup.sequence_len},
          {"micro_batch_size", setup.micro_batch_size},
          {"gradient_accumulation_steps", setup.gradient_accumulation_steps}}},
        {"packing",
         {{"samples", plan.predicted.rows.samples},
          {"tokens", plan.predicted.rows.tokens},
          {"bins", data.plan().bins()},
          {"left_out_bins", data.plan().left_out()},
          {"capacity", data.row_capacity()},
          {"efficiency", data.efficiency()},
          {"padded_efficiency", padded_efficiency(plan)},
          {"longest_micro_batch", plan.predicted.longest_micro_batch},
          {"steps_per_epoch", data.steps_per_epoch()},
          {"steps", data.total_steps()}}},
        {"idle_ranks", {{"planned", idle.planned}, {"unbalanced", idle.unbalanced}}},
        {"memory_bytes", memory},
        {"memory_peak", to_string(figures.memory.at)},
        {"library_workspace_bytes", plan.predicted.library_workspace},
        {"fits", figures.fits},
        {"flops_per_token", figures.flops_per_token},
        {"communication_bytes", to_object(collectives_of(sent))},
        {"collectives", sent.collectives},
        {"seconds",
         {{"compute", figures.seconds.compute},
          {"exposed_communication", figures.seconds.exposed_communication},
          {"step", figures.seconds.step}}},
        {"tokens_per_second_per_gpu", figures.tokens_per_second_per_gpu},
        {"mfu", figures.mfu},
        {"warnings", warnings_of(plan, figures)}};
    return object.dump(2) + "\n";
}

}  // namespace

std::string plan_report(const run_plan& plan, const plan_estimate& figures,
                        app::output_format format) {
    return format == app::output_format::json ? json_of(plan, figures)
                                              : text_of(plan, figures);
}

}  // namespace packkit::train
