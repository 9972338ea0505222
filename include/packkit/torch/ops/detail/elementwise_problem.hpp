// SPDX-License-Identifier: Apache-2.0
/// @file
/// What the elementwise CPU kernels work on: pointers and sizes, no tensors. All is
/// contiguous unless a stride is named.
#pragma once

#include <packkit/model/model_shape.hpp>
#include <packkit/torch/ops/detail/attention_problem.hpp>

#include <array>
#include <cstdint>

namespace packkit::lt::detail {

/// y = x / √(mean(x²) + eps) × (weight + weight_offset) of rows, and its gradients.
template <class Storage>
struct rms_norm_problem {
    using compute = compute_type<Storage>;

    std::int64_t width = 0;
    compute eps = 0;
    compute weight_offset = 0;
    const Storage* x = nullptr;       ///< (rows, width)
    const Storage* added = nullptr;   ///< (rows, width) or null: x + added is normed,
    Storage* sum = nullptr;           ///< and written here
    const Storage* weight = nullptr;  ///< (width)
    Storage* y = nullptr;

    const Storage* dy = nullptr;
    const Storage* dsum = nullptr;  ///< added to dx; or null
    Storage* dx = nullptr;
};

/// y = x turned by the angles of its token, or the gradient of x from that of y.
template <class Storage>
struct rotary_problem {
    std::int64_t heads = 0;
    std::int64_t head_dim = 0;
    std::int64_t x_stride = 0;     ///< elements from a token to the next; heads are dense
    const Storage* x = nullptr;    ///< (tokens, heads, head_dim)
    const Storage* cos = nullptr;  ///< (tokens, head_dim)
    const Storage* sin = nullptr;
    Storage* y = nullptr;  ///< (tokens, heads, head_dim)
    bool backward = false;
};

/// y = activation(gate) × up, and its gradients.
template <class Storage>
struct gated_problem {
    const Storage* gate = nullptr;
    const Storage* up = nullptr;
    Storage* y = nullptr;

    const Storage* dy = nullptr;
    Storage* dgate = nullptr;
    Storage* dup = nullptr;
};

/// The kernels of one instruction set, each for rows, tokens or elements [begin, end).
template <class Storage>
struct elementwise_kernels {
    using storage = Storage;
    using compute = compute_type<Storage>;
    using gated_kernel = void (*)(const gated_problem<Storage>&, std::int64_t,
                                  std::int64_t);

    instruction_set set = instruction_set::plain;
    void (*rms_norm)(const rms_norm_problem<Storage>&, std::int64_t,
                     std::int64_t) = nullptr;
    /// Adds the rows' part to `dweight`.
    void (*rms_norm_gradients)(const rms_norm_problem<Storage>&, std::int64_t,
                               std::int64_t, compute* dweight) = nullptr;
    void (*rotate)(const rotary_problem<Storage>&, std::int64_t, std::int64_t) = nullptr;
    /// By activation_kind.
    std::array<gated_kernel, activation_names.size()> gate{};
    std::array<gated_kernel, activation_names.size()> gate_gradients{};
};

}  // namespace packkit::lt::detail
