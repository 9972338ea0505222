// SPDX-License-Identifier: Apache-2.0
#include "data/dataset_report.hpp"

#include "common/numbers.hpp"
#include "common/problems.hpp"

#include <fmt/format.h>

#include <string_view>

namespace packkit::train {
namespace {

/// "1 sample is" or "2 samples are".
std::string are(std::int64_t count, std::string_view noun) {
    return app::counted(count, noun) + (count == 1 ? " is" : " are");
}

}  // namespace

std::string summary_of(const dataset_report& report) {
    return "data: " + app::grouped(report.samples) + " samples, " +
           app::grouped(report.tokens) + " tokens, " +
           app::grouped(report.valid_targets) + " targets; " +
           app::grouped(report.dropped) + " dropped, " + app::grouped(report.truncated) +
           " truncated, " + app::grouped(report.split) + " split, " +
           app::grouped(report.empty) + " empty";
}

std::vector<std::string> warnings_of(const dataset_report& report,
                                     const train_config& config) {
    std::vector<std::string> lines;
    const auto add = [&](std::int64_t count, const std::string& line) {
        if (count > 0) lines.push_back(line);
    };
    const std::string rows = app::counted(report.rows, "row");
    add(report.too_long(),
        fmt::format("{} longer than sequence_len {} and dropped, of {}; "
                    "excess_length_strategy: split or truncate keeps them",
                    are(report.too_long(), "sample"), config.sequence_len, rows));
    add(report.truncated,
        fmt::format("{} cut at sequence_len {}, {} lost; excess_length_strategy: "
                    "split keeps them",
                    are(report.truncated, "sample"), config.sequence_len,
                    are(report.cut_tokens, "token")));
    add(report.too_short,
        fmt::format("{} shorter than min_sample_len {} and left out",
                    are(report.too_short, "sample"), config.min_sample_len));
    add(report.without_targets,
        fmt::format("{} left out: without a target (all labels are -100, or the answer "
                    "was cut off)",
                    are(report.without_targets, "sample")));
    add(report.duplicates, fmt::format("{} left out: equal to an earlier one "
                                       "(dataset_exact_deduplication)",
                                       are(report.duplicates, "sample")));
    add(report.without_end,
        fmt::format("{} no end of a turn that is a target: the model will not learn to "
                    "stop there; name the token that ends a turn in eot_tokens",
                    app::counted(report.without_end, "conversation") +
                        (report.without_end == 1 ? " has" : " have")));
    add(report.padding, fmt::format("{} of padding removed, as attention_mask says",
                                    app::counted(report.padding, "id")));
    add(report.as_ids, fmt::format("{} with input_ids read as type tokens",
                                   app::counted(report.as_ids, "row")));
    add(report.unused_marks,
        fmt::format("{} a key weight, train or training that is not used; name it in "
                    "message_field_training",
                    app::counted(report.unused_marks, "message") +
                        (report.unused_marks == 1 ? " has" : " have")));
    add(report.held_out,
        fmt::format("val_set_size: {} held out from training ({}, seed {})",
                    are(report.held_out, "sample"),
                    app::counted(report.held_out_tokens, "token"), config.seed));
    return lines;
}

std::string nothing_left(const dataset_report& report, const train_config& config) {
    const auto count_of = [](std::int64_t count) {
        return fmt::format(", {} {} ", count, count == 1 ? "is" : "are");
    };
    std::string what = "no sample is left of " + app::counted(report.rows, "row");
    if (report.empty > 0) what += count_of(report.empty) + "empty";
    if (report.too_long() > 0) {
        what += fmt::format("{}longer than sequence_len {} (excess_length_strategy drop)",
                            count_of(report.too_long()), config.sequence_len);
    }
    if (report.too_short > 0) {
        what += fmt::format("{}shorter than min_sample_len {}",
                            count_of(report.too_short), config.min_sample_len);
    }
    if (report.without_targets > 0) {
        what += count_of(report.without_targets) +
                "without a target: there is nothing to learn (all labels are -100, or "
                "the answers were cut off)";
    }
    return what;
}

}  // namespace packkit::train
