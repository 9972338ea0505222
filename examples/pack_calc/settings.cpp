// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include "algorithms.hpp"

#include "common/command_line.hpp"
#include "common/did_you_mean.hpp"
#include "common/errors.hpp"
#include "common/lengths/input_options.hpp"
#include "common/numbers.hpp"

#include <packkit/version.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <limits>

namespace packkit::app {
namespace {

constexpr const char* description =
    "How well do these samples pack into rows of a fixed number of tokens, and does\n"
    "packing pay? Reads the lengths, packs them with each algorithm, and reports\n"
    "efficiency, distance from the lower bound, balance over ranks, and advice.";

constexpr const char* footer = R"(Algorithms, the first of all being first_fit_decreasing:
  first_fit_decreasing best_fit_decreasing worst_fit_decreasing: longest first
  pattern_fit: rows that are exactly full, found by lengths; never more rows than the two
    decreasing fits
  first_fit best_fit next_fit: in the order of the samples
  window_fit: in their order but for a window of 8 open rows
  axolotl: what Axolotl's multipack sampler makes of that order: first_fit in groups of
    100000 and at most 200 samples a row (--group-size, --bin-size); with --sequential
    next_fit without either
Inputs (several are joined in the order given):
  FILE.txt       a length a line
  FILE.json      one array of lengths
  FILE.npy       a one-dimensional array of integers
  FILE.jsonl     an object a line: --length-field, --text-field or --ids-field
  FILE.parquet   a column of integers (lengths), lists of integers (ids) or strings
  FILE.arrow, FILE.feather   the same; page checksums of .parquet are verified
  -              standard input: --input-format, or told from its first bytes
Line ends may be CRLF, the last may be missing, and a byte order mark is passed over.
null is refused, never counted. Lengths are whole numbers >= 1. Empty texts and rows
without ids are left out and counted; samples above the capacity follow
--excess-length-strategy.
--tokenizer takes bytes, a tokenizer.json, a SentencePiece .model or a folder with one. The
tokens of a text are those that packkit-train packs for type completion: with those that
the tokenizer puts around a text, and with eos. Several text fields are joined without a
separator.
Above 1,000,000 samples, without --algorithms, only those run that need no look at each
sample or search: first_fit_decreasing and best_fit_decreasing; all adds up to 0.2 s each
per million. Those two then pack lengths alone, unless --bins asks for sample indices.

Examples:
  packkit-pack lengths.txt --capacity 4096
  packkit-pack train.parquet --column length --capacity 4096 --ranks 8
  packkit-pack data.jsonl --text-field prompt,response --tokenizer bytes --capacity 2048
  packkit-pack tokens.jsonl --vocab-size 32000 --capacity 4096 --ranks 8 --html report.html
  packkit-pack lengths.npy --capacities 2048,4096,8192 --format csv
  packkit-pack lengths.txt --capacity 4096 --algorithm best_fit_decreasing --bins bins.jsonl
  seq 1 1000 | packkit-pack - --capacity 1024 --format json

Exit status: 0 done, 1 failed, 2 wrong usage or wrong input.)";

/// Sizes above this are mistakes, and their products must fit 64 bits.
constexpr std::int64_t largest_size = 1'000'000;

/// Options as they are written; empty where they were not given.
struct raw_options {
    std::vector<std::string> inputs;
    std::string capacity, capacities, algorithm, excess, seed, threads, micro,
        accumulation;
    std::string ranks, group_size, bin_size, bins, html;
    output_texts output;
    input_option_texts rows;
    bool sequential = false;
};

void add_options(CLI::App& app, raw_options& raw) {
    app.option_defaults()->take_last();
    app.footer(footer);
    app.set_version_flag("--version", "packkit-pack " PACKKIT_VERSION);
    app.add_option("INPUT", raw.inputs,
                   "Files of lengths or samples; - is standard input")
        ->take_all();

    option_group group(app, "Packing");
    group.text("--capacity", raw.capacity, "N", "Tokens a row (sequence_len)");
    group.text("--capacities", raw.capacities, "N,N...", "Compare several capacities");
    group.text("--algorithm,--algorithms", raw.algorithm, "NAME,NAME...",
               "all, or of those listed below (default: all, of many samples the quick)");
    group.text("--excess-length-strategy", raw.excess, "NAME",
               "Samples above the capacity: drop (default), truncate, split, raise");
    group.text("--group-size", raw.group_size, "N",
               "Pack groups of N samples independently, 0: one group (axolotl: 100000)");
    group.text("--bin-size", raw.bin_size, "N",
               "At most N samples a row, 0: no limit (axolotl: 200)");
    group.flag("--sequential", raw.sequential,
               "sample_packing_sequentially: axolotl is next_fit, order kept");
    group.text("--seed", raw.seed, "N",
               "Shuffle the samples first, as a sampler does (default: their order)");
    group.text("--threads", raw.threads, "N",
               "Run N algorithms at once (default 1: times undisturbed); same result");

    group = {app, "Batches"};
    group.text("--micro-batch-size", raw.micro, "N", "Rows a micro-batch (default 1)");
    group.text("--gradient-accumulation-steps", raw.accumulation, "N",
               "Micro-batches a step (default 1)");
    group.text("--ranks", raw.ranks, "N", "Data-parallel ranks (default 1)");

    add_input_options(app, raw.rows);

    group = {app, "Results"};
    add_output_options(app, raw.output);
    group.text("--bins", raw.bins, "FILE",
               "Write an array of sample indices a row, of the first algorithm");
    group.text("--html", raw.html, "FILE", "Write a self-contained report with plots");
}

std::optional<std::size_t> size(const std::string& option, const std::string& text,
                                std::int64_t minimum, std::int64_t maximum) {
    const auto value = parse_given_integer(option, text, minimum, maximum);
    return value ? std::optional(static_cast<std::size_t>(*value)) : std::nullopt;
}

void set_capacities(const raw_options& raw, settings& result) {
    // Positions in a row are int32 (cu_seqlens).
    constexpr std::int64_t largest = std::numeric_limits<std::int32_t>::max();
    const auto add = [&](const std::string& option, const std::string& text) {
        const std::int64_t capacity = parse_option_integer(option, text, 1, largest);
        auto& all = result.capacities;
        if (std::find(all.begin(), all.end(), capacity) == all.end())
            all.push_back(capacity);
    };
    if (!raw.capacity.empty()) add("--capacity", raw.capacity);
    result.main_capacity_given = !raw.capacity.empty();
    if (!raw.capacities.empty()) {
        for (const auto& part : split_list("--capacities", raw.capacities)) {
            add("--capacities", part);
        }
    }
    if (result.capacities.empty()) {
        throw usage_error(
            "--capacity is missing: the tokens a row (sequence_len), as in "
            "--capacity 4096");
    }
}

/// "; did you mean …": near in spelling, or the initials, as ffd.
std::string suggest_algorithm(const std::string& name,
                              const std::vector<std::string_view>& known) {
    const std::string near = did_you_mean(name, known);
    if (!near.empty()) return near;
    for (const std::string_view candidate : known) {
        std::string initials;
        for (std::size_t i = 0; i < candidate.size(); ++i) {
            if (i == 0 || candidate[i - 1] == '_') initials += candidate[i];
        }
        if (name == initials) return "; did you mean '" + std::string(candidate) + "'?";
    }
    return {};
}

void set_algorithms(const raw_options& raw, settings& result) {
    const auto known = algorithm_names();
    if (raw.algorithm.empty()) return;
    if (raw.algorithm == "all") {
        result.algorithms.assign(known.begin(), known.end());
        return;
    }
    for (const auto& name : split_list("--algorithm", raw.algorithm)) {
        if (std::find(known.begin(), known.end(), name) == known.end()) {
            throw usage_error("--algorithm", "unknown algorithm " + in_quotes(name) +
                                                 "; expected all, or of " +
                                                 name_list(known) +
                                                 suggest_algorithm(name, known));
        }
        auto& all = result.algorithms;
        if (std::find(all.begin(), all.end(), name) == all.end()) all.push_back(name);
    }
}

void set_outputs(const raw_options& raw, settings& result) {
    result.output = raw.output;
    result.bins_path = raw.bins;
    result.html_path = raw.html;
    check_output_paths(
        {{"--output", raw.output.output}, {"--bins", raw.bins}, {"--html", raw.html}},
        result.inputs);
}

}  // namespace

