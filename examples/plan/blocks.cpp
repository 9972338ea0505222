// SPDX-License-Identifier: Apache-2.0
#include "blocks.hpp"

#include "common/numbers.hpp"
#include "common/report/svg.hpp"

#include <cmath>

namespace packkit::plan {
namespace {

using app::alignment;
using app::bytes_text;
using app::chart_mark;
using app::duration_text;
using app::grouped;
using app::percent;
using app::rate_text;
using app::report_section;
using app::table;

constexpr std::size_t bar_columns = 40;

std::string flops_text(double flops) {
    return flops >= 1e8 ? app::fixed(flops / 1e9, 1) + " GFLOP"
                        : app::fixed(flops / 1e6, 2) + " MFLOP";
}

/// The parts of a step by name; their sum is the step.
std::vector<std::pair<std::string, double>> phases(const step_seconds& seconds) {
    return {{"forward", seconds.forward},
            {"backward", seconds.backward},
            {"optimizer", seconds.optimizer},
            {"exposed communication", seconds.exposed_communication}};
}

std::string time_plot(const step_seconds& seconds) {
    std::vector<chart_mark> marks;
    for (const auto& [name, time] : phases(seconds)) {
        marks.push_back({name, time,
                         duration_text(time) + ", " + percent(time / seconds.step, 1),
                         name == phases(seconds).back().first ? "above" : "packed"});
    }
    return app::bar_chart("Time of a step by phase", marks, seconds.step);
}

std::string communication_plot(const std::vector<communication_part>& parts) {
    std::vector<chart_mark> marks;
    for (const communication_part& part : parts) {
        marks.push_back({part.name + " (" + std::to_string(part.ranks) + ")",
                         static_cast<double>(part.bytes.total()),
                         bytes_text(part.bytes.total()), "packed"});
    }
    return app::bar_chart("Bytes sent by dimension", marks);
}

std::string arrangements_plot(const std::vector<arrangement>& arrangements) {
    std::vector<chart_mark> marks;
    for (const arrangement& one : arrangements) {
        marks.push_back({one.name, one.time.hours, app::hours_text(one.time.hours),
                         one.key == "packed" ? "best" : "unpacked"});
    }
    return app::bar_chart("Time packed and padded", marks);
}

report_section memory_block(const plan_estimate& plan) {
    const auto capacity = static_cast<double>(plan.capacity_bytes);
    table shown({{"component", alignment::left},
                 {"bytes"},
                 {"share"},
                 {"of the capacity", alignment::left, true}});
    const auto add = [&](const std::string& name, std::int64_t bytes, const char* tail) {
        const double share = static_cast<double>(bytes) / capacity;
        shown.add_row({name, bytes_text(bytes), percent(share, 1),
                       app::text_bar(share, bar_columns) + tail});
    };
    for (const memory_part& part : memory_parts(plan.memory.bytes))
        add(part.name, part.bytes, "");
    const std::int64_t total = plan.memory.bytes.total();
    add("total", total, total > plan.capacity_bytes ? "▶" : "");
    std::vector<std::string> lines = {
        bytes_text(total) + " of " + bytes_text(plan.capacity_bytes) + ": " +
        (plan.fits ? "fits" : "does not fit") + ". The peak is in " +
        std::string(to_string(plan.memory.at)) + "."};
    if (plan.memory.host_bytes > 0)
        lines.push_back("In host memory: " + bytes_text(plan.memory.host_bytes) +
                        " a GPU.");
    return {.title = "Memory of a GPU",
            .lines = std::move(lines),
            .plots = memory_plot({{"", &plan}}),
            .tables = {std::move(shown)}};
}

report_section batch_block(const plan_subject& subject, const plan_estimate& plan) {
    const training_setup& setup = plan.setup;
    std::vector<std::string> lines = {
        "micro_batch_size " + grouped(setup.micro_batch_size) +
        " x gradient_accumulation_steps " + grouped(setup.gradient_accumulation_steps) +
        " x " + grouped(setup.mesh.data_parallel_size()) + " data-parallel ranks = " +
        grouped(setup.global_rows()) + " rows of " + grouped(setup.sequence_len) +
        " tokens = " + grouped(setup.global_rows() * setup.sequence_len) +
        " tokens a step"};
    if (subject.from_lengths) {
        const double real =
            static_cast<double>(setup.global_rows()) * subject.work.tokens_per_row;
        lines.push_back("Of these " + grouped(std::int64_t{std::llround(real)}) +
                        " are tokens of samples, the rest is padding.");
    }
    return {.title = "Batch", .lines = std::move(lines)};
}

report_section communication_block(const plan_estimate& plan) {
    const auto parts = communication_parts(plan);
    if (parts.empty()) return {};
    table shown({{"over", alignment::left},
                 {"ranks"},
                 {"all-reduce"},
                 {"all-gather"},
                 {"reduce-scatter"},
                 {"all-to-all"},
                 {"send/recv"},
                 {"total"}});
    const auto add = [&](const std::string& name, const std::string& ranks,
                         const collective_bytes& sent) {
        shown.add_row({name, ranks, bytes_text(sent.all_reduce),
                       bytes_text(sent.all_gather), bytes_text(sent.reduce_scatter),
                       bytes_text(sent.all_to_all), bytes_text(sent.send_recv),
                       bytes_text(sent.total())});
    };
    for (const communication_part& part : parts)
        add(part.name, std::to_string(part.ranks), part.bytes);
    add("all", "", plan.communication.total());
    return {.title = "Communication: bytes that a GPU sends a step",
            .plots = communication_plot(parts),
            .tables = {std::move(shown)}};
}

report_section time_block(const plan_subject& subject, const plan_estimate& plan) {
    const step_seconds& seconds = plan.seconds;
    table shown({{"phase", alignment::left},
                 {"time"},
                 {"share"},
                 {"of the step", alignment::left, true}});
    for (const auto& [name, time] : phases(seconds)) {
        const double share = seconds.step > 0 ? time / seconds.step : 0.0;
        shown.add_row({name, duration_text(time), percent(share, 1),
                       app::text_bar(share, bar_columns)});
    }
    const std::string convention(to_string(subject.convention));
    std::vector<std::string> lines = {
        duration_text(seconds.step) + " a step; " +
            rate_text(plan.tokens_per_second_per_gpu) + " tokens/s a GPU, " +
            rate_text(plan.tokens_per_second_per_gpu *
                      static_cast<double>(plan.setup.mesh.world_size())) +
            " in all",
        "MFU " + percent(plan.mfu, 1) + ", HFU " + percent(plan.hfu, 1) +
            " (convention " + convention + ", " + flops_text(plan.flops_per_token) +
            " a token, attention length " +
            app::fixed(subject.work.attention_length(), 0) + ", peak " +
            app::fixed(subject.gpus.gpu.peak_flops(plan.setup.precision) / 1e12, 1) +
            " TFLOP/s, efficiency " + percent(subject.gpus.gpu.efficiency, 0) +
            (subject.gpus.calibration.empty() ? ")"
                                              : " of " + subject.gpus.calibration + ")")};
    return {.title = "Time of a step",
            .caption = "Communication takes " + duration_text(seconds.communication) +
                       ", of which " + duration_text(seconds.exposed_communication) +
                       " are not hidden behind computation.",
            .lines = std::move(lines),
            .plots = time_plot(seconds),
            .tables = {std::move(shown)}};
}

}  // namespace

std::string epochs_text(double epochs) {
    std::string text = app::shortest(epochs);
    if (text.ends_with(".0")) text.resize(text.size() - 2);
    return text + (epochs == 1 ? " epoch" : " epochs");
}

std::string headline_of(const plan_subject& subject) {
    std::string text =
        subject.model.name + ", " + grouped(subject.parameters) + " parameters";
    if (subject.active_parameters != subject.parameters)
        text += " (" + grouped(subject.active_parameters) + " active)";
    return text + ", on " + grouped(subject.gpus.gpus) + " x " +
           std::string(subject.gpus.gpu.name);
}

std::vector<report_section> plan_blocks(const plan_subject& subject,
                                        const plan_estimate& plan) {
    const training_setup& setup = plan.setup;
    return {{.title = "Plan",
             .lines = {mesh_text(setup.mesh) + ": " + variant_text(setup) + "; " +
                       std::string(to_string(setup.precision)) + ", " +
                       std::string(to_string(setup.optimizer)) + "; nodes of " +
                       grouped(setup.gpus_per_node)}},
            memory_block(plan),
            batch_block(subject, plan),
            communication_block(plan),
            time_block(subject, plan)};
}

report_section arrangements_block(const estimate_report& report) {
    if (report.arrangements.empty()) return {};
    const bool priced = report.subject.gpus.price_per_gpu_hour.has_value();
    std::vector<table::column> columns = {{"rows", alignment::left},
                                          {"rows an epoch"},
                                          {"efficiency"},
                                          {"tokens/s a GPU"},
                                          {"steps"},
                                          {"time"},
                                          {"GPU hours"}};
    if (priced) columns.push_back({"cost"});
    table shown(columns);
    for (const arrangement& one : report.arrangements) {
        std::vector<std::string> cells = {
            one.name,
            grouped(one.time.rows_per_epoch),
            percent(one.work.efficiency),
            rate_text(one.figures.tokens_per_second_per_gpu),
            grouped(one.time.steps),
            app::hours_text(one.time.hours),
            rate_text(one.time.gpu_hours)};
        if (priced) cells.push_back(rate_text(one.time.cost.value_or(0)));
        shown.add_row(std::move(cells));
    }
    shown.mark_row(0);
    return {.title = "Packed and padded: the same samples, the same setup, " +
                     epochs_text(report.subject.epochs),
            .plots = arrangements_plot(report.arrangements),
            .tables = {std::move(shown)}};
}

std::string memory_plot(const std::vector<plotted_plan>& plans) {
    std::vector<app::stacked_bar> bars;
    for (const plotted_plan& one : plans) {
        app::stacked_bar& bar = bars.emplace_back();
        bar.label = one.label;
        for (const memory_part& part : memory_parts(one.plan->memory.bytes)) {
            bar.parts.push_back({part.name, static_cast<double>(part.bytes),
                                 bytes_text(part.bytes),
                                 "segment" + std::to_string(bar.parts.size())});
        }
        bar.text = bytes_text(one.plan->memory.bytes.total());
        bar.limit = static_cast<double>(one.plan->capacity_bytes);
        bar.limit_text = "capacity " + bytes_text(one.plan->capacity_bytes);
    }
    return stacked_chart("Memory by component", bars);
}

std::string speed_plot(const std::vector<plotted_plan>& plans) {
    std::vector<chart_mark> marks;
    for (const plotted_plan& one : plans) {
        const double rate = one.plan->tokens_per_second_per_gpu;
        marks.push_back(
            {one.label, rate, rate_text(rate), marks.empty() ? "best" : "packed"});
    }
    return app::bar_chart("Tokens a second and GPU by mesh", marks);
}

}  // namespace packkit::plan
