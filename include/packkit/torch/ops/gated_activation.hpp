// SPDX-License-Identifier: Apache-2.0
/// @file
/// The function between the matrices of a gated feed-forward layer (Shazeer 2020, arXiv
/// 2002.05202).
#pragma once

#include <packkit/error.hpp>
#include <packkit/model/model_shape.hpp>
#include <packkit/torch/ops/detail/elementwise_dispatch.hpp>

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstddef>
#include <cstdint>

namespace packkit::lt {

/// activation(gate) × up, element by element. gate, up: of one shape and dtype.
///
/// On the CPU one pass forward and one backward, in float32 (float64 of float64) with one
/// rounding at the end; keeps gate and up and not the activation. Elsewhere
/// `gated_activation_composed`.
/// \throws invalid_argument when the shapes or dtypes differ
[[nodiscard]] at::Tensor gated_activation(activation_kind kind, const at::Tensor& gate,
                                          const at::Tensor& up);

/// The same by LibTorch's operations; the reference of `gated_activation`.
[[nodiscard]] inline at::Tensor gated_activation_composed(activation_kind kind,
                                                          const at::Tensor& gate,
                                                          const at::Tensor& up) {
    switch (kind) {
        case activation_kind::silu:
            return at::silu(gate) * up;
        case activation_kind::gelu:
            return at::gelu(gate) * up;
        case activation_kind::gelu_tanh:
            return at::gelu(gate, "tanh") * up;
        case activation_kind::relu:
            return at::relu(gate) * up;
    }
    throw invalid_argument("activation_kind has no such value");
}

// --- implementation
// -----------------------------------------------------------------------------

namespace detail {

/// The vectors of a thread start where those of one thread would, so that results do not
/// depend on the number of threads.
inline constexpr std::int64_t gated_part = 64;

template <class Problem, class Kernel>
void run_gated(std::int64_t elements, Kernel kernel, const Problem& problem) {
    at::parallel_for(
        0, (elements + gated_part - 1) / gated_part, elements_a_thread / gated_part,
        [&](std::int64_t begin, std::int64_t end) {
            kernel(problem, begin * gated_part, std::min(elements, end * gated_part));
        });
}

struct gated_function : torch::autograd::Function<gated_function> {
    static at::Tensor forward(torch::autograd::AutogradContext* context,
                              const at::Tensor& gate, const at::Tensor& up,
                              std::int64_t kind) {
        const auto dense_gate = gate.contiguous();
        const auto dense_up = up.contiguous();
        context->save_for_backward({dense_gate, dense_up});
        context->saved_data["kind"] = kind;
        auto result = at::empty_like(dense_gate);
        with_elementwise_kernels(gate.scalar_type(), [&](const auto& kernels) {
            using storage = storage_of_kernels<decltype(kernels)>;
            gated_problem<storage> p;
            p.gate = read_elements<storage>(dense_gate);
            p.up = read_elements<storage>(dense_up);
            p.y = write_elements<storage>(result);
            run_gated(result.numel(), kernels.gate[static_cast<std::size_t>(kind)], p);
        });
        return result;
    }

    static torch::autograd::tensor_list backward(
        torch::autograd::AutogradContext* context,
        torch::autograd::tensor_list gradients) {
        const auto saved = context->get_saved_variables();
        const auto kind = static_cast<std::size_t>(context->saved_data["kind"].toInt());
        const auto upstream = gradients[0].contiguous();
        auto dgate = at::empty_like(saved[0]);
        auto dup = at::empty_like(saved[1]);
        with_elementwise_kernels(upstream.scalar_type(), [&](const auto& kernels) {
            using storage = storage_of_kernels<decltype(kernels)>;
            gated_problem<storage> p;
            p.gate = read_elements<storage>(saved[0]);
            p.up = read_elements<storage>(saved[1]);
            p.dy = read_elements<storage>(upstream);
            p.dgate = write_elements<storage>(dgate);
            p.dup = write_elements<storage>(dup);
            run_gated(dgate.numel(), kernels.gate_gradients[kind], p);
        });
        return {dgate, dup, at::Tensor()};
    }
};

}  // namespace detail

inline at::Tensor gated_activation(activation_kind kind, const at::Tensor& gate,
                                   const at::Tensor& up) {
    if (gate.sizes() != up.sizes() || gate.scalar_type() != up.scalar_type()) {
        throw invalid_argument("gated activation: gate is " + c10::str(gate.sizes()) +
                               " " + c10::toString(gate.scalar_type()) + ", up is " +
                               c10::str(up.sizes()) + " " +
                               c10::toString(up.scalar_type()));
    }
    if (!detail::has_elementwise_kernels(gate))
        return gated_activation_composed(kind, gate, up);
    return detail::gated_function::apply(gate, up, static_cast<std::int64_t>(kind));
}

}  // namespace packkit::lt
