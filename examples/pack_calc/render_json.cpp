// SPDX-License-Identifier: Apache-2.0
#include "render.hpp"

#include <packkit/packing/efficiency.hpp>
#include <packkit/sampling/imbalance.hpp>

#include <array>
#include <charconv>

namespace packkit::app {
namespace {

ordered_json lengths_json(const capacity_report& capacity) {
    const length_summary& summary = capacity.lengths;
    ordered_json histogram = ordered_json::array();
    for (const histogram_bucket& bucket : capacity.histogram) {
        histogram.push_back({bucket.lo, bucket.hi, bucket.count});
    }
    return {{"min", summary.min},       {"max", summary.max},
            {"mean", summary.mean},     {"std", summary.std},
            {"median", summary.median}, {"p90", summary.p90},
            {"p99", summary.p99},       {"histogram", std::move(histogram)}};
}

ordered_json result_json(const algorithm_result& result) {
    return {{"algorithm", result.algorithm},
            {"bins", result.bins},
            {"efficiency", result.efficiency},
            {"padding_tokens", result.padding_tokens},
            {"lower_bound", result.lower_bound},
            {"bound", result.bound},
            {"gap_bins", result.gap_bins},
            {"optimal", result.optimal},
            {"seconds", result.seconds},
            {"ns_per_sample", result.ns_per_sample},
            {"rank_imbalance", result.rank_imbalance},
            {"attention_imbalance", result.attention_imbalance},
            {"sample_indices", result.sample_indices},
            {"step_idle", result.shuffled.idle},
            {"step_idle_balanced", result.balanced.idle}};
}

ordered_json capacity_json(const capacity_report& capacity) {
    ordered_json results = ordered_json::array();
    for (const algorithm_result& result : capacity.results) {
        results.push_back(result_json(result));
    }
    const excess_report& excess = capacity.excess;
    const advice& advised = capacity.advice;
    return {
        {"capacity", capacity.capacity},
        {"samples", capacity.samples},
        {"tokens", capacity.tokens},
        {"skipped",
         {{"overlong", capacity.skipped_overlong}, {"empty", capacity.skipped_empty}}},
        {"excess_length",
         {{"strategy", to_string(excess.strategy)},
          {"samples", excess.samples},
          {"longest", excess.longest},
          {"dropped_tokens", excess.dropped_tokens},
          {"cut_tokens", excess.cut_tokens},
          {"packed_items", capacity.items}}},
        {"lengths", lengths_json(capacity)},
        {"results", std::move(results)},
        {"unpacked",
         {{"pad_to_capacity", {{"efficiency", capacity.pad_to_capacity}}},
          {"pad_to_longest", {{"efficiency", capacity.pad_to_longest}}}}},
        {"advice",
         {{"sample_packing", advised.sample_packing},
          {"sample_packing_eff_est", advised.sample_packing_eff_est},
          {"sequence_len", advised.sequence_len},
          {"steps_per_epoch", advised.steps_per_epoch},
          {"axolotl_estimated_steps", advised.axolotl_estimated_steps},
          {"algorithm", advised.algorithm},
          {"reason", advised.reason}}},
    };
}

}  // namespace

ordered_json report_json(const report& result) {
    ordered_json document = capacity_json(result.main());
    if (!result.left_out.empty()) document["algorithms_left_out"] = result.left_out;
    if (result.capacities.size() > 1) {
        document["recommended_capacity"] = result.capacities[result.recommended].capacity;
        document["sweep"] = ordered_json::array();
        for (const capacity_report& one : result.capacities) {
            document["sweep"].push_back(capacity_json(one));
        }
    }
    return document;
}

std::string report_csv(const report& result) {
    ordered_json rows = ordered_json::array();
    for (const capacity_report& capacity : result.capacities) {
        for (const algorithm_result& one : capacity.results) {
            ordered_json row = {{"capacity", capacity.capacity},
                                {"samples", capacity.samples},
                                {"tokens", capacity.tokens},
                                {"skipped_overlong", capacity.skipped_overlong},
                                {"skipped_empty", capacity.skipped_empty}};
            row.update(result_json(one));
            for (const char* const key :
                 {"bound", "sample_indices", "step_idle", "step_idle_balanced"})
                row.erase(key);
            rows.push_back(std::move(row));
        }
    }
    return csv_of(rows);
}

void render_bins(const bin_list<>& bins,
                 const std::function<void(std::string_view)>& write) {
    constexpr std::size_t piece = 65536;
    std::string text;
    std::array<char, 16> digits{};
    for (const auto bin : bins) {
        text += '[';
        for (std::size_t i = 0; i < bin.size(); ++i) {
            if (i > 0) text += ',';
            const auto end =
                std::to_chars(digits.data(), digits.data() + digits.size(), bin[i]);
            text.append(digits.data(), end.ptr);
        }
        text += "]\n";
        if (text.size() >= piece) {
            write(text);
            text.clear();
        }
    }
    write(text);
}

}  // namespace packkit::app
