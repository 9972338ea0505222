// SPDX-License-Identifier: Apache-2.0
#include "plots.hpp"

#include "common/html.hpp"
#include "common/numbers.hpp"
#include "common/report/svg.hpp"

#include <algorithm>
#include <numeric>

namespace packkit::app {
namespace {

report_section bound_section(const capacity_report& main) {
    std::vector<chart_mark> above;
    for (const algorithm_result& one : main.results) {
        const double share =
            static_cast<double>(one.gap_bins) / static_cast<double>(one.lower_bound);
        above.push_back({one.algorithm, share,
                         percent(share, 3) + (one.gap_bins == 0 ? ", optimal" : ""),
                         "above"});
    }
    return {.title = "Distance from the lower bound",
            .caption = "No packing has fewer than " +
                       grouped(main.results.front().lower_bound) +
                       " rows of this capacity. Rows above that, in percent:",
            .plots = bar_chart("Rows above the lower bound by algorithm", above)};
}

report_section fill_section(const capacity_report& main) {
    std::string html = "<div class=\"grid\">\n";
    for (const algorithm_result& one : main.results) {
        std::vector<chart_mark> marks;
        for (std::size_t i = 0; i < one.fill.size(); ++i) {
            const double share =
                static_cast<double>(one.fill[i]) / static_cast<double>(one.bins);
            const std::size_t width = 100 / fill_buckets;
            marks.push_back({std::to_string(i * width) + "–" +
                                 std::to_string((i + 1) * width) + " % full",
                             share, grouped(one.fill[i]) + " rows, " + percent(share, 1),
                             &one == &best_result(main) ? "best" : "packed"});
        }
        html += "<div><h3>" + html_escaped(one.algorithm) + "</h3>" +
                column_chart("How full the rows of " + one.algorithm + " are", marks,
                             {0, 1, "", true}, true, 1.0, {320, 140}) +
                "</div>\n";
    }
    return {
        .title = "How full the rows are",
        .caption = "Share of the rows by the share of their positions that hold tokens.",
        .plots = html + "</div>\n"};
}

/// The drawn rows of a packing, a sample a segment.
report_section rows_section(const capacity_report& main) {
    // Rows of thousands of samples are drawn in part: more cannot be seen.
    constexpr std::size_t most_samples = 300;
    const algorithm_result& best = best_result(main);
    std::vector<std::vector<chart_mark>> rows;
    for (const drawn_row& drawn : best.drawn) {
        const std::string name = "row " + grouped(drawn.row);
        std::int64_t filled = 0;
        std::int64_t not_drawn = 0;
        std::vector<chart_mark>& row = rows.emplace_back();
        for (const std::uint32_t length : drawn.lengths) {
            filled += length;
            if (row.size() == most_samples) {
                not_drawn += length;
                continue;
            }
            row.push_back({name, static_cast<double>(length),
                           "sample of " + counted(length, "token", "tokens"),
                           "segment" + std::to_string((rows.size() + row.size()) % 5)});
        }
        if (not_drawn > 0) {
            row.push_back(
                {name, static_cast<double>(not_drawn), "further samples", "unpacked"});
        }
        if (filled < main.capacity) {
            row.push_back({name, static_cast<double>(main.capacity - filled), "padding",
                           "padding"});
        }
    }
    return {.title = "Packed rows",
            .caption = "Rows of " + best.algorithm + ", " + grouped(rows.size()) +
                       " of them spread evenly over all: a segment is a sample, grey is "
                       "padding.",
            .plots = row_chart("Packed rows", rows, static_cast<double>(main.capacity))};
}

std::string deviation_chart(const std::string& name, const std::vector<double>& loads) {
    const double mean = std::accumulate(loads.begin(), loads.end(), 0.0) /
                        static_cast<double>(loads.size());
    std::vector<chart_mark> marks;
    double largest = 0.001;  // an axis of noise would look like trouble
    for (std::size_t rank = 0; rank < loads.size(); ++rank) {
        const double deviation = mean > 0 ? loads[rank] / mean - 1.0 : 0.0;
        largest = std::max(largest, deviation);
        const std::string sign = deviation >= 0 ? "+" : "";
        marks.push_back({"rank " + std::to_string(rank), deviation,
                         sign + percent(deviation, 3) + " of the mean",
                         deviation > 0 ? "above" : "packed"});
    }
    return "<h3>" + name + "</h3>" +
           column_chart(
               name + " of each rank against the mean", marks,
               {-0.5, static_cast<double>(loads.size()) - 0.5, "rank", false, true}, true,
               largest, {400, 190});
}

report_section ranks_section(const capacity_report& main, const settings& options) {
    const algorithm_result& best = best_result(main);
    const std::string title = "Balance over ranks";
    if (options.ranks == 1) {
        return {.title = title,
                .caption =
                    "One rank: nothing to balance. --ranks N shows how evenly the "
                    "rows of " +
                    best.algorithm + " load N ranks."};
    }
    const auto part = [](const char* name, const std::vector<double>& loads) {
        return "<div>" + deviation_chart(name, loads) + "</div>\n";
    };
    return {
        .title = title,
        .caption =
            "Rows of " + best.algorithm + " for " + grouped(options.ranks) +
            " ranks, a row each a step. In random order the ranks wait " +
            percent(best.shuffled.idle) +
            " of the time for the busiest of the step; with rows of like cost in one "
            "step, sorted inside windows of 64 steps, " +
            percent(best.balanced.idle) +
            ". Cost: tokens and attention in proportion as in a model of 7B parameters.",
        .plots = bar_chart("Share of time spent waiting",
                           {{"random order", best.shuffled.idle,
                             percent(best.shuffled.idle), "above"},
                            {"like cost in a step", best.balanced.idle,
                             percent(best.balanced.idle), "best"}}) +
                 "<div class=\"grid\">\n" + part("Tokens, before", best.shuffled.tokens) +
                 part("Tokens, balanced", best.balanced.tokens) +
                 part("Attention work, before", best.shuffled.attention) +
                 part("Attention work, balanced", best.balanced.attention) + "</div>\n"};
}

}  // namespace

std::string bucket_text(const histogram_bucket& bucket) {
    return bucket.hi - bucket.lo == 1 ? grouped(bucket.lo)
                                      : grouped(bucket.lo) + "–" + grouped(bucket.hi - 1);
}

std::string lengths_caption(const capacity_report& main) {
    const length_summary& lengths = main.lengths;
    std::string text = "Packed: from " + grouped(lengths.min) + " to " +
                       grouped(lengths.max) + " tokens; median " +
                       fixed(lengths.median, 0) + ", mean " + fixed(lengths.mean, 1) +
                       ", p90 " + fixed(lengths.p90, 0) + ", p99 " +
                       fixed(lengths.p99, 0) + ".";
    if (main.excess.samples > 0) {
        text += " Longer than the capacity, in the other colour: " +
                grouped(main.excess.samples) + ".";
    }
    return text;
}

std::string lengths_plot(const report& result) {
    const capacity_report& main = result.main();
    std::vector<chart_mark> marks;
    for (const histogram_bucket& bucket : result.all_lengths) {
        marks.push_back({bucket_text(bucket) + " tokens",
                         static_cast<double>(bucket.count),
                         counted(bucket.count, "sample", "samples"),
                         bucket.lo > main.capacity ? "above" : "packed"});
    }
    chart_axis axis{static_cast<double>(result.all_lengths.front().lo),
                    static_cast<double>(result.all_lengths.back().hi), "tokens a sample"};
    axis.logarithmic = result.log_lengths;
    axis.line = static_cast<double>(main.capacity);
    axis.line_name = "capacity " + grouped(main.capacity);
    if (result.log_lengths) {
        for (const histogram_bucket& bucket : result.all_lengths)
            axis.edges.push_back(static_cast<double>(bucket.lo));
        axis.edges.push_back(axis.to);
        axis.name += " (logarithmic)";
    }
    return column_chart("Samples by length. " + lengths_caption(main), marks, axis,
                        false);
}

std::string efficiency_plot(const capacity_report& main) {
    std::vector<chart_mark> marks = {
        {"padded to the capacity", main.pad_to_capacity, percent(main.pad_to_capacity),
         "unpacked"},
        {"padded to the longest of " + std::to_string(main.shown_batch),
         main.pad_to_longest_shown, percent(main.pad_to_longest_shown), "unpacked"}};
    for (const algorithm_result& one : main.results) {
        marks.push_back({one.algorithm, one.efficiency, percent(one.efficiency),
                         &one == &best_result(main) ? "best" : "packed"});
    }
    return bar_chart("Efficiency without packing and by algorithm", marks, 1.0);
}

std::string sweep_plot(const report& result) {
    std::vector<chart_mark> marks;
    for (std::size_t i = 0; i < result.capacities.size(); ++i) {
        const capacity_report& one = result.capacities[i];
        const double efficiency = best_result(one).efficiency;
        marks.push_back({grouped(one.capacity), efficiency,
                         percent(efficiency) + (one.excess.samples > 0 ? " *" : ""),
                         i == result.recommended ? "best" : "packed"});
    }
    return bar_chart("Efficiency by capacity", marks, 1.0);
}

std::vector<report_section> plot_sections(const capacity_report& main,
                                          const settings& options) {
    std::vector<report_section> sections = {bound_section(main), fill_section(main),
                                            rows_section(main),
                                            ranks_section(main, options)};
    for (report_section& section : sections)
        section.where = shown_in::page;
    return sections;
}

}  // namespace packkit::app
