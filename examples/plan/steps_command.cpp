// SPDX-License-Identifier: Apache-2.0
// packkit-plan steps: how many steps, how many hours.
#include "command.hpp"
#include "length_options.hpp"

#include "common/errors.hpp"
#include "common/numbers.hpp"

#include <packkit/estimate/workload.hpp>
#include <packkit/mesh.hpp>
#include <packkit/utility/batch_size.hpp>

#include <memory>
#include <optional>

namespace packkit::plan {
namespace {

using app::grouped;
using app::parse_option_real;
using app::usage_error;

constexpr const char* description =
    "How many optimizer steps a training takes, and how many hours.";

constexpr const char* footer =
    R"(Rows of a step = micro_batch_size x gradient_accumulation_steps x dp_replicate x dp_shard:
cp and tp do not count. Give them, or their product as --global-batch-size, or the batch that
is wanted and let --gradient-accumulation-steps follow from it.
A row is a sample; with --lengths and --sequence-len it is a packed row of samples.
The rows left over at the end of an epoch make a last, smaller step, as in packkit-train;
--dataloader-drop-last leaves it out.

Examples:
  packkit-plan steps --samples 10000000 --micro-batch-size 32 --gradient-accumulation-steps 3 \
    --dp-shard-size 2 --seconds-per-step 0.5-0.8
  packkit-plan steps --samples 52000 --global-batch-size 128 --epochs 3 --seconds-per-step 2.1
  packkit-plan steps --lengths lengths.txt --sequence-len 4096 --global-batch-size 64
  packkit-plan steps --samples 100000 --global-batch-size 512 --micro-batch-size 2 --gpus 64

Exit status: 0 done, 1 failed, 2 wrong usage or wrong input.)";

constexpr std::int64_t largest_size = 1'000'000'000;

struct steps_texts {
    std::string samples, epochs, global, micro, accumulation, replicate, shard, cp, tp,
        gpus;
    std::string seconds, price, sequence_len;
    bool drop_last = false;
    bool keep_last = false;
    length_texts lengths;
    output_texts output;
};

std::optional<std::int64_t> size(const char* option, const std::string& text) {
    return app::parse_given_integer(option, text, 1, largest_size);
}

/// Seconds a step, lowest and highest: "0.65" or "0.5-0.8".
struct seconds_range {
    double low = 0;
    double high = 0;
    [[nodiscard]] double middle() const { return (low + high) / 2; }
};

seconds_range parse_seconds(const std::string& text) {
    constexpr const char* option = "--seconds-per-step";
    // The '-' of a range stands behind a digit or a point, that of 1e-3 behind an e.
    std::size_t dash = text.find('-', 1);
    while (dash != text.npos && (text[dash - 1] == 'e' || text[dash - 1] == 'E'))
        dash = text.find('-', dash + 1);
    if (dash == text.npos) {
        const double value = parse_option_real(option, text);
        return {value, value};
    }
    const seconds_range range{parse_option_real(option, text.substr(0, dash)),
                              parse_option_real(option, text.substr(dash + 1))};
    if (range.low > range.high) {
        throw usage_error(option, app::in_quotes(text) +
                                      " is no range: the first number is the larger");
    }
    return range;
}

/// The ranks that see different samples.
std::int64_t data_parallel_size(const steps_texts& texts) {
    const auto replicate = size("--dp-replicate-size", texts.replicate);
    const auto shard = size("--dp-shard-size", texts.shard);
    const auto cp = size("--context-parallel-size", texts.cp);
    const auto tp = size("--tensor-parallel-size", texts.tp);
    if (const auto gpus = size("--gpus", texts.gpus)) {
        const mesh_request request{replicate, shard, cp, tp, shard.has_value()};
        return resolve_mesh(*gpus, request).data_parallel_size();
    }
    return replicate.value_or(1) * shard.value_or(1);
}

struct batch_choice {
    std::optional<batch_size> parts;  ///< unknown when only the product was given
    std::int64_t global = 0;
};

batch_choice parse_batch(const steps_texts& texts) {
    const auto global = size("--global-batch-size", texts.global);
    const auto micro = size("--micro-batch-size", texts.micro);
    const auto accumulation = size("--gradient-accumulation-steps", texts.accumulation);
    const std::int64_t ranks = data_parallel_size(texts);
    if (!global && !micro) {
        throw usage_error(
            "the batch is missing: --global-batch-size, or --micro-batch-size with "
            "--gradient-accumulation-steps and the ranks");
    }
    if (global && !micro && !accumulation && ranks == 1) return {std::nullopt, *global};
    const std::int64_t rows = micro.value_or(1);
    if (!global) {
        const batch_size parts =
            resolve_batch_size(rows, accumulation.value_or(1), std::nullopt, ranks);
        return {parts, parts.global()};
    }
    const std::int64_t wanted = accumulation_for(*global, rows, ranks);
    if (accumulation && *accumulation != wanted) {
        throw usage_error(
            "--global-batch-size",
            std::to_string(*global) + " contradicts micro_batch_size " +
                std::to_string(rows) + " x gradient_accumulation_steps " +
                std::to_string(*accumulation) + " x " + std::to_string(ranks) +
                " data-parallel ranks; gradient_accumulation_steps would be " +
                std::to_string(wanted));
    }
    return {batch_size{rows, wanted, ranks}, *global};
}

std::int64_t steps_of(std::int64_t per_epoch, double epochs) {
    try {
        return steps_of_epochs(per_epoch, epochs);
    } catch (const invalid_argument&) {
        throw usage_error("--epochs", "more steps than can be counted");
    }
}

/// "52,083 full steps and one of 64 rows", or "2" where all are full.
std::string steps_text(const epoch_steps& steps, bool drop_last) {
    if (steps.last_rows == 0 || drop_last) return grouped(steps.count(drop_last));
    const std::string last =
        grouped(steps.last_rows) + (steps.last_rows == 1 ? " row" : " rows");
    if (steps.full == 0) return "one of " + last;
    return grouped(steps.full) + " full " + (steps.full == 1 ? "step" : "steps") +
           " and one of " + last;
}

/// "7.2 – 11.6 h", or one number.
std::string range_text(double low, double high, const std::string& unit) {
    const auto number = [](double value) {
        return app::fixed(value, value < 10 ? 2 : 1);
    };
    return number(low) + (low == high ? "" : " – " + number(high)) + " " + unit;
}

void add_time(const steps_texts& texts, std::int64_t steps, std::vector<fact>& facts) {
    if (texts.seconds.empty()) return;
    const seconds_range seconds = parse_seconds(texts.seconds);
    const double low = hours(steps, seconds.low);
    const double high = hours(steps, seconds.high);
    facts.push_back({"seconds_per_step", seconds.middle(), "seconds a step",
                     range_text(seconds.low, seconds.high, "s")});
    facts.push_back(
        {"hours", hours(steps, seconds.middle()), "time", range_text(low, high, "h")});
    facts.push_back({"hours_low", low, "", ""});
    facts.push_back({"hours_high", high, "", ""});
    if (texts.price.empty()) return;
    const double price = parse_option_real("--price-per-gpu-hour", texts.price, true);
    const auto gpus = size("--gpus", texts.gpus);
    if (!gpus) throw usage_error("--price-per-gpu-hour", "needs --gpus");
    const double hourly = price * static_cast<double>(*gpus);
    facts.push_back({"cost", hourly * hours(steps, seconds.middle()), "cost",
                     range_text(hourly * low, hourly * high, "")});
}

void add_rows(const steps_texts& texts, std::optional<std::int64_t> samples,
              std::int64_t& rows, std::vector<fact>& facts,
              std::vector<std::string>& notes) {
    if (!has_lengths(texts.lengths)) {
        check_no_length_options(texts.lengths);
        rows = *samples;
        facts.push_back({"samples", rows, "samples", grouped(rows)});
        facts.push_back({"rows", rows, "", ""});
        facts.push_back({"packed", false, "", ""});
        return;
    }
    if (samples) {
        throw usage_error(
            "--samples and --lengths exclude each other: the file says how "
            "many samples there are");
    }
    const auto capacity = size("--sequence-len", texts.sequence_len);
    if (!capacity) {
        throw usage_error("--lengths", "needs --sequence-len, the tokens a row");
    }
    const workload packed = packed_workload(read_lengths(texts.lengths, *capacity),
                                            *capacity, attention_cost{1, 0});
    rows = static_cast<std::int64_t>(packed.rows_per_epoch);
    facts.push_back({"samples", packed.samples, "samples", grouped(packed.samples)});
    facts.push_back({"rows", rows, "packed rows", grouped(rows)});
    facts.push_back({"packed", true, "", ""});
    facts.push_back({"packing_efficiency", packed.efficiency, "packing efficiency",
                     app::percent(packed.efficiency)});
    note_lengths(packed, *capacity, notes);
}

void run(const steps_texts& texts) {
    check_output_paths({{"--output", texts.output.output}}, texts.lengths.paths);
    const app::output_format format = parse_format(texts.output);
    const auto samples = app::parse_given_integer("--samples", texts.samples, 1);
    if (!samples && !has_lengths(texts.lengths)) {
        throw usage_error("--samples or --lengths is missing: what is trained on");
    }
    double epochs = 1;
    app::set_given_real("--epochs", texts.epochs, epochs);
    if (texts.drop_last && texts.keep_last)
        throw usage_error("--dataloader-drop-last and --keep-last exclude each other");
    const batch_choice batch = parse_batch(texts);

    std::vector<fact> facts;
    std::vector<std::string> notes;
    std::int64_t rows = 0;
    add_rows(texts, samples, rows, facts, notes);
    const epoch_steps epoch = steps_of_epoch(rows, batch.global);
    const std::int64_t per_epoch = epoch.count(texts.drop_last);
    const std::int64_t steps = steps_of(per_epoch, epochs);
    const auto add = [&](const char* key, std::int64_t value, const char* label) {
        facts.push_back({key, value, label, grouped(value)});
    };
    if (batch.parts) {
        const auto& [micro, accumulation, ranks] = *batch.parts;
        add("micro_batch_size", micro, "micro_batch_size");
        add("gradient_accumulation_steps", accumulation, "gradient_accumulation_steps");
        add("data_parallel_size", ranks, "data-parallel ranks");
    }
    facts.push_back({"global_batch_size", batch.global, "global batch size",
                     grouped(batch.global) + " rows"});
    facts.push_back({"epochs", epochs, "epochs", app::shortest(epochs)});
    facts.push_back({"drop_last", texts.drop_last, "", ""});
    facts.push_back({"steps_per_epoch", per_epoch, "steps an epoch",
                     steps_text(epoch, texts.drop_last)});
    add("steps", steps, "steps");
    add_time(texts, steps, facts);
    facts.push_back({"full_steps_per_epoch", epoch.full, "", ""});
    facts.push_back({"last_step_rows", epoch.last_rows, "", ""});

    if (epoch.last_rows != 0 && texts.drop_last) {
        notes.push_back("The last " + grouped(epoch.last_rows) +
                        " rows of an epoch fill no step and are dropped.");
    }
    if (per_epoch == 0) {
        throw usage_error("--global-batch-size",
                          std::to_string(batch.global) + " is more than the " +
                              std::to_string(rows) +
                              " rows of an epoch: --dataloader-drop-last leaves no "
                              "step");
    }
    write_outputs(texts.output, render_facts(facts, "Steps", notes, format));
}

}  // namespace

