// SPDX-License-Identifier: Apache-2.0
#include "length_options.hpp"

#include "command.hpp"

#include "common/errors.hpp"
#include "common/numbers.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace packkit::plan {
namespace {

using app::usage_error;

/// The counts that fit a capacity; those of samples that do not go into `work`.
length_counts fitting(const length_data& data, std::int64_t capacity, workload& work) {
    data.histogram.for_each([&](std::int64_t length, std::uint64_t count) {
        if (length <= capacity) return;
        const auto samples = static_cast<std::int64_t>(count);
        if (data.excess == excess_length_strategy::drop) {
            work.dropped_samples += samples;
            work.dropped_tokens += samples * length;
        } else if (data.excess == excess_length_strategy::truncate) {
            work.cut_tokens += samples * (length - capacity);
        }
    });
    length_counts counts = app::fitted_counts(data.histogram, capacity, data.excess);
    if (counts.samples == 0) {
        throw app::input_error(
            "--lengths", "no sample fits --sequence-len " + std::to_string(capacity) +
                             "; the shortest of them is longer: raise it, or use "
                             "--excess-length-strategy truncate or split");
    }
    return counts;
}

workload with_losses(workload work, const workload& losses) {
    work.dropped_samples = losses.dropped_samples;
    work.dropped_tokens = losses.dropped_tokens;
    work.cut_tokens = losses.cut_tokens;
    return work;
}

}  // namespace

void add_length_options(CLI::App& command, length_texts& texts) {
    const option_group inputs(command, "Inputs");
    inputs.repeated("--lengths", texts.paths, "FILE",
                    "Lengths of samples, or samples, as packkit-pack reads them; - is "
                    "standard input");
    inputs.text("--excess-length-strategy", texts.excess, "NAME",
                "Samples above --sequence-len: drop (default), truncate, split, "
                "raise");
    app::add_input_options(command, texts.inputs);
}

bool has_lengths(const length_texts& texts) {
    return !texts.paths.empty();
}

void check_no_length_options(const length_texts& texts) {
    const app::input_option_texts& inputs = texts.inputs;
    const std::array<std::pair<const char*, const std::string*>, 8> options = {
        {{"--excess-length-strategy", &texts.excess},
         {"--input-format", &inputs.input_format},
         {"--column", &inputs.column},
         {"--length-field", &inputs.length_field},
         {"--text-field", &inputs.text_field},
         {"--tokenizer", &inputs.tokenizer},
         {"--ids-field", &inputs.ids_field},
         {"--vocab-size", &inputs.vocab_size}}};
    for (const auto& [option, text] : options) {
        if (!text->empty()) throw usage_error(option, "is for --lengths; none is given");
    }
}

length_data read_lengths(const length_texts& texts, std::int64_t capacity) {
    if (std::count(texts.paths.begin(), texts.paths.end(), "-") > 1)
        throw usage_error("- is named twice; standard input can be read only once");
    length_data data;
    data.excess = app::parse_excess_option(texts.excess);
    const app::row_options rows = app::parse_row_options(texts.inputs, texts.paths);
    const std::int64_t longest = data.excess == excess_length_strategy::raise
                                     ? capacity
                                     : std::numeric_limits<std::int64_t>::max();
    data.histogram = app::count_samples(
        app::read_samples(texts.paths, texts.inputs.input_format, rows, longest));
    return data;
}

workload packed_workload(const length_data& data, std::int64_t capacity,
                         const attention_cost& cost) {
    workload losses;
    const length_counts counts = fitting(data, capacity, losses);
    packed_rows_options options;
    options.cost = cost;
    return with_losses(packed_rows(counts, capacity, options), losses);
}

workload padded_workload(const length_data& data, std::int64_t capacity,
                         const attention_cost& cost, row_padding padding,
                         std::int64_t micro_batch_size) {
    workload losses;
    const length_counts counts = fitting(data, capacity, losses);
    padded_rows_options options;
    options.cost = cost;
    options.padding = padding;
    options.micro_batch_size = micro_batch_size;
    return with_losses(padded_rows(counts, capacity, options), losses);
}

void note_lengths(const workload& work, std::int64_t capacity,
                  std::vector<std::string>& notes) {
    if (work.dropped_samples > 0) {
        notes.push_back(app::grouped(work.dropped_samples) + " samples with " +
                        app::grouped(work.dropped_tokens) +
                        " tokens are longer than the row of " + app::grouped(capacity) +
                        " and dropped.");
    }
    if (work.cut_tokens > 0) {
        notes.push_back(app::grouped(work.cut_tokens) +
                        " tokens of samples longer than the row of " +
                        app::grouped(capacity) + " are cut off.");
    }
}

}  // namespace packkit::plan
