// SPDX-License-Identifier: Apache-2.0
#include "html_page.hpp"
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

std::string count(std::size_t value) {
    return grouped(std::uint64_t{value});
}

std::string headline(const capacity_report& main) {
    const algorithm_result& best = best_result(main);
    std::string html;
    html += html_figure(percent(best.efficiency), "of the positions hold tokens, packed");
    html += html_figure(percent(main.pad_to_capacity), "padded to the capacity instead");
    html += html_figure(
        fixed(static_cast<double>(main.items) / static_cast<double>(best.bins), 2) + " ×",
        "samples a row of " + grouped(main.capacity) + " tokens");
    html += html_figure(count(best.bins), best.gap_bins == 0
                                              ? "rows, proved to be the fewest"
                                              : "rows, at most " + count(best.gap_bins) +
                                                    " above the fewest");
    html += html_figure(short_count(static_cast<std::uint64_t>(main.tokens)),
                        "tokens in " + count(main.samples) + " samples");
    return html_figures(html);
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
    return html_section("Lengths", text,
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
    return html_section(
               "Efficiency",
               "Share of the positions of all rows that hold tokens; the rest is "
               "padding. "
               "Grey: without packing.",
               bar_chart("Efficiency without packing and by algorithm", efficiency,
                         1.0)) +
           html_section("Distance from the lower bound",
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
    return html_section(
        "How full the rows are",
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
        return html_section(
            "Balance over ranks",
            "One rank: nothing to balance. --ranks N shows how evenly the rows of " +
                best.algorithm + " load N ranks.",
            "");
    }
    return html_section(
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
    std::vector<std::vector<std::string>> rows;
    for (const algorithm_result& one : main.results) {
        rows.push_back({one.algorithm, count(one.bins), percent(one.efficiency),
                        grouped(one.padding_tokens), count(one.gap_bins),
                        duration_text(one.seconds), fixed(one.ns_per_sample, 1),
                        percent(one.rank_imbalance, 3),
                        percent(one.attention_imbalance, 3)});
    }
    const auto best = static_cast<std::size_t>(&best_result(main) - main.results.data());
    return html_section(
        "All figures", "The best in bold: fewest rows, the first among equals.",
        html_table({"algorithm", "rows", "efficiency", "padding tokens", "above bound",
                    "time", "ns/sample", "rank imbalance", "attention imbalance"},
                   rows, best));
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
    return html_section(
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
    return html_section(
        "Packed rows",
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
    std::string body = "<h1>Packing efficiency</h1>\n<p class=\"soft\">" +
                       count(main.samples) + " samples into rows of " +
                       grouped(main.capacity) + " tokens";
    if (const std::string skipped = describe_skipped(main); !skipped.empty()) {
        body += "; " + html_escaped(skipped);
    }
    body += ".</p>\n" + headline(main) + advice_section(main) + algorithms_section(main) +
            lengths_section(result) + fill_section(main) + rows_section(main) +
            ranks_section(main, options) + sweep_section(result) + results_section(main);
    return html_page("Packing efficiency at " + grouped(main.capacity) + " tokens", body,
                     settings_line(options) + " packkit-pack " + PACKKIT_VERSION + ".");
}

}  // namespace packkit::app
