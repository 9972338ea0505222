// SPDX-License-Identifier: Apache-2.0
#include "blocks.hpp"

#include "common/numbers.hpp"

#include <cmath>

namespace packkit::plan {
namespace {

/// A rate or a number of tokens to the nearest whole.
std::string grouped_whole(double value) {
    return app::grouped(static_cast<std::int64_t>(std::llround(value)));
}

using app::alignment;
using app::grouped;
using app::percent;
using app::table;

std::string bytes(std::int64_t value) {
    return value == 0 ? "0" : app::bytes_text(static_cast<std::uint64_t>(value));
}

std::string flops_text(double flops) {
    return flops >= 1e8 ? app::fixed(flops / 1e9, 1) + " GFLOP"
                        : app::fixed(flops / 1e6, 2) + " MFLOP";
}

block memory_block(const plan_estimate& plan) {
    constexpr std::size_t bar_columns = 40;
    const auto capacity = static_cast<double>(plan.capacity_bytes);
    table shown({{"component", alignment::left},
                 {"bytes"},
                 {"share"},
                 {"of the capacity", alignment::left}});
    for (const memory_part& part : memory_parts(plan.memory.bytes)) {
        const double share = static_cast<double>(part.bytes) / capacity;
        shown.add_row({part.name, bytes(part.bytes), percent(share, 1),
                       app::text_bar(share, bar_columns)});
    }
    const std::int64_t total = plan.memory.bytes.total();
    const double share = static_cast<double>(total) / capacity;
    shown.add_row({"total", bytes(total), percent(share, 1),
                   app::text_bar(share, bar_columns) + (share > 1 ? "▶" : "")});
    std::vector<std::string> lines = {bytes(total) + " of " + bytes(plan.capacity_bytes) +
                                      ": " + (plan.fits ? "fits" : "does not fit") +
                                      ". The peak is in " +
                                      std::string(to_string(plan.memory.at)) + "."};
    if (plan.memory.host_bytes > 0)
        lines.push_back("In host memory: " + bytes(plan.memory.host_bytes) + " a GPU.");
    return {"Memory of a GPU", lines, shown, {}};
}

block batch_block(const plan_subject& subject, const plan_estimate& plan) {
    const training_setup& setup = plan.setup;
    std::vector<std::string> lines = {
        "micro_batch_size " + grouped(setup.micro_batch_size) +
        " x gradient_accumulation_steps " + grouped(setup.gradient_accumulation_steps) +
        " x " + grouped(setup.mesh.data_parallel_size()) + " data-parallel ranks = " +
        grouped(setup.global_rows()) + " rows of " + grouped(setup.sequence_len) +
        " tokens = " + grouped(setup.global_rows() * setup.sequence_len) +
        " tokens a step"};
    if (subject.from_lengths) {
        lines.push_back("Of these " +
                        grouped_whole(static_cast<double>(setup.global_rows()) *
                                      subject.work.tokens_per_row) +
                        " are tokens of samples, the rest is padding.");
    }
    return {"Batch", lines, std::nullopt, {}};
}

block communication_block(const plan_estimate& plan) {
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
        shown.add_row({name, ranks, bytes(sent.all_reduce), bytes(sent.all_gather),
                       bytes(sent.reduce_scatter), bytes(sent.all_to_all),
                       bytes(sent.send_recv), bytes(sent.total())});
    };
    for (const communication_part& part : parts)
        add(part.name, std::to_string(part.ranks), part.bytes);
    add("all", "", plan.communication.total());
    return {"Communication: bytes that a GPU sends a step", {}, shown, {}};
}

block time_block(const plan_subject& subject, const plan_estimate& plan) {
    constexpr std::size_t bar_columns = 40;
    const step_seconds& seconds = plan.seconds;
    table shown({{"phase", alignment::left},
                 {"time"},
                 {"share"},
                 {"of the step", alignment::left}});
    const auto add = [&](const char* name, double time) {
        const double share = seconds.step > 0 ? time / seconds.step : 0.0;
        shown.add_row({name, seconds_text(time), percent(share, 1),
                       app::text_bar(share, bar_columns)});
    };
    add("forward", seconds.forward);
    add("backward", seconds.backward);
    add("optimizer", seconds.optimizer);
    add("exposed communication", seconds.exposed_communication);
    const std::string convention(to_string(subject.convention));
    std::vector<std::string> lines = {
        seconds_text(seconds.step) + " a step; " +
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
    return {"Time of a step", lines, shown, {}};
}

}  // namespace

std::string seconds_text(double seconds) {
    return seconds > 0 ? app::duration_text(seconds) : "0 s";
}

std::string rate_text(double value) {
    return value >= 99.95 ? grouped_whole(value)
                          : app::fixed(value, value >= 9.995 ? 1 : 2);
}

std::string hours_text(double hours) {
    if (hours < 1.0 / 60) return seconds_text(hours * 3600);
    if (hours < 1) return app::fixed(hours * 60, 1) + " min";
    if (hours < 96) return app::fixed(hours, hours < 10 ? 2 : 1) + " h";
    return app::fixed(hours / 24, 1) + " days";
}

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

block item_block(const std::string& title, const std::vector<std::string>& items) {
    return items.empty() ? block{} : block{title, {}, std::nullopt, items};
}

std::vector<block> plan_blocks(const plan_subject& subject, const plan_estimate& plan) {
    const training_setup& setup = plan.setup;
    return {{"Plan",
             {mesh_text(setup.mesh) + ": " + variant_text(setup) + "; " +
              std::string(to_string(setup.precision)) + ", " +
              std::string(to_string(setup.optimizer)) + "; nodes of " +
              grouped(setup.gpus_per_node)},
             std::nullopt,
             {}},
            memory_block(plan),
            batch_block(subject, plan),
            communication_block(plan),
            time_block(subject, plan)};
}

block arrangements_block(const estimate_report& report) {
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
            hours_text(one.time.hours),
            rate_text(one.time.gpu_hours)};
        if (priced) cells.push_back(rate_text(one.time.cost.value_or(0)));
        shown.add_row(std::move(cells));
    }
    return {"Packed and padded: the same samples, the same setup, " +
                epochs_text(report.subject.epochs),
            {},
            shown,
            {}};
}

std::string blocks_text(const std::string& headline, const std::vector<block>& blocks) {
    std::string text = headline + "\n";
    for (const block& one : blocks) {
        if (one.title.empty()) continue;
        text += "\n" + one.title + "\n";
        for (const std::string& line : one.lines)
            text += "  " + line + "\n";
        if (one.shown) text += one.shown->to_text();
        for (const std::string& item : one.items)
            text += "- " + item + "\n";
    }
    return text;
}

std::string blocks_markdown(const std::string& headline,
                            const std::vector<block>& blocks) {
    std::string text = "# " + headline + "\n";
    for (const block& one : blocks) {
        if (one.title.empty()) continue;
        text += "\n## " + one.title + "\n";
        for (const std::string& line : one.lines)
            text += "\n" + line + "\n";
        if (one.shown) text += "\n" + one.shown->to_markdown();
        if (!one.items.empty()) text += "\n";
        for (const std::string& item : one.items)
            text += "- " + item + "\n";
    }
    return text;
}

}  // namespace packkit::plan
