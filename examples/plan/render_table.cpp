// SPDX-License-Identifier: Apache-2.0
#include "blocks.hpp"
#include "render.hpp"

#include "common/errors.hpp"
#include "common/numbers.hpp"

#include <packkit/version.hpp>

#include <algorithm>
#include <map>

namespace packkit::plan {
namespace {

using app::alignment;
using app::bytes_text;
using app::duration_text;
using app::grouped;
using app::hours_text;
using app::percent;
using app::printed_report;
using app::rate_text;
using app::report_section;
using app::table;

report_section schedule_block(const estimate_report& report) {
    if (!report.time || !report.arrangements.empty()) return {};
    const schedule& time = *report.time;
    std::string line = grouped(time.rows_per_epoch) + " rows, " +
                       epochs_text(report.subject.epochs) + ": " + grouped(time.steps) +
                       " steps, " + hours_text(time.hours) + ", " +
                       rate_text(time.gpu_hours) + " GPU hours";
    if (time.cost) line += ", cost " + rate_text(*time.cost);
    return {.title = "Training", .lines = {std::move(line)}};
}

report_section warnings_block(std::string title, const std::vector<std::string>& items) {
    report_section warnings = app::item_section(std::move(title), items);
    warnings.tone = app::section_tone::bad;
    return warnings;
}

/// Figures and the small print of a page.
void set_page(const plan_subject& subject, printed_report& page) {
    const device& gpu = subject.gpus.gpu;
    page.title += ": " + subject.model.name;
    page.headline = headline_of(subject);
    page.footer = "Estimates. " + std::string(gpu.name) + ": efficiency " +
                  percent(gpu.efficiency, 0) +
                  (subject.gpus.calibration.empty()
                       ? std::string()
                       : " from " + app::escaped(subject.gpus.calibration)) +
                  ", link " + app::fixed(gpu.link_bytes_per_second / 1e9, 1) +
                  " GB/s, network " + app::fixed(gpu.network_bytes_per_second / 1e9, 1) +
                  " GB/s. packkit-plan " + PACKKIT_VERSION + ".";
}

std::vector<app::headline_figure> figures_of(const estimate_report& report) {
    const plan_estimate& plan = report.plan;
    const double share = static_cast<double>(plan.memory.bytes.total()) /
                         static_cast<double>(plan.capacity_bytes);
    std::vector<app::headline_figure> figures = {
        {percent(share, 0), "of a GPU's " + bytes_text(plan.capacity_bytes) +
                                (plan.fits ? ": it fits" : ": it does not fit")},
        {rate_text(plan.tokens_per_second_per_gpu), "tokens/s a GPU"},
        {percent(plan.mfu, 1),
         "MFU, convention " + std::string(to_string(report.subject.convention))},
        {duration_text(plan.seconds.step), "a step"}};
    if (report.time) {
        const schedule& time = *report.time;
        figures.push_back(
            {hours_text(time.hours),
             grouped(time.steps) + " steps" +
                 (time.cost ? ", cost " + rate_text(*time.cost) : std::string())});
    }
    return figures;
}

printed_report printed(const estimate_report& report) {
    printed_report page{.title = "Training plan", .headline = {}};
    set_page(report.subject, page);
    page.figures = figures_of(report);
    page.sections = plan_blocks(report.subject, report.plan);
    for (const report_section& section :
         {schedule_block(report), arrangements_block(report),
          warnings_block("Warnings", report.warnings),
          app::item_section("Advice", report.advice),
          app::item_section("Notes", report.notes)})
        page.sections.push_back(section);
    return page;
}

report_section ranking_block(const search_report& report) {
    if (report.found.plans.empty()) return {};
    table shown({{"#"},
                 {"mesh", alignment::left},
                 {"sharding, checkpointing", alignment::left},
                 {"micro x acc."},
                 {"rows a step"},
                 {"memory"},
                 {"filled"},
                 {"step"},
                 {"exposed"},
                 {"tokens/s a GPU"},
                 {"MFU"},
                 {"time"}});
    constexpr std::size_t most_plotted = 20;
    std::vector<plotted_plan> plotted;
    const std::size_t count = std::min(report.shown, report.found.plans.size());
    for (std::size_t i = 0; i < count; ++i) {
        const plan_estimate& plan = report.found.plans[i];
        const training_setup& setup = plan.setup;
        const std::int64_t total = plan.memory.bytes.total();
        const auto time = schedule_of(report.subject, report.subject.work, plan);
        shown.add_row({std::to_string(i + 1), mesh_text(setup.mesh),
                       variant_text(setup, true),
                       grouped(setup.micro_batch_size) + " x " +
                           grouped(setup.gradient_accumulation_steps),
                       grouped(setup.global_rows()), bytes_text(total),
                       percent(static_cast<double>(total) /
                                   static_cast<double>(plan.capacity_bytes),
                               0),
                       duration_text(plan.seconds.step),
                       duration_text(plan.seconds.exposed_communication),
                       rate_text(plan.tokens_per_second_per_gpu), percent(plan.mfu, 1),
                       time ? hours_text(time->hours) : ""});
        if (i < most_plotted) {
            plotted.push_back(
                {std::to_string(i + 1) + "  " + mesh_text(setup.mesh), &plan});
        }
    }
    shown.mark_row(0);
    std::string title = "Meshes that fit, the fastest first";
    if (count < report.found.plans.size()) {
        title += ": " + std::to_string(count) + " of " +
                 grouped(std::uint64_t{report.found.plans.size()});
    }
    return {.title = std::move(title),
            .caption =
                "Tokens a second and GPU of the best way to train on each mesh, "
                "and what a GPU holds at the peak against its capacity.",
            .plots = speed_plot(plotted) + memory_plot(plotted),
            .tables = {std::move(shown)}};
}

/// Refused meshes by their reason, the numbers in it aside.
report_section rejected_block(const search_report& report) {
    if (report.found.rejected.empty()) return {};
    struct group {
        std::size_t meshes = 0;
        const rejected_plan* first = nullptr;
    };
    std::vector<std::string> order;
    std::map<std::string, group> groups;
    for (const rejected_plan& plan : report.found.rejected) {
        std::string kind;
        for (const char c : plan.reason) {
            const bool number = (c >= '0' && c <= '9') || c == ',' || c == '.';
            if (!number) kind += c;
            if (c == ':' || c == ';') break;
        }
        group& same = groups[kind];
        if (same.meshes++ == 0) {
            same.first = &plan;
            order.push_back(kind);
        }
    }
    std::vector<std::string> items;
    for (const std::string& kind : order) {
        const group& same = groups[kind];
        const std::string mesh = mesh_text(same.first->setup.mesh);
        items.push_back((same.meshes == 1
                             ? mesh
                             : std::to_string(same.meshes) + " meshes, as " + mesh) +
                        ": " + same.first->reason);
    }
    return app::item_section(
        "Refused: " + app::counted(report.found.rejected.size(), "mesh", "meshes") +
            ", by kind of reason (JSON lists each)",
        std::move(items));
}

printed_report printed(const search_report& report) {
    printed_report page{.title = "Search of training plans", .headline = {}};
    set_page(report.subject, page);
    page.sections.push_back(ranking_block(report));
    if (report.best) {
        const estimate_report& best = *report.best;
        page.figures = figures_of(best);
        for (report_section& section : plan_blocks(report.subject, best.plan)) {
            section.where = app::shown_in::page;
            if (!section.title.empty()) section.title = "The fastest: " + section.title;
            page.sections.push_back(std::move(section));
        }
        page.sections.push_back(arrangements_block(best));
    }
    for (const report_section& section :
         {rejected_block(report),
          app::item_section("Nothing fits; what would", report.suggestions),
          warnings_block("Warnings of the first", report.warnings),
          app::item_section("Advice", report.advice),
          app::item_section("Notes", report.notes)})
        page.sections.push_back(section);
    return page;
}

}  // namespace

std::string render(const estimate_report& report, app::output_format format) {
    return app::render(
        format, [&] { return estimate_json(report); },
        [&] { return plans_csv({estimate_json(report)}); },
        [&] { return printed(report); });
}

std::string render(const search_report& report, app::output_format format) {
    const auto plans_of = [&] {
        const app::ordered_json document = search_json(report);
        return plans_csv({document["plans"].begin(), document["plans"].end()});
    };
    return app::render(
        format, [&] { return search_json(report); }, plans_of,
        [&] { return printed(report); });
}

std::string estimate_html(const estimate_report& report) {
    return to_html(printed(report));
}
std::string search_html(const search_report& report) {
    return to_html(printed(report));
}

}  // namespace packkit::plan
