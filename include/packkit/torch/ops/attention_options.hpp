// SPDX-License-Identifier: Apache-2.0
/// @file
/// What an attention computes, and the shapes it takes; shared by every implementation.
#pragma once

#include <packkit/error.hpp>

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>

namespace packkit::lt {

/// softmax(cap(scale · q kᵀ) + mask) v.
struct attention_options {
    /// Query i of n sees keys up to i + (keys − n): the last query sees all.
    bool causal = true;
    /// Factor of the scores; 1/√head_dim when unset.
    std::optional<double> scale = std::nullopt;
    /// Keys that a query sees at most, itself included (Beltagy et al. 2020, arXiv
    /// 2004.05150); 0: all. Needs `causal`.
    std::int64_t window = 0;
    /// Scores become softcap · tanh(score / softcap) (Gemma 2, arXiv 2408.00118); 0: not.
    double softcap = 0;
};

/// Throws `invalid_argument` unless q is (total_q, heads, d), k and v are (total_k,
/// kv_heads, d) of one dtype, and kv_heads divides heads.
inline void check_attention_shapes(const at::Tensor& q, const at::Tensor& k,
                                   const at::Tensor& v, std::int64_t total_q,
                                   std::int64_t total_k) {
    const auto shape = [](const at::Tensor& t) {
        std::string text = "(";
        for (std::int64_t i = 0; i < t.dim(); ++i) {
            text += (i ? ", " : "") + std::to_string(t.size(i));
        }
        return text + ")";
    };
    const bool fits = q.dim() == 3 && k.dim() == 3 && k.sizes() == v.sizes() &&
                      q.size(0) == total_q && k.size(0) == total_k &&
                      q.size(2) == k.size(2) && k.size(1) > 0 &&
                      q.size(1) % k.size(1) == 0 && q.scalar_type() == k.scalar_type() &&
                      k.scalar_type() == v.scalar_type();
    if (!fits) {
        throw invalid_argument("attention: q " + shape(q) + ", k " + shape(k) + ", v " +
                               shape(v) + ": expected (" + std::to_string(total_q) +
                               ", heads, head_dim) and (" + std::to_string(total_k) +
                               ", key/value heads, head_dim) of one dtype, key/value "
                               "heads dividing the query heads");
    }
}

/// Throws `invalid_argument` unless the options fit together.
inline void check_attention_options(const attention_options& options) {
    if (options.window < 0 || (options.window > 0 && !options.causal)) {
        throw invalid_argument("attention: window " + std::to_string(options.window) +
                               ": expected 0, or more with causal attention");
    }
    if (!(options.softcap >= 0)) {
        throw invalid_argument("attention: softcap " + std::to_string(options.softcap) +
                               ": expected 0 or more");
    }
}

}  // namespace packkit::lt
