// SPDX-License-Identifier: Apache-2.0
// packkit-plan mfu: what share of the peak a throughput is, and whether it is possible.
#include "cluster_options.hpp"
#include "command.hpp"
#include "length_options.hpp"
#include "model_choice.hpp"

#include "common/errors.hpp"
#include "common/numbers.hpp"

#include <packkit/estimate/flops.hpp>
#include <packkit/estimate/throughput_claim.hpp>
#include <packkit/model/layout.hpp>

#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>

namespace packkit::plan {
namespace {

using app::grouped;
using app::ordered_json;
using app::usage_error;

constexpr const char* description =
    "What share of a GPU's peak a measured or claimed throughput is, and whether it is\n"
    "possible at all.";

constexpr const char* footer =
    R"(FLOPs a token, N parameters, V vocabulary, h hidden size, L layers, s sequence:
  A  6N + 12Lhs          as most trainers report it
  B  6(N - Vh) + 12Lhs   without the embedding table
  C  6(N - Vh) + 6Lhs    and causal attention counted once
With packed documents s is the sum of their squared lengths over the sum of their lengths:
--lengths takes it from data, --attention-length names it.
HFU adds what activation checkpointing computes again.
The verdict does not depend on the convention: a throughput is impossible if the least work
that training takes (causal attention, half of the square; forward and backward, and what
--activation-checkpointing computes again) is above the peak, and implausible if it is
above 65 % of the peak, more than any published run has reached. An impossible claim is a
result, not an error: the exit status is 0.

Examples:
  packkit-plan mfu llama-3-8b --gpu a100-80gb --sequence-len 8192 \
    --tokens-per-second-per-gpu 2904
  packkit-plan mfu llama-3-8b --gpu h100-80gb --sequence-len 8192 \
    --tokens-per-second-per-gpu 5762 --convention B
  packkit-plan mfu llama-3-70b --gpu a100-80gb --sequence-len 2048 \
    --tokens-per-second-per-gpu 1800 --format json

Exit status: 0 done, 1 failed, 2 wrong usage or wrong input.)";

constexpr std::array conventions = {flop_convention::A, flop_convention::B,
                                    flop_convention::C};

struct mfu_texts {
    std::string model, sequence_len, tokens_per_second, convention, attention_length,
        precision, checkpointing, claimed;
    device_texts gpu;
    length_texts lengths;
    output_texts output;
};

struct mfu_input {
    chosen_model model;
    device gpu;
    std::int64_t sequence_len = 0;
    double attention_length = 0;
    double tokens_per_second = 0;
    flop_convention convention = flop_convention::A;
    precision_kind precision = precision_kind::bf16_mixed;
    checkpointing_kind checkpointing = checkpointing_kind::none;
    std::optional<double> claimed;  ///< MFU as it was published
    std::vector<std::string> notes;
};

/// "0.568" or "56.8%".
double parse_share(const std::string& option, std::string text) {
    const bool percent = text.ends_with('%');
    if (percent) text.pop_back();
    return app::parse_option_real(option, text) / (percent ? 100.0 : 1.0);
}

double parse_attention_length(const mfu_texts& texts, mfu_input& input) {
    if (has_lengths(texts.lengths)) {
        if (!texts.attention_length.empty()) {
            throw usage_error(
                "--attention-length and --lengths exclude each other: the "
                "second is measured for the first");
        }
        const workload work =
            packed_workload(read_lengths(texts.lengths, input.sequence_len),
                            input.sequence_len, attention_cost{1, 0});
        note_lengths(work, input.sequence_len, input.notes);
        return work.attention_length();
    }
    check_no_length_options(texts.lengths);
    if (texts.attention_length.empty()) return static_cast<double>(input.sequence_len);
    const double length =
        app::parse_option_real("--attention-length", texts.attention_length);
    if (length > static_cast<double>(input.sequence_len)) {
        throw usage_error("--attention-length", texts.attention_length +
                                                    " is above --sequence-len " +
                                                    std::to_string(input.sequence_len));
    }
    return length;
}

mfu_input parse(const mfu_texts& texts) {
    mfu_input input;
    input.model = choose_model(texts.model);
    input.gpu = parse_device(texts.gpu, 1);
    if (texts.sequence_len.empty())
        throw usage_error("--sequence-len is missing: the tokens a row");
    input.sequence_len =
        app::parse_option_integer("--sequence-len", texts.sequence_len, 1,
                                  std::numeric_limits<std::int32_t>::max());
    if (texts.tokens_per_second.empty()) {
        throw usage_error(
            "--tokens-per-second-per-gpu is missing: the throughput to judge");
    }
    input.tokens_per_second =
        app::parse_option_real("--tokens-per-second-per-gpu", texts.tokens_per_second);
    app::set_choice("--convention", "convention", texts.convention, flop_convention_names,
                    input.convention);
    app::set_choice("--precision", "precision", texts.precision, precision_names,
                    input.precision);
    app::set_choice("--activation-checkpointing", "checkpointing", texts.checkpointing,
                    checkpointing_names, input.checkpointing);
    if (!texts.claimed.empty())
        input.claimed = parse_share("--claimed-mfu", texts.claimed);
    input.attention_length = parse_attention_length(texts, input);
    return input;
}

/// Whether the claim agrees with its own row under some convention.
void judge_claim(const mfu_input& input, const std::array<double, 3>& shares,
                 std::vector<fact>& facts, std::vector<std::string>& sentences) {
    if (!input.claimed) return;
    constexpr double tolerance = 0.01;  // rounded figures on both sides
    std::string agreeing;
    for (std::size_t i = 0; i < shares.size(); ++i) {
        if (std::abs(*input.claimed - shares[i]) <= tolerance * shares[i])
            agreeing +=
                (agreeing.empty() ? "" : ", ") + std::string(flop_convention_names[i]);
    }
    facts.push_back(
        {"claimed_mfu", *input.claimed, "claimed MFU", app::percent(*input.claimed, 1)});
    facts.push_back({"consistent", !agreeing.empty(), "", ""});
    sentences.push_back(
        agreeing.empty()
            ? "The claimed MFU of " + app::percent(*input.claimed, 1) +
                  " contradicts the throughput: no convention is within 1 % of it."
            : "The claimed MFU of " + app::percent(*input.claimed, 1) +
                  " agrees with the throughput under convention " + agreeing + ".");
}

/// Why a throughput is impossible or implausible.
std::string verdict_sentence(const mfu_input& input, const claim_check& check,
                             double peak, double without_attention) {
    const bool again = input.checkpointing != checkpointing_kind::none;
    const std::string needs =
        app::fixed(input.tokens_per_second, 0) + " tokens/s a GPU would need " +
        app::percent(check.required_hfu, 1) + " of the peak of " +
        app::fixed(peak / 1e12, 1) + " TFLOP/s by the least work that training takes (" +
        "causal attention, " + (again ? "" : "no ") + "recomputation)";
    if (check.possible()) {
        return "Implausible: " + needs + "; the best published runs reach less than " +
               app::percent(highest_plausible_share, 0) + " of the peak.";
    }
    return "Impossible: " + needs + "; at the peak it would be " +
           app::fixed(check.tokens_per_second_limit, 0) +
           ", and if attention cost nothing " + app::fixed(without_attention, 0) + ".";
}

void run(const mfu_texts& texts) {
    check_output_paths({{"--output", texts.output.output}}, texts.lengths.paths);
    const app::output_format format = parse_format(texts.output);
    const mfu_input input = parse(texts);
    const model_layout layout(input.model.shape);
    const double peak = input.gpu.peak_flops(input.precision);
    const double speed = input.tokens_per_second;
    const auto chosen = static_cast<std::size_t>(input.convention);
    const std::string name(flop_convention_names[chosen]);

    std::array<double, 3> shares{};
    ordered_json all = ordered_json::object();
    std::string each;
    for (std::size_t i = 0; i < conventions.size(); ++i) {
        const double flops =
            flops_per_token(layout, conventions[i], input.attention_length);
        shares[i] = mfu(flops, speed, peak);
        all[std::string(flop_convention_names[i])] = {{"flops_per_token", flops},
                                                      {"mfu", shares[i]}};
        each += (each.empty() ? "" : ", ") + std::string(flop_convention_names[i]) + " " +
                app::percent(shares[i], 1);
    }
    const double flops =
        flops_per_token(layout, input.convention, input.attention_length);
    const double hardware = hfu(layout, input.convention, input.attention_length,
                                input.checkpointing, speed, peak);
    const claim_check check =
        check_claim(layout, {speed, input.attention_length, input.checkpointing}, peak);
    const double limit = check.tokens_per_second_limit;
    const double without_attention =
        tokens_per_second_limit(peak, flops_per_token(layout, flop_convention::A, 0.0));

    std::vector<fact> facts = {
        {"model", input.model.name, "model",
         input.model.name + ", " + grouped(layout.parameters()) + " parameters"},
        {"parameters", layout.parameters(), "", ""},
        {"gpu", input.gpu.name, "GPU", std::string(input.gpu.name)},
        {"precision", to_string(input.precision), "", ""},
        {"peak_tflops", peak / 1e12, "peak", app::fixed(peak / 1e12, 1) + " TFLOP/s"},
        {"sequence_len", input.sequence_len, "sequence", grouped(input.sequence_len)},
        {"attention_length", input.attention_length, "attention length",
         app::fixed(input.attention_length, 1)},
        {"tokens_per_second_per_gpu", speed, "tokens/s a GPU", app::fixed(speed, 1)},
        {"convention", name, "convention", name},
        {"flops_per_token", flops, "FLOPs a token", app::fixed(flops / 1e9, 2) + " G"},
        {"mfu", shares[chosen], "MFU", app::percent(shares[chosen], 1)},
        {"hfu", hardware, "HFU", app::percent(hardware, 1)},
        {"activation_checkpointing", to_string(input.checkpointing), "", ""},
        {"conventions", all, "MFU by convention", each},
        {"least_work_share", check.required_hfu, "least share of the peak",
         app::percent(check.required_hfu, 1)},
        {"possible", check.possible(), "possible", check.possible() ? "yes" : "no"},
        {"verdict", to_string(check.verdict()), "verdict",
         std::string(to_string(check.verdict()))},
        {"limit_tokens_per_second_per_gpu", limit, "limit at the peak",
         app::fixed(limit, 1) + " tokens/s a GPU"},
        {"limit_without_attention", without_attention, "", ""}};
    std::vector<std::string> sentences = input.notes;
    if (check.verdict() != claim_verdict::possible)
        sentences.push_back(verdict_sentence(input, check, peak, without_attention));
    judge_claim(input, shares, facts, sentences);
    write_outputs(texts.output,
                  render_facts(facts, "Share of the peak", sentences, format));
}

}  // namespace

void add_mfu_command(CLI::App& program, action& chosen) {
    const auto texts = std::make_shared<mfu_texts>();
    CLI::App& command = add_command(program, "mfu", description, footer, chosen,
                                    [texts] { run(*texts); });
    add_model_argument(command, texts->model);
    const option_group group(command, "Throughput");
    group.text("--tokens-per-second-per-gpu", texts->tokens_per_second, "X",
               "What was measured or claimed");
    group.text("--sequence-len", texts->sequence_len, "N", "Tokens a row");
    group.text("--attention-length", texts->attention_length, "X",
               "s of the formulas (default --sequence-len)");
    group.text("--convention", texts->convention, "NAME", "A (default), B or C");
    group.text("--precision", texts->precision, "NAME",
               "Whose peak counts: bf16-mixed (default), bf16, fp32, fp64");
    group.text("--activation-checkpointing", texts->checkpointing, "NAME",
               "For HFU: none (default), selective, full");
    group.text("--claimed-mfu", texts->claimed, "X",
               "A published MFU, 0.568 or 56.8%, to hold against the throughput");
    add_device_options(command, texts->gpu);
    add_length_options(command, texts->lengths);
    add_output_options(command, texts->output);
}

}  // namespace packkit::plan
