// SPDX-License-Identifier: Apache-2.0
/// @file
/// The elementwise CPU kernels, compiled once for each instruction set, and the choice of
/// the best that this machine has.
#pragma once

#include <packkit/torch/ops/detail/elementwise_problem.hpp>
#include <packkit/torch/ops/instruction_set.hpp>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#define PACKKIT_KERNEL_SPACE elementwise_sets
#define PACKKIT_KERNELS <packkit/torch/ops/detail/elementwise.inl>
#define PACKKIT_TILE_ROWS 1
#define PACKKIT_TILE_VECTORS 1
#include <packkit/torch/ops/detail/each_instruction_set.inl>

namespace packkit::lt::detail {

/// Returns all kernels that may run here, the largest instruction set first.
template <class Storage>
[[nodiscard]] std::vector<elementwise_kernels<Storage>> available_elementwise_kernels() {
    std::vector<elementwise_kernels<Storage>> found;
    const auto add = [&found](instruction_set set, auto make) {
        if (allows_instruction_set(set)) found.push_back(make(set));
    };
#if defined(__x86_64__)
    add(instruction_set::avx512, elementwise_sets::avx512::elementwise<Storage>);
    add(instruction_set::avx2, elementwise_sets::avx2::elementwise<Storage>);
#endif
    add(instruction_set::plain, elementwise_sets::plain::elementwise<Storage>);
    return found;
}

/// The best of them.
template <class Storage>
[[nodiscard]] const elementwise_kernels<Storage>& best_elementwise_kernels() {
    static const auto best = available_elementwise_kernels<Storage>().front();
    return best;
}

/// Whether the kernels know this tensor's device and dtype; else LibTorch's own do it.
[[nodiscard]] inline bool has_elementwise_kernels(const at::Tensor& tensor) {
    const auto dtype = tensor.scalar_type();
    return tensor.is_cpu() &&
           (dtype == at::kFloat || dtype == at::kDouble || dtype == at::kBFloat16);
}

/// body(kernels) of the storage of `dtype`. Precondition: has_elementwise_kernels.
template <class Body>
void with_elementwise_kernels(at::ScalarType dtype, Body body) {
    if (dtype == at::kDouble) {
        body(best_elementwise_kernels<double>());
    } else if (dtype == at::kBFloat16) {
        body(best_elementwise_kernels<bf16>());
    } else {
        body(best_elementwise_kernels<float>());
    }
}

/// What the tensors of kernels are made of; for use where their type is deduced.
template <class Kernels>
using storage_of_kernels = typename std::decay_t<Kernels>::storage;

template <class Storage>
[[nodiscard]] const Storage* read_elements(const at::Tensor& tensor) {
    return static_cast<const Storage*>(tensor.const_data_ptr());
}

template <class Storage>
[[nodiscard]] Storage* write_elements(const at::Tensor& tensor) {
    return static_cast<Storage*>(tensor.mutable_data_ptr());
}

/// Elements that a thread should have to do at least.
inline constexpr std::int64_t elements_a_thread = 1 << 14;

/// kernel(problem, begin, end) over [0, count), each worth `elements`.
template <class Kernel, class Problem>
void run_elementwise(std::int64_t count, std::int64_t elements, Kernel kernel,
                     const Problem& problem) {
    const std::int64_t grain = std::max<std::int64_t>(
        1, elements_a_thread / std::max<std::int64_t>(1, elements));
    at::parallel_for(0, count, grain, [&](std::int64_t begin, std::int64_t end) {
        kernel(problem, begin, end);
    });
}

}  // namespace packkit::lt::detail