void add_steps_command(CLI::App& program, action& chosen) {
    const auto texts = std::make_shared<steps_texts>();
    CLI::App& command = add_command(program, "steps", description, footer, chosen,
                                    [texts] { run(*texts); });
    option_group group(command, "Data");
    group.text("--samples", texts->samples, "N", "Samples of an epoch, one a row");
    group.text("--epochs,--num-epochs", texts->epochs, "X",
               "Epochs, also parts of one (default 1)");
    group.text("--sequence-len", texts->sequence_len, "N", "Tokens a row, for --lengths");
    add_drop_last_switch(command, texts->drop_last);
    group.flag("--keep-last", texts->keep_last, "Keep that step: the default");
    group = {command, "Batch"};
    group.text("--global-batch-size", texts->global, "N", "Rows a step in all");
    group.text("--micro-batch-size", texts->micro, "N", "Rows a micro-batch");
    group.text("--gradient-accumulation-steps", texts->accumulation, "N",
               "Micro-batches a step (default 1)");
    group.text("--dp-replicate-size", texts->replicate, "N", "Replicas (default 1)");
    group.text("--dp-shard-size", texts->shard, "N", "Shards (default 1)");
    group.text("--context-parallel-size", texts->cp, "N",
               "Ranks that share a row; they do not count");
    group.text("--tensor-parallel-size", texts->tp, "N",
               "Ranks that share matrices; they do not count");
    group.text("--gpus", texts->gpus, "N",
               "All ranks: what is not set of the mesh follows from them");
    group = {command, "Time"};
    group.text("--seconds-per-step", texts->seconds, "S", "0.65, or a range: 0.5-0.8");
    group.text("--price-per-gpu-hour", texts->price, "X", "Cost, for --gpus");
    add_length_options(command, texts->lengths);
    add_output_options(command, texts->output);
}

}  // namespace packkit::plan
