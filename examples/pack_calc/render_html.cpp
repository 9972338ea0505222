// SPDX-License-Identifier: Apache-2.0
#include "render.hpp"
#include "svg.hpp"

#include "common/errors.hpp"
#include "common/numbers.hpp"

#include <packkit/version.hpp>

#include <algorithm>
#include <numeric>
#include <string_view>

namespace packkit::app {
namespace {

constexpr std::string_view style = R"css(
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1b2330; --soft: #5d6878; --rule: #dfe3e9;
  --accent: #2f6fde; --best: #14876b; --muted: #a7b0bd; --over: #c2552d; }
@media (prefers-color-scheme: dark) { :root {
  --page: #12161c; --card: #1b2129; --ink: #e8ecf2; --soft: #9aa6b6; --rule: #303946;
  --accent: #6ea3ff; --best: #3fc7a2; --muted: #566274; --over: #f08d62; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1000px; margin: 0 auto; padding: 32px 20px 56px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 1.15rem; margin: 0 0 4px; }
p { margin: 4px 0 12px; }
.soft { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--rule); border-radius: 12px;
  padding: 20px 24px; margin-top: 20px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr));
  gap: 14px; margin-top: 22px; }
.figure { background: var(--card); border: 1px solid var(--rule); border-radius: 12px;
  padding: 14px 18px; }
.figure b { display: block; font-size: 1.75rem; line-height: 1.25;
  font-variant-numeric: tabular-nums; }
.figure span { color: var(--soft); font-size: .88rem; }
.advice { border-left: 5px solid var(--best); }
.advice.no { border-left-color: var(--over); }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(270px, 1fr)); gap: 14px; }
h3 { font-size: .95rem; margin: 6px 0 0; }
svg { display: block; width: 100%; height: auto; margin-top: 8px; }
svg text { font: 12.5px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  fill: var(--soft); font-variant-numeric: tabular-nums; }
svg .label, svg .value { fill: var(--ink); }
svg .gridline { stroke: var(--rule); stroke-width: 1; }
svg .axis { stroke: var(--soft); stroke-width: 1; }
svg .mark { stroke: var(--over); stroke-width: 1.5; stroke-dasharray: 5 4; }
svg rect.packed { fill: var(--accent); } svg rect.best { fill: var(--best); }
svg rect.segment0 { fill: #4477aa; } svg rect.segment1 { fill: #66ccee; }
svg rect.segment2 { fill: #228833; } svg rect.segment3 { fill: #ccbb44; }
svg rect.segment4 { fill: #aa6699; } svg rect.padding { fill: var(--rule); }
svg rect.unpacked { fill: var(--muted); } svg rect.above { fill: var(--over); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; text-align: right; border-bottom: 1px solid var(--rule);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th { color: var(--soft); font-weight: 600; }
tr.best td { font-weight: 650; }
code { font-size: .92em; }
footer { color: var(--soft); font-size: .85rem; margin-top: 24px; }
)css";

std::string count(std::size_t value) {
    return grouped(std::uint64_t{value});
}

std::string figure(const std::string& value, const std::string& name) {
    return "<div class=\"figure\"><b>" + html_escaped(value) + "</b><span>" +
           html_escaped(name) + "</span></div>\n";
}

std::string section(std::string_view title, std::string_view text,
                    const std::string& content) {
    return "<section><h2>" + html_escaped(title) + "</h2>\n<p class=\"soft\">" +
           html_escaped(text) + "</p>\n" + content + "</section>\n";
}

std::string headline(const capacity_report& main) {
    const algorithm_result& best = best_result(main);
    std::string html = "<div class=\"figures\">\n";
    html += figure(percent(best.efficiency), "of the positions hold tokens, packed");
    html += figure(percent(main.pad_to_capacity), "padded to the capacity instead");
    html += figure(
        fixed(static_cast<double>(main.items) / static_cast<double>(best.bins), 2) + " ×",
        "samples a row of " + grouped(main.capacity) + " tokens");
    html += figure(count(best.bins),
                   best.gap_bins == 0
                       ? "rows, proved to be the fewest"
                       : "rows, at most " + count(best.gap_bins) + " above the fewest");
    html += figure(short_count(static_cast<std::uint64_t>(main.tokens)),
                   "tokens in " + count(main.samples) + " samples");
    return html + "</div>\n";
}

std::string advice_section(const capacity_report& main) {
    const advice& advised = main.advice;
    std::string html = advised.sample_packing ? "<section class=\"advice\">"
                                              : "<section class=\"advice no\">";
    html += advised.sample_packing ? "<h2>Packing pays here</h2>\n"
                                   : "<h2>Packing does not pay here</h2>\n";
    html += "<p>" + html_escaped(advised.reason) + ".</p>\n";
    html += "<p class=\"soft\"><code>sample_packing: " +
            std::string(advised.sample_packing ? "true" : "false") +
            "</code> · <code>sequence_len: " + std::to_string(advised.sequence_len) +
            "</code> · <code>sample_packing_eff_est: " +
            fixed(advised.sample_packing_eff_est, 2) +
            "</code> · steps per epoch: " + grouped(advised.steps_per_epoch) +
            "</p>\n</section>\n";
    return html;
}

std::string lengths_section(const report& result) {
    const capacity_report& main = result.main();
    std::vector<chart_mark> marks;
    for (const histogram_bucket& bucket : result.all_lengths) {
        const std::string label = bucket.hi - bucket.lo == 1
                                      ? grouped(bucket.lo)
                                      : grouped(bucket.lo) + "–" + grouped(bucket.hi - 1);
        const bool over = bucket.lo > main.capacity;
        marks.push_back({label + " tokens", static_cast<double>(bucket.count),
                         count(bucket.count) + " samples", over ? "above" : "packed"});
    }
    const length_summary& lengths = main.lengths;
    std::string text = "Packed: from " + grouped(lengths.min) + " to " +
                       grouped(lengths.max) + " tokens; median " +
                       fixed(lengths.median, 0) + ", mean " + fixed(lengths.mean, 1) +
                       ", p90 " + fixed(lengths.p90, 0) + ", p99 " +
                       fixed(lengths.p99, 0) + ".";
    if (main.excess.samples > 0) {
        text += " Longer than the capacity, in the other colour: " +
                count(main.excess.samples) + ".";
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
    return section("Lengths", text,
                   column_chart("Samples by length. " + text, marks, axis, false));
}

std::string algorithms_section(const capacity_report& main) {
    const algorithm_result& best = best_result(main);
    std::vector<chart_mark> efficiency = {
        {"padded to the capacity", main.pad_to_capacity, percent(main.pad_to_capacity),
         "unpacked"},
        {"padded to the longest of " + std::to_string(main.shown_batch),
         main.pad_to_longest_shown, percent(main.pad_to_longest_shown), "unpacked"}};
    std::vector<chart_mark> above;
    for (const algorithm_result& one : main.results) {
        const std::string mark = &one == &best ? "best" : "packed";
        efficiency.push_back(
            {one.algorithm, one.efficiency, percent(one.efficiency), mark});
        const double share =
            static_cast<double>(one.gap_bins) / static_cast<double>(one.lower_bound);
        above.push_back({one.algorithm, share,
                         percent(share, 3) + (one.gap_bins == 0 ? ", optimal" : ""),
                         "above"});
    }
    return section("Efficiency",
                   "Share of the positions of all rows that hold tokens; the rest is "
                   "padding. "
                   "Grey: without packing.",
                   bar_chart("Efficiency without packing and by algorithm", efficiency,
                             1.0)) +
           section("Distance from the lower bound",
                   "No packing has fewer than " + count(best.lower_bound) +
                       " rows of this capacity. Rows above that, in percent:",
                   bar_chart("Rows above the lower bound by algorithm", above));
}

std::string fill_section(const capacity_report& main) {
    std::string html = "<div class=\"grid\">\n";
    for (const algorithm_result& one : main.results) {
        std::vector<chart_mark> marks;
        for (std::size_t i = 0; i < one.fill.size(); ++i) {
            const double share =
                static_cast<double>(one.fill[i]) / static_cast<double>(one.bins);
            const std::size_t width = 100 / fill_buckets;
            marks.push_back({std::to_string(i * width) + "–" +
                                 std::to_string((i + 1) * width) + " % full",
                             share, count(one.fill[i]) + " rows, " + percent(share, 1),
                             &one == &best_result(main) ? "best" : "packed"});
        }
        html += "<div><h3>" + html_escaped(one.algorithm) + "</h3>" +
                column_chart("How full the rows of " + one.algorithm + " are", marks,
                             {0, 1, "", true}, true, 1.0, {320, 140}) +
                "</div>\n";
    }
    return section("How full the rows are",
                   "Share of the rows by the share of their positions that hold tokens.",
                   html + "</div>\n");
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

std::string ranks_section(const capacity_report& main, const settings& options) {
    const algorithm_result& best = best_result(main);
    if (options.ranks == 1) {
        return section(
            "Balance over ranks",
            "One rank: nothing to balance. --ranks N shows how evenly the rows of " +
                best.algorithm + " load N ranks.",
            "");
    }
    return section(
        "Balance over ranks",
        "Rows of " + best.algorithm + " for " + count(options.ranks) +
            " ranks, a row each a step. In random order the ranks wait " +
            percent(best.shuffled.idle) +
            " of the time for the busiest of the step; with rows of like cost in one "
            "step, sorted inside windows of 64 steps, " +
            percent(best.balanced.idle) +
            ". Cost: tokens and attention in proportion as in a model of 7B parameters.",
        bar_chart(
            "Share of time spent waiting",
            {{"random order", best.shuffled.idle, percent(best.shuffled.idle), "above"},
             {"like cost in a step", best.balanced.idle, percent(best.balanced.idle),
              "best"}}) +
            "<div class=\"grid\">\n<div>" +
            deviation_chart("Tokens, before", best.shuffled.tokens) + "</div>\n<div>" +
            deviation_chart("Tokens, balanced", best.balanced.tokens) + "</div>\n<div>" +
            deviation_chart("Attention work, before", best.shuffled.attention) +
            "</div>\n<div>" +
            deviation_chart("Attention work, balanced", best.balanced.attention) +
            "</div>\n</div>\n");
}

std::string results_section(const capacity_report& main) {
    std::string html =
        "<div class=\"scroll\"><table><thead><tr>"
        "<th scope=\"col\">algorithm</th><th scope=\"col\">rows</th>"
        "<th scope=\"col\">efficiency</th><th scope=\"col\">padding tokens</th>"
        "<th scope=\"col\">above bound</th><th scope=\"col\">time</th>"
        "<th scope=\"col\">ns/sample</th><th scope=\"col\">rank imbalance</th>"
        "<th scope=\"col\">attention imbalance</th></tr></thead><tbody>\n";
    for (const algorithm_result& one : main.results) {
        html += &one == &best_result(main) ? "<tr class=\"best\">" : "<tr>";
        const std::string cells[] = {one.algorithm,
                                     count(one.bins),
                                     percent(one.efficiency),
                                     grouped(one.padding_tokens),
                                     count(one.gap_bins),
                                     duration_text(one.seconds),
                                     fixed(one.ns_per_sample, 1),
                                     percent(one.rank_imbalance, 3),
                                     percent(one.attention_imbalance, 3)};
        for (const std::string& cell : cells)
            html += "<td>" + html_escaped(cell) + "</td>";
        html += "</tr>\n";
    }
    return section("All figures",
                   "The best in bold: fewest rows, the first among equals.",
                   html + "</tbody></table></div>\n");
}

std::string sweep_section(const report& result) {
    if (result.capacities.size() == 1) return {};
    std::vector<chart_mark> marks;
    for (std::size_t i = 0; i < result.capacities.size(); ++i) {
        const capacity_report& one = result.capacities[i];
        const double efficiency = best_result(one).efficiency;
        marks.push_back({grouped(one.capacity), efficiency,
                         percent(efficiency) + (one.excess.samples > 0 ? " *" : ""),
                         i == result.recommended ? "best" : "packed"});
    }
    return section(
        "Capacities",
        "Efficiency of the best algorithm at each capacity. * some samples are "
        "longer. Recommended: " +
            grouped(result.capacities[result.recommended].capacity) +
            ", which loses the fewest samples and then fills its rows best.",
        bar_chart("Efficiency by capacity", marks, 1.0));
}

/// The drawn rows of a packing, a sample a segment.
std::string rows_section(const capacity_report& main) {
    const algorithm_result& best = best_result(main);
    constexpr double row_height = 11;
    constexpr double width = 720;
    const auto rows = static_cast<double>(best.drawn.size());
    std::string svg = "<svg viewBox=\"0 0 720 " + fixed(rows * row_height + 2, 0) +
                      "\" role=\"img\" aria-label=\"Packed rows\"><title>Packed rows"
                      "</title>\n";
    for (std::size_t k = 0; k < best.drawn.size(); ++k) {
        const std::string y = fixed(static_cast<double>(k) * row_height + 1, 1);
        const auto rect = [&](double from, double wide, const std::string& look,
                              const std::string& title) {
            svg += "<rect x=\"" + fixed(from, 2) + "\" y=\"" + y + "\" width=\"" +
                   fixed(std::max(wide, 0.2), 2) + "\" height=\"9\" class=\"" + look +
                   "\"><title>" + html_escaped(title) + "</title></rect>\n";
        };
        const std::string row = "row " + count(best.drawn[k].row);
        const double scale = width / static_cast<double>(main.capacity);
        double x = 0;
        std::size_t sample = 0;
        // Rows of thousands of samples are drawn in part: more cannot be seen.
        for (const std::uint32_t length : best.drawn[k].lengths) {
            const double wide = length * scale;
            if (sample < 300) {
                rect(x, wide > 1.5 ? wide - 0.7 : wide,
                     "segment" + std::to_string((k + sample) % 5),
                     row + ", sample of " + grouped(std::int64_t{length}) + " tokens");
            }
            ++sample;
            x += wide;
        }
        if (x < width - 0.01) rect(x, width - x, "padding", row + ", padding");
    }
    return section("Packed rows",
                   "Rows of " + best.algorithm + ", " + count(best.drawn.size()) +
                       " of them spread evenly over all: a segment is a sample, grey is "
                       "padding.",
                   svg + "</svg>\n");
}

std::string settings_line(const settings& options) {
    std::string text = "Inputs:";
    for (const auto& input : options.inputs) {
        text += " " + escaped(input == "-" ? "standard input" : input);
    }
    text += options.seed ? "; shuffled with seed " + std::to_string(*options.seed)
                         : std::string("; in the order given");
    text += "; micro-batch " + std::to_string(options.micro_batch_size) +
            ", accumulation " + std::to_string(options.gradient_accumulation_steps) +
            ", ranks " + std::to_string(options.ranks) + ".";
    return text;
}

}  // namespace

std::string render_html(const report& result, const settings& options) {
    const capacity_report& main = result.main();
    std::string html =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<title>Packing efficiency at " +
        grouped(main.capacity) + " tokens</title>\n<style>" + std::string(style) +
        "</style>\n</head>\n<body>\n<main>\n<h1>Packing efficiency</h1>\n<p "
        "class=\"soft\">" +
        count(main.samples) + " samples into rows of " + grouped(main.capacity) +
        " tokens";
    if (const std::string skipped = describe_skipped(main); !skipped.empty()) {
        html += "; " + html_escaped(skipped);
    }
    html += ".</p>\n" + headline(main) + advice_section(main) + algorithms_section(main) +
            lengths_section(result) + fill_section(main) + rows_section(main) +
            ranks_section(main, options) + sweep_section(result) + results_section(main);
    html += "<footer>" + html_escaped(settings_line(options)) + " packkit-pack " +
            PACKKIT_VERSION + ".</footer>\n</main>\n</body>\n</html>\n";
    return html;
}

}  // namespace packkit::app
