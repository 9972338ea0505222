// SPDX-License-Identifier: Apache-2.0
#include "render.hpp"

#include "common/did_you_mean.hpp"
#include "common/numbers.hpp"
#include "common/table.hpp"

#include <algorithm>
#include <cstddef>

namespace packkit::app {
namespace {

std::string count(std::size_t value) {
    return grouped(std::uint64_t{value});
}

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
        results.add_row({one.algorithm, count(one.bins), percent(one.efficiency),
                         grouped(one.padding_tokens),
                         count(one.gap_bins) + (one.optimal ? " optimal" : ""),
                         duration_text(one.seconds) + (one.sample_indices ? "" : " *"),
                         fixed(one.ns_per_sample, 1), percent(one.rank_imbalance),
                         percent(one.attention_imbalance)});
    }
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
    table values({{"advice", alignment::left}, {"", alignment::left}});
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
        sweep.add_row({std::to_string(one.capacity), best.algorithm, count(best.bins),
                       percent(best.efficiency), count(one.excess.samples),
                       percent(one.pad_to_capacity), grouped(one.advice.steps_per_epoch),
                       yes_or_no(one.advice.sample_packing)});
    }
    return sweep;
}

std::string histogram_text(const std::vector<histogram_bucket>& histogram) {
    constexpr std::size_t bar_columns = 50;
    std::size_t largest = 1;
    std::size_t label_width = 0;
    std::vector<std::string> labels;
    for (const histogram_bucket& bucket : histogram) {
        largest = std::max(largest, bucket.count);
        labels.push_back(grouped(bucket.lo) + "–" + grouped(bucket.hi - 1));
        if (bucket.hi - bucket.lo == 1) labels.back() = grouped(bucket.lo);
        label_width = std::max(label_width, display_width(labels.back()));
    }
    std::string text;
    for (std::size_t i = 0; i < histogram.size(); ++i) {
        const double share =
            static_cast<double>(histogram[i].count) / static_cast<double>(largest);
        text += "  " + padded(labels[i], label_width, alignment::right) + "  " +
                text_bar(share, bar_columns);
        if (histogram[i].count > 0) text += " " + count(histogram[i].count);
        text.erase(text.find_last_not_of(' ') + 1);
        text += "\n";
    }
    return text;
}

std::string headline(const capacity_report& capacity) {
    return count(capacity.samples) + " samples, " + grouped(capacity.tokens) +
           " tokens, capacity " + grouped(capacity.capacity);
}

/// What the times are of, how ranks wait, and what was not run: lines, or nothing.
std::string notes_of(const report& result) {
    const capacity_report& main = result.main();
    std::string text;
    for (const algorithm_result& one : main.results) {
        if (one.sample_indices) continue;
        text += "* lengths alone are packed; sample indices are made for --bins\n";
        break;
    }
    if (!result.left_out.empty()) {
        text += "Left out for their time: " + name_list(result.left_out) +
                "; --algorithms all runs them\n";
    }
    const algorithm_result& best = best_result(main);
    if (!best.balanced.tokens.empty()) {
        text += "Ranks wait " + percent(best.shuffled.idle) +
                " of the time with rows of " + best.algorithm + " in random order, " +
                percent(best.balanced.idle) + " with rows of like cost in one step\n";
    }
    return text;
}

}  // namespace

std::string describe_skipped(const capacity_report& capacity) {
    const excess_report& excess = capacity.excess;
    std::string text;
    if (excess.samples > 0) {
        text = count(excess.samples) + " longer than the capacity (longest " +
               grouped(excess.longest) + "): ";
        switch (excess.strategy) {
            case excess_length_strategy::drop:
                text += "dropped, " + grouped(excess.dropped_tokens) + " tokens";
                break;
            case excess_length_strategy::truncate:
                text += "truncated, " + grouped(excess.cut_tokens) + " tokens cut off";
                break;
            case excess_length_strategy::split:
                text += "split, " + count(capacity.items) + " pieces in all";
                break;
            case excess_length_strategy::raise:
                break;  // refused while reading
        }
    }
    if (capacity.skipped_empty > 0) {
        text += (text.empty() ? "" : "; ") + count(capacity.skipped_empty) +
                " empty, left out";
    }
    return text;
}

