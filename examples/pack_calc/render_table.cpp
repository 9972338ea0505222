// SPDX-License-Identifier: Apache-2.0
#include "plots.hpp"
#include "render.hpp"

#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "common/numbers.hpp"

#include <packkit/packing/efficiency.hpp>
#include <packkit/sampling/imbalance.hpp>
#include <packkit/version.hpp>

#include <algorithm>
#include <cstddef>

namespace packkit::app {
namespace {

std::string yes_or_no(bool value) {
    return value ? "yes" : "no";
}

table results_table(const capacity_report& capacity) {
    table results({{"algorithm", alignment::left},
                   {"bins"},
                   {"efficiency"},
                   {"padding"},
                   {"gap", alignment::left},
                   {"time"},
                   {"ns/sample"},
                   {"rank imb."},
                   {"attention imb."}});
    for (const algorithm_result& one : capacity.results) {
        results.add_row({one.algorithm, grouped(one.bins), percent(one.efficiency),
                         grouped(one.padding_tokens),
                         grouped(one.gap_bins) + (one.optimal ? " optimal" : ""),
                         duration_text(one.seconds) + (one.sample_indices ? "" : " *"),
                         fixed(one.ns_per_sample, 1), percent(one.rank_imbalance),
                         percent(one.attention_imbalance)});
    }
    results.mark_row(
        static_cast<std::size_t>(&best_result(capacity) - capacity.results.data()));
    return results;
}

table unpacked_table(const capacity_report& capacity) {
    table unpacked({{"without packing", alignment::left}, {"efficiency"}});
    unpacked.add_row({"padded to the capacity", percent(capacity.pad_to_capacity)});
    unpacked.add_row({"padded to the longest of each micro-batch of " +
                          std::to_string(capacity.shown_batch),
                      percent(capacity.pad_to_longest_shown)});
    return unpacked;
}

table lengths_table(const capacity_report& capacity) {
    const length_summary& lengths = capacity.lengths;
    table summary({{"min"}, {"mean"}, {"std"}, {"median"}, {"p90"}, {"p99"}, {"max"}});
    summary.add_row({grouped(lengths.min), fixed(lengths.mean, 1), fixed(lengths.std, 1),
                     fixed(lengths.median, 1), fixed(lengths.p90, 1),
                     fixed(lengths.p99, 1), grouped(lengths.max)});
    return summary;
}

table advice_table(const capacity_report& capacity) {
    const advice& advised = capacity.advice;
    table values({{"setting", alignment::left}, {"value", alignment::left}});
    values.add_row({"sample_packing", advised.sample_packing ? "true" : "false"});
    values.add_row({"sample_packing_eff_est", fixed(advised.sample_packing_eff_est, 2)});
    values.add_row({"sequence_len", std::to_string(advised.sequence_len)});
    values.add_row({"steps_per_epoch", std::to_string(advised.steps_per_epoch)});
    values.add_row({"algorithm", advised.algorithm});
    return values;
}

table sweep_table(const report& result) {
    table sweep({{"capacity"},
                 {"best algorithm", alignment::left},
                 {"rows"},
                 {"efficiency"},
                 {"above capacity"},
                 {"padded to capacity"},
                 {"steps per epoch"},
                 {"sample_packing"}});
    for (const capacity_report& one : result.capacities) {
        const algorithm_result& best = best_result(one);
        sweep.add_row({std::to_string(one.capacity), best.algorithm, grouped(best.bins),
                       percent(best.efficiency), grouped(one.excess.samples),
                       percent(one.pad_to_capacity), grouped(one.advice.steps_per_epoch),
                       yes_or_no(one.advice.sample_packing)});
    }
    return sweep;
}

table histogram_table(const capacity_report& capacity) {
    constexpr std::size_t bar_columns = 50;
    std::size_t largest = 1;
    for (const histogram_bucket& bucket : capacity.histogram)
        largest = std::max(largest, bucket.count);
    table histogram({{"tokens"}, {"samples"}, {"", alignment::left, true}});
    for (const histogram_bucket& bucket : capacity.histogram) {
        const double share =
            static_cast<double>(bucket.count) / static_cast<double>(largest);
        histogram.add_row(
            {bucket_text(bucket), grouped(bucket.count), text_bar(share, bar_columns)});
    }
    return histogram;
}

/// What the times are of, how ranks wait, and what was not run: lines, or nothing.
std::vector<std::string> notes_of(const report& result) {
    const capacity_report& main = result.main();
    std::vector<std::string> lines;
    for (const algorithm_result& one : main.results) {
        if (one.sample_indices) continue;
        lines.emplace_back(
            "* lengths alone are packed; sample indices are made for --bins");
        break;
    }
    if (!result.left_out.empty()) {
        lines.push_back("Left out for their time: " + name_list(result.left_out) +
                        "; --algorithms all runs them");
    }
    const algorithm_result& best = best_result(main);
    if (!best.balanced.tokens.empty()) {
        lines.push_back("Ranks wait " + percent(best.shuffled.idle) +
                        " of the time with rows of " + best.algorithm +
                        " in random order, " + percent(best.balanced.idle) +
                        " with rows of like cost in one step");
    }
    return lines;
}

report_section packed_section(const report& result, const settings& options) {
    const capacity_report& main = result.main();
    std::vector<std::string> lines = notes_of(result);
    lines.insert(lines.begin(),
                 "gap: bins above the lower bound of " +
                     grouped(main.results.front().lower_bound) + "; imb.: busiest of " +
                     counted(options.ranks, "rank", "ranks") + " above the mean");
    return {.title = "Packed",
            .caption =
                "Share of the positions of all rows that hold tokens; the rest is "
                "padding. Grey: without packing.",
            .lines = std::move(lines),
            .plots = efficiency_plot(main),
            .tables = {results_table(main)}};
}

report_section sweep_section(const report& result) {
    if (result.capacities.size() == 1) return {};
    const std::int64_t recommended = result.capacities[result.recommended].capacity;
    return {
        .title = "Capacities; least lost, then fullest: " + std::to_string(recommended),
        .caption =
            "Efficiency of the best algorithm at each capacity. * some samples "
            "are longer.",
        .plots = sweep_plot(result),
        .tables = {sweep_table(result)}};
}

report_section advice_section(const capacity_report& main) {
    const bool pays = main.advice.sample_packing;
    return {.title = std::string("Advice: packing ") +
                     (pays ? "pays here" : "does not pay here"),
            .lines = {main.advice.reason + "."},
            .tables = {advice_table(main)},
            .tone = pays ? section_tone::good : section_tone::bad};
}

std::vector<headline_figure> figures_of(const capacity_report& main) {
    const algorithm_result& best = best_result(main);
    const double samples_per_row =
        static_cast<double>(main.items) / static_cast<double>(best.bins);
    return {{percent(best.efficiency), "of the positions hold tokens, packed"},
            {percent(main.pad_to_capacity), "padded to the capacity instead"},
            {fixed(samples_per_row, 2) + " ×",
             "samples a row of " + grouped(main.capacity) + " tokens"},
            {grouped(best.bins),
             best.gap_bins == 0
                 ? "rows, proved to be the fewest"
                 : "rows, at most " + grouped(best.gap_bins) + " above the fewest"},
            {short_count(static_cast<std::uint64_t>(main.tokens)),
             "tokens in " + counted(main.samples, "sample", "samples")}};
}

std::string settings_line(const settings& options) {
    std::string text = "Inputs:";
    for (const auto& input : options.inputs) {
        text += " " + escaped(input == "-" ? "standard input" : input);
    }
    text += options.seed ? "; shuffled with seed " + std::to_string(*options.seed)
                         : std::string("; in the order given");
    return text + "; micro-batch " + std::to_string(options.micro_batch_size) +
           ", accumulation " + std::to_string(options.gradient_accumulation_steps) +
           ", ranks " + std::to_string(options.ranks) + ". packkit-pack " +
           PACKKIT_VERSION + ".";
}

/// What was left out of a capacity, or nothing: "5 longer than the capacity (longest
/// 5,000): dropped, 25,600 tokens; 2 empty, left out".
std::string describe_skipped(const capacity_report& capacity) {
    const excess_report& excess = capacity.excess;
    std::string text;
    if (excess.samples > 0) {
        text = grouped(excess.samples) + " longer than the capacity (longest " +
               grouped(excess.longest) + "): ";
        switch (excess.strategy) {
            case excess_length_strategy::drop:
                text += "dropped, " + grouped(excess.dropped_tokens) + " tokens";
                break;
            case excess_length_strategy::truncate:
                text += "truncated, " + grouped(excess.cut_tokens) + " tokens cut off";
                break;
            case excess_length_strategy::split:
                text += "split, " + grouped(capacity.items) + " pieces in all";
                break;
            case excess_length_strategy::raise:
                break;  // refused while reading
        }
    }
    if (capacity.skipped_empty > 0) {
        text += (text.empty() ? "" : "; ") + grouped(capacity.skipped_empty) +
                " empty, left out";
    }
    return text;
}

printed_report printed(const report& result, const settings& options) {
    const capacity_report& main = result.main();
    printed_report page{
        .title = "Packing efficiency at " + grouped(main.capacity) + " tokens",
        .headline = "Packing efficiency: " + counted(main.samples, "sample", "samples") +
                    ", " + grouped(main.tokens) + " tokens, capacity " +
                    grouped(main.capacity)};
    if (std::string skipped = describe_skipped(main); !skipped.empty())
        page.lines.push_back(std::move(skipped));
    page.figures = figures_of(main);
    page.sections = {{.title = "Lengths",
                      .caption = lengths_caption(main),
                      .plots = lengths_plot(result),
                      .tables = {lengths_table(main)}},
                     {.title = "Samples by length",
                      .tables = {histogram_table(main)},
                      .where = shown_in::text},
                     packed_section(result, options)};
    for (report_section& section : plot_sections(main, options))
        page.sections.push_back(std::move(section));
    page.sections.push_back({.title = "Not packed",
                             .tables = {unpacked_table(main)},
                             .where = shown_in::text});
    page.sections.push_back(sweep_section(result));
    page.sections.push_back(advice_section(main));
    page.footer = settings_line(options);
    return page;
}

}  // namespace

std::string render(const report& result, const settings& options) {
    return render(
        options.format, [&] { return report_json(result); },
        [&] { return report_csv(result); }, [&] { return printed(result, options); });
}

std::string render_html(const report& result, const settings& options) {
    return to_html(printed(result, options));
}

}  // namespace packkit::app
