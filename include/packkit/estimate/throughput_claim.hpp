// SPDX-License-Identifier: Apache-2.0
/// @file
/// Whether a published throughput is possible, and whether its figures agree with each
/// other: a row that contradicts itself is named, not smoothed.
#pragma once

#include <packkit/error.hpp>
#include <packkit/estimate/flops.hpp>
#include <packkit/estimate/training_setup.hpp>
#include <packkit/model/layout.hpp>

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

/// Whether a rate can be believed.
enum class claim_verdict : std::uint8_t {
    possible,
    implausible,  ///< more of the peak than any published run has reached
    impossible,   ///< more than the peak
};

inline constexpr std::array<std::string_view, 3> claim_verdict_names = {
    "possible", "implausible", "impossible"};

[[nodiscard]] constexpr std::string_view to_string(claim_verdict verdict) {
    return claim_verdict_names.at(static_cast<std::size_t>(verdict));
}

/// Share of the peak by the least work that no published run exceeds. The highest known
/// are 62.5 % for Llama-2 7B at 4,550 tokens/s on A100 (fms-fsdp, README.md) and 58 % for
/// GPT-3 2.7B at 225 TFLOP/s by convention A on A100 (Dao 2023, arXiv 2307.08691, table
/// 1); a margin of 4 % allows for rounded figures.
inline constexpr double highest_plausible_share = 0.65;

/// What a claim amounts to.
struct claim_check {
    /// The MFU that the rate needs, by convention A, B and C.
    std::array<double, 3> mfu = {};
    /// Share of the peak that the rate needs by the least work that training takes
    /// (`least_flops_per_token`), without recomputation.
    double required_mfu = 0;
    /// Share of the peak with what the claim's checkpointing computes again: above 1 the
    /// claim is impossible.
    double required_hfu = 0;
    /// The rate at which `required_hfu` is 1: what no run of this kind can exceed.
    double tokens_per_second_limit = 0;
    /// The convention that the printed MFU or FLOP/s follow; none if there are none or
    /// they follow none.
    std::optional<flop_convention> convention = {};
    std::vector<claim_contradiction> contradictions = {};

    [[nodiscard]] bool possible() const { return required_hfu <= 1.0; }
    [[nodiscard]] claim_verdict verdict() const {
        if (!possible()) return claim_verdict::impossible;
        return required_mfu > highest_plausible_share ? claim_verdict::implausible
                                                      : claim_verdict::possible;
    }
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

/// Holds one figure of a claim after another to the others. Refers to the claim.
class claim_checker {
public:
    claim_checker(const model_layout& layout, const throughput_claim& claim, double peak,
                  double tolerance)
        : claim_(claim), peak_(peak), tolerance_(tolerance) {
        for (std::size_t i = 0; i < 3; ++i) {
            const auto convention = static_cast<flop_convention>(i);
            flops_[i] = flops_per_token(layout, convention, claim.attention_length);
            check_.mfu[i] = mfu(flops_[i], rate(), peak);
            hardware_[i] = hfu(layout, convention, claim.attention_length,
                               claim.checkpointing, rate(), peak);
        }
        const auto share = [&](checkpointing_kind checkpointing) {
            return mfu(
                least_flops_per_token(layout, claim.attention_length, checkpointing),
                rate(), peak);
        };
        check_.required_mfu = share(checkpointing_kind::none);
        check_.required_hfu = share(claim.checkpointing);
        check_.tokens_per_second_limit = rate() / check_.required_hfu;
    }

    void check_rate() {
        if (check_.possible()) return;
        contradict(claim_figure::rate, rate(), check_.tokens_per_second_limit,
                   message("impossible: ", rate(), " tokens/s a GPU need ",
                           recomputes() ? "an HFU of " : "an MFU of ",
                           percent_text(check_.required_hfu), ", the peak allows ",
                           std::floor(check_.tokens_per_second_limit)));
    }

    void check_mfu() {
        if (!claim_.mfu) return;
        check_above_zero("mfu", *claim_.mfu);
        const std::size_t best = nearest_value(check_.mfu, *claim_.mfu);
        if (agrees(check_.mfu[best], *claim_.mfu)) {
            check_.convention = static_cast<flop_convention>(best);
            return;
        }
        contradict(claim_figure::mfu, *claim_.mfu, check_.mfu[best],
                   message("MFU is given as ", percent_text(*claim_.mfu), ", ", rate(),
                           " tokens/s a GPU are ", percent_text(check_.mfu[0]), " (A), ",
                           percent_text(check_.mfu[1]), " (B), ",
                           percent_text(check_.mfu[2]), " (C)"));
    }

