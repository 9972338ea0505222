// SPDX-License-Identifier: Apache-2.0
/// @file
/// Training FLOPs of a token by the three conventions in use, MFU and HFU, and what a
/// device cannot exceed.
///
/// Attention is counted over the documents that a row holds: where a formula has the
/// sequence length s, it takes Σl²/Σl over the lengths l of the documents, which is s
/// when one document fills a row. The conventions do not know sliding windows: nor does
/// this.
#pragma once

#include <packkit/detail/length_access.hpp>
#include <packkit/error.hpp>
#include <packkit/estimate/training_setup.hpp>
#include <packkit/model/document_cost.hpp>
#include <packkit/model/layout.hpp>
#include <packkit/model/model_shape.hpp>
#include <packkit/model/model_traits.hpp>
#include <packkit/model/parameters.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace packkit {

/// What counts as a FLOP of training. N parameters, V h those of the embedding table, L
/// layers, h the width of all heads together, s the attention length.
///
/// - A: 6 N + 12 L h s (Chowdhery et al. 2022, PaLM, arXiv 2204.02311, appendix B)
/// - B: 6 (N − V h) + 12 L h s: the table is looked up and not multiplied by, nor is a
///   table of positions. With tied embeddings the same table is the head, which is
///   multiplied by, and counts
/// - C: as B, 6 L h s: half of the attention matrix is masked (Dao 2023,
///   FlashAttention-2, arXiv 2307.08691, section 4.1). What balances rows
enum class flop_convention : std::uint8_t { A, B, C };

inline constexpr std::array<std::string_view, 3> flop_convention_names = {"A", "B", "C"};

[[nodiscard]] constexpr std::string_view to_string(flop_convention convention) {
    return flop_convention_names.at(static_cast<std::size_t>(convention));
}

/// FLOPs of a token, forward and backward: linear + attention x attention length. Exact.
struct token_flops {
    std::int64_t linear = 0;     ///< whatever stands around the token
    std::int64_t attention = 0;  ///< for each token of attention length

    [[nodiscard]] constexpr double at(double attention_length) const {
        return static_cast<double>(linear) +
               static_cast<double>(attention) * attention_length;
    }
    /// FLOPs of documents with that many tokens together, of which `squared_lengths` is
    /// Σ l².
    [[nodiscard]] constexpr double of_documents(double tokens,
                                                double squared_lengths) const {
        return static_cast<double>(linear) * tokens +
               static_cast<double>(attention) * squared_lengths;
    }
    friend constexpr bool operator==(const token_flops&, const token_flops&) = default;
};

/// Parameters that one token uses: of the experts of a layer only those it is sent to.
/// Equal to `active_parameter_count` of the shape, without listing parameters.
[[nodiscard]] inline std::int64_t active_parameters(const model_layout& layout) {
    return layout.parameters() - idle_parameters(layout.shape());
}

/// Parameters that are looked up and not multiplied by: the embedding, unless it is tied
/// to the head, and a table of positions.
[[nodiscard]] constexpr std::int64_t looked_up_parameters(const model_shape& shape) {
    const std::int64_t tokens = shape.tie_word_embeddings ? 0 : shape.vocab_size;
    const bool positions = traits_of(shape).positions == position_kind::learned;
    return (tokens + (positions ? shape.max_position_embeddings : 0)) * shape.hidden_size;
}

/// The FLOP model of a convention, from the parameters that a token uses; a tied
/// embedding counts once.
/// @throws invalid_argument for FLOPs beyond int64
[[nodiscard]] constexpr token_flops token_flops_of(const model_shape& shape,
                                                   std::int64_t active_parameters,
                                                   flop_convention convention) {
    const std::int64_t looked_up =
        convention == flop_convention::A ? 0 : looked_up_parameters(shape);
    const std::int64_t width = shape.num_attention_heads * shape.head_dim;
    const std::int64_t pair = convention == flop_convention::C ? 6 : 12;
    return {detail::checked_multiply(6, active_parameters - looked_up, "FLOPs a token"),
            detail::checked_multiply(pair,
                                     detail::checked_multiply(shape.num_hidden_layers,
                                                              width, "attention width"),
                                     "attention FLOPs")};
}

/// The FLOP model of a convention for a model.
/// @throws invalid_argument for FLOPs beyond int64
[[nodiscard]] inline token_flops token_flops_of(const model_layout& layout,
                                                flop_convention convention) {
    return token_flops_of(layout.shape(), active_parameters(layout), convention);
}

