// SPDX-License-Identifier: Apache-2.0
#include "blocks.hpp"
#include "render.hpp"

#include "common/numbers.hpp"

#include <algorithm>
#include <map>

namespace packkit::plan {
namespace {

using app::alignment;
using app::grouped;
using app::output_format;
using app::percent;
using app::table;

block schedule_block(const estimate_report& report) {
    if (!report.time || !report.arrangements.empty()) return {};
    const schedule& time = *report.time;
    std::string line = grouped(time.rows_per_epoch) + " rows, " +
                       epochs_text(report.subject.epochs) + ": " + grouped(time.steps) +
                       " steps, " + hours_text(time.hours) + ", " +
                       rate_text(time.gpu_hours) + " GPU hours";
    if (time.cost) line += ", cost " + rate_text(*time.cost);
    return {"Training", {line}, std::nullopt, {}};
}

std::vector<block> blocks_of(const estimate_report& report) {
    std::vector<block> blocks = plan_blocks(report.subject, report.plan);
    blocks.push_back(schedule_block(report));
    blocks.push_back(arrangements_block(report));
    blocks.push_back(item_block("Warnings", report.warnings));
    blocks.push_back(item_block("Advice", report.advice));
    blocks.push_back(item_block("Notes", report.notes));
    return blocks;
}

block ranking_block(const search_report& report) {
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
    const std::size_t count = std::min(report.shown, report.found.plans.size());
    for (std::size_t i = 0; i < count; ++i) {
        const plan_estimate& plan = report.found.plans[i];
        const training_setup& setup = plan.setup;
        const std::int64_t total = plan.memory.bytes.total();
        const auto time = schedule_of(report.subject, report.subject.work, plan);
        shown.add_row({std::to_string(i + 1), mesh_text(setup.mesh),
                       short_variant_text(setup),
                       grouped(setup.micro_batch_size) + " x " +
                           grouped(setup.gradient_accumulation_steps),
                       grouped(setup.global_rows()),
                       app::bytes_text(static_cast<std::uint64_t>(total)),
                       percent(static_cast<double>(total) /
                                   static_cast<double>(plan.capacity_bytes),
                               0),
                       seconds_text(plan.seconds.step),
                       seconds_text(plan.seconds.exposed_communication),
                       rate_text(plan.tokens_per_second_per_gpu), percent(plan.mfu, 1),
                       time ? hours_text(time->hours) : ""});
    }
    std::string title = "Meshes that fit, the fastest first";
    if (count < report.found.plans.size()) {
        title += ": " + std::to_string(count) + " of " +
                 grouped(static_cast<std::int64_t>(report.found.plans.size()));
    }
    return {title, {}, shown, {}};
}

/// Refused meshes by their reason, the numbers in it aside.
block rejected_block(const search_report& report) {
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
    return {
        "Refused: " + grouped(static_cast<std::int64_t>(report.found.rejected.size())) +
            " meshes, by kind of reason (JSON lists each)",
        {},
        std::nullopt,
        items};
}

std::vector<block> blocks_of(const search_report& report) {
    std::vector<block> blocks = {ranking_block(report)};
    if (report.best) { blocks.push_back(arrangements_block(*report.best)); }
    blocks.push_back(rejected_block(report));
    blocks.push_back(item_block("Nothing fits; what would", report.suggestions));
    blocks.push_back(item_block("Warnings of the first", report.warnings));
    blocks.push_back(item_block("Advice", report.advice));
    blocks.push_back(item_block("Notes", report.notes));
    return blocks;
}

}  // namespace

std::string estimate_text(const estimate_report& report) {
    return blocks_text(headline_of(report.subject), blocks_of(report));
}
std::string estimate_markdown(const estimate_report& report) {
    return blocks_markdown(headline_of(report.subject), blocks_of(report));
}
std::string search_text(const search_report& report) {
    return blocks_text(headline_of(report.subject), blocks_of(report));
}
std::string search_markdown(const search_report& report) {
    return blocks_markdown(headline_of(report.subject), blocks_of(report));
}

std::string render(const estimate_report& report, output_format format) {
    switch (format) {
        case output_format::json:
            return estimate_json(report).dump(2) + "\n";
        case output_format::csv:
            return plans_csv({estimate_json(report)});
        case output_format::markdown:
            return estimate_markdown(report);
        case output_format::table:
            break;
    }
    return estimate_text(report);
}

std::string render(const search_report& report, output_format format) {
    switch (format) {
        case output_format::json:
            return search_json(report).dump(2) + "\n";
        case output_format::csv: {
            const app::ordered_json document = search_json(report);
            return plans_csv({document["plans"].begin(), document["plans"].end()});
        }
        case output_format::markdown:
            return search_markdown(report);
        case output_format::table:
            break;
    }
    return search_text(report);
}

}  // namespace packkit::plan