    void check_hfu() {
        if (!claim_.hfu) return;
        check_above_zero("hfu", *claim_.hfu);
        const std::size_t best = nearest_value(hardware_, *claim_.hfu);
        if (!agrees(hardware_[best], *claim_.hfu)) {
            contradict(claim_figure::hfu, *claim_.hfu, hardware_[best],
                       message("HFU is given as ", percent_text(*claim_.hfu),
                               ", with checkpointing ", to_string(claim_.checkpointing),
                               " it is ", percent_text(hardware_[best]), " (",
                               to_string(static_cast<flop_convention>(best)), ")"));
        }
        if (claim_.mfu && *claim_.hfu < *claim_.mfu * (1.0 - tolerance_)) {
            contradict(claim_figure::hfu_below_mfu, *claim_.hfu, *claim_.mfu,
                       message("HFU ", percent_text(*claim_.hfu), " is below MFU ",
                               percent_text(*claim_.mfu)));
        }
    }

    void check_model_flops() {
        if (!claim_.model_flops) return;
        check_above_zero("model_flops", *claim_.model_flops);
        const double claimed = *claim_.model_flops;
        std::array<double, 3> executed{};
        for (std::size_t i = 0; i < 3; ++i)
            executed[i] = flops_[i] * rate();
        const std::size_t best = nearest_value(executed, claimed);
        if (agrees(executed[best], claimed)) {
            if (!check_.convention)
                check_.convention = static_cast<flop_convention>(best);
        } else {
            contradict(claim_figure::model_flops, claimed, executed[best],
                       message("given are ", claimed / 1e12, " TFLOP/s a GPU, ", rate(),
                               " tokens/s are ", std::round(executed[best] / 1e9) / 1e3,
                               " (", to_string(static_cast<flop_convention>(best)), ")"));
        }
        if (claim_.mfu && !agrees(claimed / peak_, *claim_.mfu)) {
            contradict(claim_figure::mfu_of_flops, *claim_.mfu, claimed / peak_,
                       message("MFU is given as ", percent_text(*claim_.mfu), ", ",
                               claimed / 1e12, " of ", peak_ / 1e12, " TFLOP/s are ",
                               percent_text(claimed / peak_)));
        }
    }

    void check_total() {
        if (!claim_.tokens_per_second) return;
        check_above_zero("tokens_per_second", *claim_.tokens_per_second);
        if (!claim_.gpus || *claim_.gpus < 1) {
            throw_invalid_argument("tokens_per_second is given, gpus is ",
                                   claim_.gpus.value_or(0),
                                   ", expected a whole number >= 1");
        }
        const double total = rate() * static_cast<double>(*claim_.gpus);
        if (agrees(total, *claim_.tokens_per_second)) return;
        contradict(claim_figure::total, *claim_.tokens_per_second, total,
                   message("given are ", *claim_.tokens_per_second, " tokens/s in all, ",
                           *claim_.gpus, " GPUs at ", rate(), " make ", total));
    }

    [[nodiscard]] claim_check take() && { return std::move(check_); }

private:
    [[nodiscard]] double rate() const { return claim_.tokens_per_second_per_gpu; }
    [[nodiscard]] bool recomputes() const {
        return claim_.checkpointing != checkpointing_kind::none;
    }
    [[nodiscard]] bool agrees(double computed, double claimed) const {
        return std::abs(computed / claimed - 1.0) <= tolerance_;
    }
    void contradict(claim_figure figure, double claimed, double computed,
                    std::string text) {
        check_.contradictions.push_back({figure, claimed, computed, std::move(text)});
    }

    const throughput_claim& claim_;
    double peak_, tolerance_;
    std::array<double, 3> flops_{}, hardware_{};  // by flop_convention
    claim_check check_;
};

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
    detail::check_above_zero("tokens_per_second_per_gpu",
                             claim.tokens_per_second_per_gpu);
    detail::check_above_zero("tolerance", tolerance);
    detail::claim_checker checker(layout, claim, peak_flops, tolerance);
    checker.check_rate();
    checker.check_mfu();
    checker.check_hfu();
    checker.check_model_flops();
    checker.check_total();
    return std::move(checker).take();
}

}  // namespace packkit