/// Which entries of the attention matrix are computed.
enum class attention_extent {
    causal,  ///< half of it, as kernels do that skip what the mask hides
    full,    ///< all of it
};

/// Training FLOPs, forward and backward, of a document by its length: convention C of
/// causal attention, B of the full matrix. For a packed row l² is the sum over its
/// documents.
/// @throws invalid_argument as `check_model_shape`, or for FLOPs beyond int64
[[nodiscard]] inline attention_cost training_flops(
    const model_shape& model, attention_extent extent = attention_extent::causal) {
    const token_flops flops = token_flops_of(
        model, active_parameter_count(model),
        extent == attention_extent::causal ? flop_convention::C : flop_convention::B);
    return {flops.linear, flops.attention};
}

namespace detail {

inline void check_not_negative(std::string_view name, double value) {
    if (!(value >= 0.0) || std::isinf(value)) {
        throw_invalid_argument(name, " is ", value, ", expected a number >= 0");
    }
}

inline void check_above_zero(std::string_view name, double value) {
    if (!(value > 0.0) || std::isinf(value)) {
        throw_invalid_argument(name, " is ", value, ", expected a number > 0");
    }
}

/// Mean keys that a token sees in a layer, of documents with that attention length: half
/// of them before it, or at most a window (w − w²/2l of l).
[[nodiscard]] constexpr double keys_per_token(double attention_length,
                                              std::int64_t window) {
    const auto w = static_cast<double>(window);
    if (window == 0 || attention_length <= w) return attention_length / 2;
    return w - w * w / (2 * attention_length);
}

/// Mean keys that a token sees, summed over the layers of a model.
[[nodiscard]] constexpr double keys_of_all_layers(const model_shape& shape,
                                                  double attention_length) {
    const std::int64_t layers = shape.num_hidden_layers;
    std::int64_t windowed = 0;
    if (shape.sliding_window > 0) {
        const std::int64_t first = std::min(shape.first_sliding_layer, layers);
        windowed = layers - first;
        if (shape.full_attention_interval > 0) {
            windowed -= layers / shape.full_attention_interval -
                        first / shape.full_attention_interval;
        }
    }
    return static_cast<double>(layers - windowed) * keys_per_token(attention_length, 0) +
           static_cast<double>(windowed) *
               keys_per_token(attention_length, shape.sliding_window);
}

}  // namespace detail

/// Model FLOPs of a token, forward and backward.
///
/// @param attention_length Σl²/Σl of the documents of a row, sequence_len if one fills it
/// @throws invalid_argument for a length that is negative or not finite
[[nodiscard]] inline double flops_per_token(const model_layout& layout,
                                            flop_convention convention,
                                            double attention_length) {
    detail::check_not_negative("attention_length", attention_length);
    return token_flops_of(layout, convention).at(attention_length);
}

/// How model FLOPs divide: every product of forward has two in backward, one for the
/// gradient of each factor (Kaplan et al. 2020, arXiv 2001.08361, section 2.1).
struct flop_phases {
    double forward = 0;
    double backward = 0;
    double recomputed = 0;  ///< forward, once more

    [[nodiscard]] constexpr double model() const { return forward + backward; }
    [[nodiscard]] constexpr double hardware() const { return model() + recomputed; }
};

/// Share of the forward FLOPs that is computed once more in backward.
struct recomputation {
    double linear = 0;
    double attention = 0;
};

/// - none: nothing
/// - selective: attention, from queries, keys and values on (Korthikanti et al. 2022,
///   arXiv 2205.05198, section 5); where softmax and activations alone are computed
///   again, as in packkit-train, pass a `recomputation` of zeros
/// - full: all of forward, so that HFU is 4/3 of MFU (the same, section 5); a head that
///   is not computed again counts all the same
[[nodiscard]] constexpr recomputation recomputation_of(checkpointing_kind kind) {
    switch (kind) {
        case checkpointing_kind::none:
            return {0, 0};
        case checkpointing_kind::selective:
            return {0, 1};
        case checkpointing_kind::full:
            return {1, 1};
    }
    detail::throw_invalid_argument("checkpointing_kind has no value ",
                                   static_cast<int>(kind));
}

