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

/// softmax(scale · q kᵀ + mask) v.
struct attention_options {
    bool causal = true;
    /// Factor of the scores; 1/√head_dim when unset.
    std::optional<double> scale = std::nullopt;
};

/// Throws `invalid_argument` unless q is (total, heads, d), k and v are (total, kv_heads,
/// d) of one dtype, and kv_heads divides heads.
inline void check_attention_shapes(const at::Tensor& q, const at::Tensor& k,
                                   const at::Tensor& v, std::int64_t total) {
    const auto shape = [](const at::Tensor& t) {
        std::string text = "(";
        for (std::int64_t i = 0; i < t.dim(); ++i) {
            text += (i ? ", " : "") + std::to_string(t.size(i));
        }
        return text + ")";
    };
    const bool fits = q.dim() == 3 && k.dim() == 3 && k.sizes() == v.sizes() &&
                      q.size(0) == total && k.size(0) == total &&
                      q.size(2) == k.size(2) && k.size(1) > 0 &&
                      q.size(1) % k.size(1) == 0 && q.scalar_type() == k.scalar_type() &&
                      k.scalar_type() == v.scalar_type();
    if (!fits) {
        throw invalid_argument("attention: q " + shape(q) + ", k " + shape(k) + ", v " +
                               shape(v) + ": expected (" + std::to_string(total) +
                               ", heads, head_dim) of one dtype with key/value heads "
                               "dividing the query heads");
    }
}

}  // namespace packkit::lt
