// SPDX-License-Identifier: Apache-2.0
/// @file
/// Whether a published throughput is possible, and whether its figures agree with each
/// other: a row that contradicts itself is named, not smoothed.
#pragma once

#include <packkit/error.hpp>
#include <packkit/flops.hpp>
#include <packkit/model_layout.hpp>
#include <packkit/training_setup.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace packkit {

/// A row as it is published: a rate, and what else is printed beside it.
struct throughput_claim {
    double tokens_per_second_per_gpu = 0;
    double attention_length = 0;  ///< sequence_len where one document fills a row
    checkpointing_kind checkpointing = checkpointing_kind::none;  ///< for `hfu`
    std::optional<double> mfu = {};                ///< a share, not percent
    std::optional<double> hfu = {};                ///< a share, not percent
    std::optional<double> model_flops = {};        ///< FLOP/s a GPU
    std::optional<double> tokens_per_second = {};  ///< of all GPUs
    std::optional<std::int64_t> gpus = {};         ///< for `tokens_per_second`
};

/// Which figure of a claim does not hold.
enum class claim_figure : std::uint8_t {
    rate,          ///< above the peak: impossible
    mfu,           ///< not that of the rate, by any convention
    hfu,           ///< not that of the rate, by any convention
    model_flops,   ///< not those of the rate, by any convention
    total,         ///< not the rate times the GPUs
    mfu_of_flops,  ///< not the printed FLOP/s over the peak
    hfu_below_mfu,
};

inline constexpr std::array<std::string_view, 7> claim_figure_names = {
    "rate", "mfu", "hfu", "model_flops", "total", "mfu_of_flops", "hfu_below_mfu"};

[[nodiscard]] constexpr std::string_view to_string(claim_figure figure) {
    return claim_figure_names.at(static_cast<std::size_t>(figure));
}

/// A figure against what the others of its row say.
struct claim_contradiction {
    claim_figure figure = claim_figure::rate;
    double claimed = 0;
    double computed = 0;  ///< by the convention that comes nearest
    std::string text;     ///< the same as a sentence
};

/// What a claim amounts to.
struct claim_check {
    /// The MFU that the rate needs, by convention A, B and C.
    std::array<double, 3> mfu = {};
    /// The lowest of these: above 1 the claim is impossible.
    double required_mfu = 0;
    /// What the rate cannot exceed: the highest of the three conventions.
    double tokens_per_second_limit = 0;
    /// The convention that the printed MFU or FLOP/s follow; none if there are none or
    /// they follow none.
    std::optional<flop_convention> convention = {};
    std::vector<claim_contradiction> contradictions = {};

    [[nodiscard]] bool possible() const { return required_mfu <= 1.0; }
    [[nodiscard]] bool consistent() const { return contradictions.empty(); }
};

namespace detail {

/// "56.8 %"
[[nodiscard]] inline std::string percent_text(double share) {
    return message(std::round(share * 1000.0) / 10.0, " %");
}

/// The value of the three that is nearest to the claimed one, by ratio.
[[nodiscard]] inline std::size_t nearest_value(const std::array<double, 3>& values,
                                               double claimed) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < values.size(); ++i) {
        if (std::abs(std::log(values[i] / claimed)) <
            std::abs(std::log(values[best] / claimed)))
            best = i;
    }
    return best;
}

[[nodiscard]] inline bool agrees(double computed, double claimed, double tolerance) {
    return std::abs(computed / claimed - 1.0) <= tolerance;
}

}  // namespace detail