/// FLOPs of a token by phase. @throws invalid_argument as `flops_per_token`
[[nodiscard]] inline flop_phases phases_per_token(const model_layout& layout,
                                                  flop_convention convention,
                                                  double attention_length,
                                                  const recomputation& again = {}) {
    detail::check_not_negative("attention_length", attention_length);
    const token_flops law = token_flops_of(layout, convention);
    const double linear = static_cast<double>(law.linear) / 3.0;
    const double attention = static_cast<double>(law.attention) * attention_length / 3.0;
    return {linear + attention, 2.0 * (linear + attention),
            again.linear * linear + again.attention * attention};
}

/// FLOPs that the device executes for a token: those of the model and the recomputed
/// ones. @throws invalid_argument as `flops_per_token`
[[nodiscard]] inline double hardware_flops_per_token(const model_layout& layout,
                                                     flop_convention convention,
                                                     double attention_length,
                                                     checkpointing_kind checkpointing) {
    return phases_per_token(layout, convention, attention_length,
                            recomputation_of(checkpointing))
        .hardware();
}

/// The least FLOPs that training on a token takes: matrices are multiplied by in forward
/// and twice in backward, and attention computes only what causal masks and sliding
/// windows leave. Convention C for a model without windows. What `checkpointing` computes
/// again is added.
///
/// @param attention_length as for `flops_per_token`
/// @throws invalid_argument as `flops_per_token`
[[nodiscard]] inline double least_flops_per_token(
    const model_layout& layout, double attention_length,
    checkpointing_kind checkpointing = checkpointing_kind::none) {
    detail::check_not_negative("attention_length", attention_length);
    const model_shape& shape = layout.shape();
    const recomputation again = recomputation_of(checkpointing);
    const double linear =
        static_cast<double>(token_flops_of(layout, flop_convention::C).linear);
    // A query and a key: 2 FLOPs a component for the score and 2 for the value.
    const double attention =
        12.0 * static_cast<double>(shape.num_attention_heads * shape.head_dim) *
        detail::keys_of_all_layers(shape, attention_length);
    return linear * (1.0 + again.linear / 3.0) +
           attention * (1.0 + again.attention / 3.0);
}

/// Model FLOPs utilization: the share of the peak that goes into the FLOPs of the model
/// (Chowdhery et al. 2022, arXiv 2204.02311, section 4.1). Above 1: impossible.
///
/// @param peak_flops dense FLOP/s of one GPU
/// @throws invalid_argument unless FLOPs and peak are positive and the rate not negative
[[nodiscard]] inline double mfu(double flops_per_token, double tokens_per_second_per_gpu,
                                double peak_flops) {
    detail::check_above_zero("flops_per_token", flops_per_token);
    detail::check_not_negative("tokens_per_second_per_gpu", tokens_per_second_per_gpu);
    detail::check_above_zero("peak_flops", peak_flops);
    return flops_per_token * tokens_per_second_per_gpu / peak_flops;
}

/// Hardware FLOPs utilization: as MFU, with what is computed again.
/// @throws invalid_argument as `mfu` and `flops_per_token`
[[nodiscard]] inline double hfu(const model_layout& layout, flop_convention convention,
                                double attention_length, checkpointing_kind checkpointing,
                                double tokens_per_second_per_gpu, double peak_flops) {
    return mfu(
        hardware_flops_per_token(layout, convention, attention_length, checkpointing),
        tokens_per_second_per_gpu, peak_flops);
}

/// Tokens a second that a GPU of that peak cannot exceed: MFU 1.
/// @throws invalid_argument unless both are positive
[[nodiscard]] inline double tokens_per_second_limit(double peak_flops,
                                                    double flops_per_token) {
    detail::check_above_zero("peak_flops", peak_flops);
    detail::check_above_zero("flops_per_token", flops_per_token);
    return peak_flops / flops_per_token;
}

/// Tokens a second a GPU that an MFU means. @throws invalid_argument unless peak and
/// FLOPs are positive and the MFU is not negative
[[nodiscard]] inline double tokens_per_second_at(double mfu, double peak_flops,
                                                 double flops_per_token) {
    detail::check_not_negative("mfu", mfu);
    return mfu * tokens_per_second_limit(peak_flops, flops_per_token);
}

/// The MFU that a claimed throughput needs by 6 N alone, whatever the length of
/// documents: attention only adds to it. Above 1 the claim is impossible.
/// @throws invalid_argument as `mfu`
[[nodiscard]] inline double required_mfu(const model_layout& layout,
                                         double tokens_per_second_per_gpu,
                                         double peak_flops) {
    return mfu(flops_per_token(layout, flop_convention::A, 0.0),
               tokens_per_second_per_gpu, peak_flops);
}

}  // namespace packkit