std::string render_table(const report& result, const settings& options) {
    const capacity_report& main = result.main();
    std::string text = headline(main) + "\n";
    if (const std::string skipped = describe_skipped(main); !skipped.empty()) {
        text += skipped + "\n";
    }
    text += "\nLengths\n" + lengths_table(main).to_text() + "\n" +
            histogram_text(main.histogram) + "\n";
    text += "Packed; gap: bins above the lower bound of " +
            count(main.results.front().lower_bound) + "; imb.: busiest of " +
            std::to_string(options.ranks) + " ranks above the mean\n";
    text += results_table(main).to_text() + notes_of(result) + "\n";
    text += unpacked_table(main).to_text() + "\n";
    if (result.capacities.size() > 1) {
        text += "Capacities; least lost, then fullest: " +
                std::to_string(result.capacities[result.recommended].capacity) + "\n" +
                sweep_table(result).to_text() + "\n";
    }
    text += advice_table(main).to_text() + main.advice.reason + "\n";
    return text;
}

std::string render_markdown(const report& result, const settings& options) {
    const capacity_report& main = result.main();
    std::string text = "# Packing efficiency\n\n" + headline(main) + ".\n";
    if (const std::string skipped = describe_skipped(main); !skipped.empty()) {
        text += "\n" + skipped + ".\n";
    }
    text += "\n## Lengths\n\n" + lengths_table(main).to_markdown();
    table histogram({{"from"}, {"to"}, {"samples"}});
    for (const histogram_bucket& bucket : main.histogram) {
        histogram.add_row(
            {grouped(bucket.lo), grouped(bucket.hi - 1), count(bucket.count)});
    }
    text += "\n" + histogram.to_markdown();
    text += "\n## Packed\n\nLower bound: " + count(main.results.front().lower_bound) +
            " bins; ranks: " + std::to_string(options.ranks) + ".\n\n" +
            results_table(main).to_markdown();
    if (const std::string notes = notes_of(result); !notes.empty()) {
        text += "\n" + notes;
    }
    text += "\n" + unpacked_table(main).to_markdown();
    if (result.capacities.size() > 1) {
        text += "\n## Capacities\n\n" + sweep_table(result).to_markdown();
    }
    text += "\n## Advice\n\n" + advice_table(main).to_markdown() + "\n" +
            main.advice.reason + ".\n";
    return text;
}

std::string render_csv(const report& result) {
    table rows({{"capacity"},
                {"samples"},
                {"tokens"},
                {"skipped_overlong"},
                {"skipped_empty"},
                {"algorithm"},
                {"bins"},
                {"efficiency"},
                {"padding_tokens"},
                {"lower_bound"},
                {"gap_bins"},
                {"optimal"},
                {"seconds"},
                {"ns_per_sample"},
                {"rank_imbalance"},
                {"attention_imbalance"}});
    for (const capacity_report& capacity : result.capacities) {
        for (const algorithm_result& one : capacity.results) {
            rows.add_row(
                {std::to_string(capacity.capacity), std::to_string(capacity.samples),
                 std::to_string(capacity.tokens),
                 std::to_string(capacity.skipped_overlong),
                 std::to_string(capacity.skipped_empty), one.algorithm,
                 std::to_string(one.bins), shortest(one.efficiency),
                 std::to_string(one.padding_tokens), std::to_string(one.lower_bound),
                 std::to_string(one.gap_bins), one.optimal ? "true" : "false",
                 shortest(one.seconds), shortest(one.ns_per_sample),
                 shortest(one.rank_imbalance), shortest(one.attention_imbalance)});
        }
    }
    return rows.to_csv();
}

}  // namespace packkit::app
