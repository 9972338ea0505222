// SPDX-License-Identifier: Apache-2.0
/// @file
/// Rotary positions applied to queries and keys (Su et al. 2021, arXiv 2104.09864).
#pragma once

#include <packkit/error.hpp>
#include <packkit/torch/ops/detail/elementwise_dispatch.hpp>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstdint>
#include <string>

namespace packkit::lt {

/// Turns the pairs (x[i], x[i + D/2]) of each head by its token's angles, whose cosine
/// and sine are at i and i + D/2 of the tables. x: (T, H, D), cos and sin: (T, 1, D), of
/// one dtype; returns (T, H, D), contiguous. D is even.
///
/// On the CPU one pass forward and one backward, in float32 (float64 of float64) with one
/// rounding at the end; keeps the tables alone. Elsewhere `rotate_composed`.
/// \throws invalid_argument when the tables do not fit x
[[nodiscard]] at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos,
                                const at::Tensor& sin);

/// The same by LibTorch's operations; the reference of `rotate`.
[[nodiscard]] inline at::Tensor rotate_composed(const at::Tensor& x,
                                                const at::Tensor& cos,
                                                const at::Tensor& sin) {
    const auto halves = x.chunk(2, -1);
    return x * cos + at::cat({-halves[1], halves[0]}, -1) * sin;
}

// --- implementation
// -----------------------------------------------------------------------------

namespace detail {

[[nodiscard]] inline at::Tensor cpu_rotate(const at::Tensor& x, const at::Tensor& cos,
                                           const at::Tensor& sin, bool backward) {
    const std::int64_t head_dim = x.size(2);
    const bool dense_heads = x.stride(2) == 1 && x.stride(1) == head_dim;
    const auto dense = dense_heads ? x : x.contiguous();
    const auto cosines = cos.contiguous();
    const auto sines = sin.contiguous();
    auto turned = at::empty(x.sizes(), x.options());
    with_elementwise_kernels(x.scalar_type(), [&](const auto& kernels) {
        using storage = storage_of_kernels<decltype(kernels)>;
        rotary_problem<storage> p;
        p.heads = x.size(1);
        p.head_dim = head_dim;
        p.x_stride = dense.stride(0);
        p.x = read_elements<storage>(dense);
        p.cos = read_elements<storage>(cosines);
        p.sin = read_elements<storage>(sines);
        p.y = write_elements<storage>(turned);
        p.backward = backward;
        run_elementwise(x.size(0), p.heads * head_dim, kernels.rotate, p);
    });
    return turned;
}

struct rotate_function : torch::autograd::Function<rotate_function> {
    static at::Tensor forward(torch::autograd::AutogradContext* context,
                              const at::Tensor& x, const at::Tensor& cos,
                              const at::Tensor& sin) {
        context->save_for_backward({cos, sin});
        return cpu_rotate(x, cos, sin, false);
    }

    static torch::autograd::tensor_list backward(
        torch::autograd::AutogradContext* context,
        torch::autograd::tensor_list gradients) {
        const auto saved = context->get_saved_variables();
        return {cpu_rotate(gradients[0], saved[0], saved[1], true), at::Tensor(),
                at::Tensor()};
    }
};

}  // namespace detail

inline at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos,
                         const at::Tensor& sin) {
    const auto fits = [&](const at::Tensor& table) {
        return table.dim() == 3 && table.size(0) == x.size(0) && table.size(1) == 1 &&
               table.size(2) == x.size(2) && table.scalar_type() == x.scalar_type();
    };
    if (x.dim() != 3 || x.size(2) % 2 != 0 || !fits(cos) || !fits(sin)) {
        throw invalid_argument("rotary positions: tables of " + c10::str(cos.sizes()) +
                               " and " + c10::str(sin.sizes()) + " do not fit x of " +
                               c10::str(x.sizes()) +
                               "; expected (T, 1, D) for (T, H, D)"
                               " of one dtype, D even");
    }
    if (!detail::has_elementwise_kernels(x)) return rotate_composed(x, cos, sin);
    return detail::rotate_function::apply(x, cos, sin);
}

}  // namespace packkit::lt
