// SPDX-License-Identifier: Apache-2.0
#pragma once
/// \file
/// Rotary positions (Su et al. 2021, arXiv 2104.09864) and the ways of stretching them to
/// longer contexts, with the formulas and precision of Transformers.
///
/// T tokens of a packed row, H heads, D head_dim.

#include <packkit/error.hpp>
#include <packkit/model/model_shape.hpp>
#include <packkit/torch/ops/rotary.hpp>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace packkit::train {

/// Tables of angles for the positions of a row: (T, 1, D), in the compute dtype.
struct rotary_table {
    at::Tensor cos, sin;
};

/// θ_i = base^(−2i/D) for each pair of features: (D/2).
inline at::Tensor rotary_frequencies(double base, std::int64_t head_dim,
                                     const at::TensorOptions& options) {
    const auto exponents =
        at::arange(0, head_dim, 2, options) / static_cast<double>(head_dim);
    return at::pow(base, exponents).reciprocal();
}

/// Llama 3.1 (arXiv 2407.21783, section 3.4.2 names the method; the bands are those of
/// its released code): long wavelengths are stretched by `factor`, short ones stay, those
/// between are blended.
inline at::Tensor stretch_by_bands(const at::Tensor& frequencies,
                                   const rope_scaling& scaling) {
    const auto context = static_cast<double>(scaling.original_max_position_embeddings);
    const auto wavelength = 2.0 * std::numbers::pi / frequencies;
    const auto stretched = frequencies / scaling.factor;
    const auto share = (context / wavelength - scaling.low_freq_factor) /
                       (scaling.high_freq_factor - scaling.low_freq_factor);
    const auto blended = (1.0 - share) * stretched + share * frequencies;
    const auto is_long = wavelength > context / scaling.low_freq_factor;
    const auto is_short = wavelength < context / scaling.high_freq_factor;
    return at::where(is_long, stretched, at::where(is_short, frequencies, blended));
}

/// YaRN (Peng et al. 2023, arXiv 2309.00071, section 3.2): features that turn fewer than
/// beta_slow times in the original context are stretched, those that turn more than
/// beta_fast times stay, with a ramp between.
inline at::Tensor stretch_by_turns(const at::Tensor& frequencies,
                                   const model_shape& model) {
    const auto& scaling = model.scaling;
    const auto dim = static_cast<double>(model.head_dim);
    const auto context =
        static_cast<double>(scaling.original_max_position_embeddings > 0
                                ? scaling.original_max_position_embeddings
                                : model.max_position_embeddings);
    const auto feature_with = [&](double turns) {
        return dim * std::log(context / (turns * 2.0 * std::numbers::pi)) /
               (2.0 * std::log(model.rope_theta));
    };
    const double low = std::max(std::floor(feature_with(scaling.beta_fast)), 0.0);
    double high = std::min(std::ceil(feature_with(scaling.beta_slow)), dim - 1.0);
    if (low == high) high += 0.001;
    const auto ramp =
        ((at::arange(model.head_dim / 2, frequencies.options()) - low) / (high - low))
            .clamp(0.0, 1.0);
    return frequencies / scaling.factor * ramp + frequencies * (1.0 - ramp);
}

/// Factor of cos and sin: YaRN's attention temperature (its equation 22), else 1.
inline double rotary_amplitude(const rope_scaling& scaling) {
    if (scaling.kind != rope_scaling_kind::yarn) return 1.0;
    if (scaling.attention_factor > 0) return scaling.attention_factor;
    return scaling.factor <= 1.0 ? 1.0 : 0.1 * std::log(scaling.factor) + 1.0;
}

/// Tables of the given positions, each frequency twice as in Transformers; angles in
/// float32, as the published weights were trained, or in float64 for a float64 model.
/// \param positions (T), int64
/// \param base rope_theta, or that of layers with a window, which are never stretched
inline rotary_table make_rotary_table(const model_shape& model,
                                      const at::Tensor& positions, double base,
                                      const rope_scaling& scaling, at::ScalarType dtype) {
    const auto precision = dtype == at::kDouble ? at::kDouble : at::kFloat;
    auto frequencies =
        rotary_frequencies(base, model.head_dim, positions.options().dtype(precision));
    switch (scaling.kind) {
        case rope_scaling_kind::none:
            break;
        case rope_scaling_kind::linear:
            frequencies = frequencies / scaling.factor;
            break;
        case rope_scaling_kind::llama3:
            frequencies = stretch_by_bands(frequencies, scaling);
            break;
        case rope_scaling_kind::yarn:
            frequencies = stretch_by_turns(frequencies, model);
            break;
        case rope_scaling_kind::dynamic:
            // Depends on the longest sequence of a batch: a document would notice its
            // neighbours.
            throw invalid_argument("rope scaling 'dynamic' cannot be packed");
    }
    const auto angles = positions.to(precision).unsqueeze(1) * frequencies.unsqueeze(0);
    const auto twice = at::cat({angles, angles}, 1).unsqueeze(1);
    const double amplitude = rotary_amplitude(scaling);
    if (amplitude == 1.0) return {twice.cos().to(dtype), twice.sin().to(dtype)};
    return {(twice.cos() * amplitude).to(dtype), (twice.sin() * amplitude).to(dtype)};
}

/// Turns pairs (x[i], x[i + D/2]) by the position's angle. x: (T, H, D).
inline at::Tensor rotate(const at::Tensor& x, const rotary_table& table) {
    return lt::rotate(x, table.cos, table.sin);
}

}  // namespace packkit::train
