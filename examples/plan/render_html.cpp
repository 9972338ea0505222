// SPDX-License-Identifier: Apache-2.0
#include "blocks.hpp"
#include "html_page.hpp"
#include "render.hpp"
#include "svg.hpp"

#include "common/numbers.hpp"
#include "common/table.hpp"

#include <packkit/version.hpp>

#include <algorithm>
#include <cmath>

namespace packkit::plan {
namespace {

using app::bar_chart;
using app::chart_mark;
using app::grouped;
using app::html_escaped;
using app::html_figure;
using app::html_figures;
using app::html_section;
using app::html_table;
using app::percent;

std::string bytes(std::int64_t value) {
    return value == 0 ? "0" : app::bytes_text(static_cast<std::uint64_t>(value));
}

struct stacked_bar {
    std::string label;
    const plan_figures* plan = nullptr;
};

std::string attribute(const char* name, double value) {
    return std::string(" ") + name + "=\"" + app::fixed(value, 1) + "\"";
}

std::string text_at(double x, double y, const std::string& text, const char* anchor,
                    const char* style) {
    return "<text" + attribute("x", x) + attribute("y", y) + " text-anchor=\"" + anchor +
           "\" class=\"" + style + "\">" + html_escaped(text) + "</text>\n";
}

/// Memory of several plans as stacked bars with the capacity as a line, and a legend.
std::string memory_chart(const std::vector<stacked_bar>& bars) {
    constexpr double row = 34, bar = 20, width = 720, legend = 46, right = 92;
    std::size_t longest = 0;
    std::int64_t largest = 0;
    for (const stacked_bar& one : bars) {
        longest = std::max(longest, app::display_width(one.label));
        largest =
            std::max({largest, one.plan->memory.bytes.total(), one.plan->capacity_bytes});
    }
    const double left = longest == 0 ? 4 : static_cast<double>(longest) * 7.2 + 14;
    const double scale = (width - left - right) / static_cast<double>(largest);
    const double height = legend + row * static_cast<double>(bars.size()) + 24;
    std::string svg = "<svg viewBox=\"0 0 720 " + app::fixed(height, 0) +
                      "\" role=\"img\" aria-label=\"Memory by component\"><title>Memory "
                      "by component</title>\n";
    double x = 4;
    std::size_t part_number = 0;
    for (const memory_part& part : memory_parts(bars.front().plan->memory.bytes)) {
        const double wide = static_cast<double>(part.name.size()) * 6.6 + 30;
        const bool second = part_number >= 4;
        if (part_number == 4) x = 4;
        const double y = second ? 24 : 4;
        svg += "<rect" + attribute("x", x) + attribute("y", y) +
               " width=\"12\" height=\"12\" rx=\"2\" class=\"segment" +
               std::to_string(part_number) + "\"/>\n" +
               text_at(x + 17, y + 10.5, part.name, "start", "label");
        x += wide + 6;
        ++part_number;
    }
    for (std::size_t i = 0; i < bars.size(); ++i) {
        const plan_figures& plan = *bars[i].plan;
        const double top = legend + row * static_cast<double>(i) + (row - bar) / 2;
        if (!bars[i].label.empty())
            svg += text_at(left - 10, top + bar - 5, bars[i].label, "end", "label");
        svg += "<rect" + attribute("x", left) + attribute("y", top) +
               attribute("width", static_cast<double>(plan.capacity_bytes) * scale) +
               attribute("height", bar) + " class=\"padding\"><title>capacity " +
               html_escaped(bytes(plan.capacity_bytes)) + "</title></rect>\n";
        double at = left;
        std::size_t number = 0;
        for (const memory_part& part : memory_parts(plan.memory.bytes)) {
            const double wide = static_cast<double>(part.bytes) * scale;
            if (part.bytes > 0) {
                svg += "<rect" + attribute("x", at) + attribute("y", top) +
                       attribute("width", std::max(wide, 0.4)) +
                       attribute("height", bar) + " class=\"segment" +
                       std::to_string(number) + "\"><title>" +
                       html_escaped(part.name + ": " + bytes(part.bytes)) +
                       "</title></rect>\n";
            }
            at += wide;
            ++number;
        }
        svg += text_at(
            std::max(at, left + static_cast<double>(plan.capacity_bytes) * scale) + 8,
            top + bar - 5, bytes(plan.memory.bytes.total()), "start", "value");
    }
    const double line =
        left + static_cast<double>(bars.front().plan->capacity_bytes) * scale;
    const double bottom = legend + row * static_cast<double>(bars.size());
    svg +=
        "<line" + attribute("x1", line) + attribute("y1", legend - 2) +
        attribute("x2", line) + attribute("y2", bottom + 4) + " class=\"mark\"/>\n" +
        text_at(line, bottom + 18, "capacity " + bytes(bars.front().plan->capacity_bytes),
                "end", "label");
    return svg + "</svg>\n";
}

std::string list_of(const std::vector<std::string>& items) {
    std::string html = "<ul>\n";
    for (const std::string& item : items)
        html += "<li>" + html_escaped(item) + "</li>\n";
    return html + "</ul>\n";
}

std::string list_section(const char* title, const char* text,
                         const std::vector<std::string>& items) {
    return items.empty() ? std::string() : html_section(title, text, list_of(items));
}

std::string plan_line(const plan_estimate& plan) {
    const training_setup& setup = plan.setup;
    return mesh_text(setup.mesh) + "; " + variant_text(setup) + "; " +
           std::string(to_string(setup.precision)) + ", " +
           std::string(to_string(setup.optimizer)) + "; micro-batch " +
           grouped(setup.micro_batch_size) + " x accumulation " +
           grouped(setup.gradient_accumulation_steps) + " = " +
           grouped(setup.global_rows()) + " rows of " + grouped(setup.sequence_len) +
           " tokens a step";
}

std::string figures_of(const plan_subject& subject, const plan_estimate& plan,
                       const std::optional<schedule>& time) {
    const std::int64_t total = plan.memory.bytes.total();
    std::string html = html_figure(
        percent(static_cast<double>(total) / static_cast<double>(plan.capacity_bytes), 0),
        "of a GPU's " + bytes(plan.capacity_bytes) +
            (plan.fits ? ": it fits" : ": it does not fit"));
    html += html_figure(rate_text(plan.tokens_per_second_per_gpu), "tokens/s a GPU");
    html += html_figure(percent(plan.mfu, 1),
                        "MFU, convention " + std::string(to_string(subject.convention)));
    html += html_figure(seconds_text(plan.seconds.step), "a step");
    if (time) {
        html += html_figure(
            hours_text(time->hours),
            grouped(time->steps) + " steps" +
                (time->cost ? ", cost " + rate_text(*time->cost) : std::string()));
    }
    return html_figures(html);
}

std::string memory_section(const plan_estimate& plan) {
    std::vector<chart_mark> marks;
    for (const memory_part& part : memory_parts(plan.memory.bytes)) {
        const double share =
            static_cast<double>(part.bytes) / static_cast<double>(plan.capacity_bytes);
        marks.push_back(
            {part.name, share, bytes(part.bytes), share > 1 ? "above" : "packed"});
    }
    return html_section(
        "Memory of a GPU",
        "What is held at the moment of the peak, in " +
            std::string(to_string(plan.memory.at)) + ": " +
            bytes(plan.memory.bytes.total()) + " of " + bytes(plan.capacity_bytes) +
            (plan.memory.host_bytes > 0
                 ? "; in host memory " + bytes(plan.memory.host_bytes)
                 : std::string()) +
            ". The second chart shows each component against the capacity.",
        memory_chart({{"", &plan}}) +
            bar_chart("Components of memory against the capacity", marks, 1.0));
}

std::string time_section(const plan_estimate& plan) {
    const step_seconds& seconds = plan.seconds;
    std::vector<chart_mark> marks;
    const auto add = [&](const char* name, double time, const char* style) {
        marks.push_back({name, time,
                         seconds_text(time) + ", " + percent(time / seconds.step, 1),
                         style});
    };
    add("forward", seconds.forward, "packed");
    add("backward", seconds.backward, "packed");
    add("optimizer", seconds.optimizer, "packed");
    add("exposed communication", seconds.exposed_communication, "above");
    return html_section("Time of a step",
                        seconds_text(seconds.step) + " in all. Communication takes " +
                            seconds_text(seconds.communication) + ", of which " +
                            seconds_text(seconds.exposed_communication) +
                            " are not hidden behind computation.",
                        bar_chart("Time of a step by phase", marks, seconds.step));
}

std::string communication_section(const plan_estimate& plan) {
    std::vector<chart_mark> marks;
    for (const communication_part& part : communication_parts(plan)) {
        marks.push_back({part.name + " (" + std::to_string(part.ranks) + ")",
                         static_cast<double>(part.bytes.total()),
                         bytes(part.bytes.total()), "packed"});
    }
    if (marks.empty()) return {};
    return html_section("Communication",
                        "Bytes that a GPU sends a step, by dimension of the mesh and its "
                        "ranks.",
                        bar_chart("Bytes sent by dimension", marks));
}

std::string arrangements_section(const estimate_report& report) {
    if (report.arrangements.empty()) return {};
    std::vector<chart_mark> marks;
    std::vector<std::vector<std::string>> rows;
    for (const arrangement& one : report.arrangements) {
        const bool packed = one.key == "packed";
        marks.push_back({one.name, one.time.hours, hours_text(one.time.hours),
                         packed ? "best" : "unpacked"});
        rows.push_back(
            {one.name, grouped(one.time.rows_per_epoch), percent(one.work.efficiency),
             rate_text(one.figures.tokens_per_second_per_gpu), grouped(one.time.steps),
             hours_text(one.time.hours), rate_text(one.time.gpu_hours),
             one.time.cost ? rate_text(*one.time.cost) : "–"});
    }
    return html_section(
        "Packed and padded", "The same samples with the same setup: time of all epochs.",
        bar_chart("Time packed and padded", marks) +
            html_table({"rows", "rows an epoch", "efficiency", "tokens/s a GPU", "steps",
                        "time", "GPU hours", "cost"},
                       rows, 0));
}

std::string footer_of(const plan_subject& subject) {
    const device& gpu = subject.gpus.gpu;
    return "Estimates. " + std::string(gpu.name) + ": efficiency " +
           percent(gpu.efficiency, 0) +
           (subject.gpus.calibration.empty()
                ? std::string()
                : " from " + app::escaped(subject.gpus.calibration)) +
           ", link " + app::fixed(gpu.link_bytes_per_second / 1e9, 1) +
           " GB/s, network " + app::fixed(gpu.network_bytes_per_second / 1e9, 1) +
           " GB/s. packkit-plan " + PACKKIT_VERSION + ".";
}

std::string heading(const std::string& title, const plan_subject& subject) {
    return "<h1>" + html_escaped(title) + "</h1>\n<p class=\"soft\">" +
           html_escaped(headline_of(subject)) + ".</p>\n";
}

std::string ranking_section(const search_report& report, std::size_t count) {
    std::vector<chart_mark> marks;
    std::vector<stacked_bar> bars;
    std::vector<std::vector<std::string>> rows;
    for (std::size_t i = 0; i < count; ++i) {
        const plan_estimate& plan = report.found.plans[i];
        const std::string number = std::to_string(i + 1);
        const std::string name = number + "  " + mesh_text(plan.setup.mesh);
        marks.push_back({name, plan.tokens_per_second_per_gpu,
                         rate_text(plan.tokens_per_second_per_gpu),
                         i == 0 ? "best" : "packed"});
        bars.push_back({name, &plan});
        rows.push_back({number + "  " + mesh_text(plan.setup.mesh),
                        short_variant_text(plan.setup),
                        grouped(plan.setup.micro_batch_size) + " x " +
                            grouped(plan.setup.gradient_accumulation_steps),
                        bytes(plan.memory.bytes.total()), seconds_text(plan.seconds.step),
                        seconds_text(plan.seconds.exposed_communication),
                        rate_text(plan.tokens_per_second_per_gpu), percent(plan.mfu, 1)});
    }
    return html_section(
               "Ranking",
               "Tokens a second and GPU of the best way to train on each mesh: " +
                   std::to_string(count) + " of " +
                   grouped(static_cast<std::int64_t>(report.found.plans.size())) +
                   " that fit.",
               bar_chart("Tokens a second and GPU by mesh", marks) +
                   html_table({"mesh", "how", "micro x acc.", "memory", "step", "exposed",
                               "tokens/s a GPU", "MFU"},
                              rows, 0)) +
           html_section("Memory of each",
                        "What a GPU holds at the peak against its capacity.",
                        memory_chart(bars));
}

std::string rejected_section(const search_report& report) {
    if (report.found.rejected.empty()) return {};
    constexpr std::size_t most = 60;
    std::vector<std::string> items;
    for (const rejected_plan& plan : report.found.rejected) {
        if (items.size() == most) break;
        items.push_back(mesh_text(plan.setup.mesh) + ": " + plan.reason);
    }
    std::string text = grouped(static_cast<std::int64_t>(report.found.rejected.size())) +
                       " meshes, each with its reason";
    if (items.size() < report.found.rejected.size())
        text += "; the first " + std::to_string(most) + " of them";
    return html_section("Refused", text + ".", list_of(items));
}

}  // namespace

std::string estimate_html(const estimate_report& report) {
    const plan_subject& subject = report.subject;
    const std::string body = heading("Training plan", subject) +
                             figures_of(subject, report.plan, report.time) +
                             html_section("Plan", plan_line(report.plan) + ".", "") +
                             memory_section(report.plan) + time_section(report.plan) +
                             communication_section(report.plan) +
                             arrangements_section(report) +
                             list_section("Warnings", "", report.warnings) +
                             list_section("Advice", "", report.advice) +
                             list_section("Notes", "", report.notes);
    return app::html_page("Training plan: " + subject.model.name, body,
                          footer_of(subject));
}

std::string search_html(const search_report& report) {
    const plan_subject& subject = report.subject;
    constexpr std::size_t most = 20;
    const std::size_t count = std::min({most, report.shown, report.found.plans.size()});
    std::string body = heading("Search of training plans", subject);
    if (report.best) {
        const estimate_report& best = *report.best;
        body += figures_of(subject, best.plan, best.time) +
                html_section("The fastest", plan_line(best.plan) + ".", "") +
                ranking_section(report, count) + time_section(best.plan) +
                communication_section(best.plan) + arrangements_section(best);
    }
    body += list_section("Nothing fits",
                         "What would, the mildest change first:", report.suggestions) +
            list_section("Warnings", "Of the fastest plan.", report.warnings) +
            list_section("Advice", "", report.advice) + rejected_section(report) +
            list_section("Notes", "", report.notes);
    return app::html_page("Search of training plans: " + subject.model.name, body,
                          footer_of(subject));
}

}  // namespace packkit::plan