std::optional<settings> parse_settings(int argc, char** argv) {
    CLI::App app(description, "packkit-pack");
    raw_options raw;
    add_options(app, raw);
    if (parse_command_line(app, argc, argv)) return std::nullopt;

    settings result;
    result.inputs = raw.inputs;
    result.input_format = raw.rows.input_format;
    if (result.inputs.empty()) {
        throw usage_error(
            "no input: name files of lengths or samples, or - for standard "
            "input; see --help");
    }
    if (std::count(result.inputs.begin(), result.inputs.end(), "-") > 1) {
        throw usage_error("- is named twice; standard input can be read only once");
    }
    set_capacities(raw, result);
    set_algorithms(raw, result);
    result.excess = parse_excess_option(raw.excess);
    result.rows = parse_row_options(raw.rows, result.inputs);

    constexpr std::int64_t any = std::numeric_limits<std::int64_t>::max();
    result.seed = size("--seed", raw.seed, 0, any);
    result.threads = size("--threads", raw.threads, 1, 1024).value_or(1);
    result.group_size = size("--group-size", raw.group_size, 0, any);
    result.bin_size = size("--bin-size", raw.bin_size, 0, any);
    result.sequential = raw.sequential;
    result.micro_batch_size =
        size("--micro-batch-size", raw.micro, 1, largest_size).value_or(1);
    result.gradient_accumulation_steps =
        size("--gradient-accumulation-steps", raw.accumulation, 1, largest_size)
            .value_or(1);
    result.ranks = size("--ranks", raw.ranks, 1, largest_size).value_or(1);
    result.format = parse_format(raw.output);
    set_outputs(raw, result);
    return result;
}

}  // namespace packkit::app