/// Holds a claim to the model's FLOPs and to itself.
///
/// A figure that any of the conventions A, B and C reproduces within the tolerance is
/// believed to follow it; printed figures are often rounded to two digits, so the default
/// allows for 2 %.
///
/// @param peak_flops dense FLOP/s of one GPU
/// @throws invalid_argument unless rate, peak and tolerance are positive and the printed
///   figures too; for a total without GPUs
[[nodiscard]] inline claim_check check_claim(const model_layout& layout,
                                             const throughput_claim& claim,
                                             double peak_flops, double tolerance = 0.02) {
    const double rate = claim.tokens_per_second_per_gpu;
    detail::check_above_zero("tokens_per_second_per_gpu", rate);
    detail::check_above_zero("tolerance", tolerance);
    claim_check check;
    std::array<double, 3> flops{};
    std::array<double, 3> hardware{};
    for (std::size_t i = 0; i < 3; ++i) {
        const auto convention = static_cast<flop_convention>(i);
        flops[i] = flops_per_token(layout, convention, claim.attention_length);
        check.mfu[i] = mfu(flops[i], rate, peak_flops);
        hardware[i] = hfu(layout, convention, claim.attention_length, claim.checkpointing,
                          rate, peak_flops);
    }
    check.required_mfu = *std::min_element(check.mfu.begin(), check.mfu.end());
    check.tokens_per_second_limit = rate / check.required_mfu;

    const auto contradict = [&](claim_figure figure, double claimed, double computed,
                                std::string text) {
        check.contradictions.push_back({figure, claimed, computed, std::move(text)});
    };
    if (!check.possible()) {
        contradict(claim_figure::rate, rate, check.tokens_per_second_limit,
                   detail::message(
                       "impossible: ", rate, " tokens/s a GPU need an MFU of ",
                       detail::percent_text(check.required_mfu), ", the peak allows ",
                       std::floor(check.tokens_per_second_limit)));
    }
    if (claim.mfu) {
        detail::check_above_zero("mfu", *claim.mfu);
        const std::size_t best = detail::nearest_value(check.mfu, *claim.mfu);
        if (detail::agrees(check.mfu[best], *claim.mfu, tolerance)) {
            check.convention = static_cast<flop_convention>(best);
        } else {
            contradict(
                claim_figure::mfu, *claim.mfu, check.mfu[best],
                detail::message("MFU is given as ", detail::percent_text(*claim.mfu),
                                ", ", rate, " tokens/s a GPU are ",
                                detail::percent_text(check.mfu[0]), " (A), ",
                                detail::percent_text(check.mfu[1]), " (B), ",
                                detail::percent_text(check.mfu[2]), " (C)"));
        }
    }
    if (claim.hfu) {
        detail::check_above_zero("hfu", *claim.hfu);
        const std::size_t best = detail::nearest_value(hardware, *claim.hfu);
        if (!detail::agrees(hardware[best], *claim.hfu, tolerance)) {
            contradict(
                claim_figure::hfu, *claim.hfu, hardware[best],
                detail::message("HFU is given as ", detail::percent_text(*claim.hfu),
                                ", with checkpointing ", to_string(claim.checkpointing),
                                " it is ", detail::percent_text(hardware[best]), " (",
                                to_string(static_cast<flop_convention>(best)), ")"));
        }
        if (claim.mfu && *claim.hfu < *claim.mfu * (1.0 - tolerance)) {
            contradict(
                claim_figure::hfu_below_mfu, *claim.hfu, *claim.mfu,
                detail::message("HFU ", detail::percent_text(*claim.hfu),
                                " is below MFU ", detail::percent_text(*claim.mfu)));
        }
    }
    if (claim.model_flops) {
        detail::check_above_zero("model_flops", *claim.model_flops);
        std::array<double, 3> executed{};
        for (std::size_t i = 0; i < 3; ++i)
            executed[i] = flops[i] * rate;
        const std::size_t best = detail::nearest_value(executed, *claim.model_flops);
        if (detail::agrees(executed[best], *claim.model_flops, tolerance)) {
            if (!check.convention) check.convention = static_cast<flop_convention>(best);
        } else {
            contradict(claim_figure::model_flops, *claim.model_flops, executed[best],
                       detail::message(
                           "given are ", *claim.model_flops / 1e12, " TFLOP/s a GPU, ",
                           rate, " tokens/s are ", std::round(executed[best] / 1e9) / 1e3,
                           " (", to_string(static_cast<flop_convention>(best)), ")"));
        }
        if (claim.mfu &&
            !detail::agrees(*claim.model_flops / peak_flops, *claim.mfu, tolerance)) {
            contradict(
                claim_figure::mfu_of_flops, *claim.mfu, *claim.model_flops / peak_flops,
                detail::message("MFU is given as ", detail::percent_text(*claim.mfu),
                                ", ", *claim.model_flops / 1e12, " of ",
                                peak_flops / 1e12, " TFLOP/s are ",
                                detail::percent_text(*claim.model_flops / peak_flops)));
        }
    }
    if (claim.tokens_per_second) {
        detail::check_above_zero("tokens_per_second", *claim.tokens_per_second);
        if (!claim.gpus || *claim.gpus < 1) {
            detail::throw_invalid_argument("tokens_per_second is given, gpus is ",
                                           claim.gpus.value_or(0),
                                           ", expected a whole number >= 1");
        }
        const double total = rate * static_cast<double>(*claim.gpus);
        if (!detail::agrees(total, *claim.tokens_per_second, tolerance)) {
            contradict(claim_figure::total, *claim.tokens_per_second, total,
                       detail::message("given are ", *claim.tokens_per_second,
                                       " tokens/s in all, ", *claim.gpus, " GPUs at ",
                                       rate, " make ", total));
        }
    }
    return check;
}

}  // namespace packkit
